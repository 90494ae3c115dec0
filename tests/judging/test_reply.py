"""Every road to a judge's score, and every reply that is none."""

from __future__ import annotations

import json

import pytest

from steelyard.judging import reply
from steelyard.judging.reply import SCORES, Fault, Scored

GOOD = '{"reason": "The number is right.", "score": 4}'


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (GOOD, 4),
        (f"\n {GOOD}\n", 4),
        ('{"score": 1, "reason": ""}', 1),
        ('{"reason": "A whole number, written as models do.", "score": 5.0}', 5),
    ],
)
def test_a_reply_in_the_form_that_was_asked_for_is_read(text: str, number: int) -> None:
    found = reply.read(text, "stop")
    assert isinstance(found, Scored)
    assert found.number == number


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("4", "wrong_shape"),
        ("Four out of five.", "not_json"),
        (GOOD[:-1], "not_json"),
        (GOOD + GOOD, "not_json"),
        (f"```json\n{GOOD}\n```", "wrapped"),
        (f"I would say {GOOD} to that.", "wrapped"),
        (f"[{GOOD}]", "wrong_shape"),
        ('{"score": 4}', "wrong_shape"),
        ('{"reason": "", "score": 4, "sure": true}', "wrong_shape"),
        ('{"reason": "", "score": "4"}', "wrong_shape"),
        ('{"reason": "", "score": null}', "wrong_shape"),
        ('{"reason": "", "score": true}', "wrong_shape"),
        ('{"reason": ["x"], "score": 4}', "wrong_shape"),
        ('{"reason": "", "score": 0}', "off_scale"),
        ('{"reason": "", "score": 6}', "off_scale"),
        ('{"reason": "", "score": 3.5}', "off_scale"),
        ('{"reason": "", "score": NaN}', "off_scale"),
        ('{"reason": "", "score": 1, "score": 5}', "wrapped"),
        ("[" * 100_000, "not_json"),
    ],
)
def test_what_is_no_such_reply_has_a_name_and_no_score(text: str, fault: Fault) -> None:
    assert reply.read(text, "stop") == fault


def test_a_reply_that_was_cut_off_is_none_even_where_it_reads_well() -> None:
    assert reply.read(GOOD, "length") == "truncated"
    assert reply.read("", "length") == "truncated"


def test_the_scale_ends_at_nothing_and_at_one() -> None:
    assert [Scored(number, "").score for number in SCORES] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_schema_leaves_no_score_to_give_that_is_off_the_scale() -> None:
    with_lengths, plain = (
        json.loads(reply.schema(bound)) for bound in ("schema with lengths", "schema")
    )
    assert with_lengths["properties"]["score"] == {"type": "integer", "enum": list(SCORES)}
    assert with_lengths["properties"].pop("reason") == {"type": "string", "maxLength": 400}
    assert plain["properties"].pop("reason") == {"type": "string"}
    assert with_lengths == plain
    assert reply.schema("words") == ""


def test_half_a_character_in_a_reason_becomes_one_that_a_file_can_hold() -> None:
    found = reply.read('{"reason": "so \\ud83d", "score": 2}', "stop")
    assert isinstance(found, Scored)
    found.reason.encode()
