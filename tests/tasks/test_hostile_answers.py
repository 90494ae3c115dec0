"""Answers that no model should write and some do: a mark for each of them, and never a failure."""

from __future__ import annotations

import pytest

from steelyard.domain.task import Answer, Invalid, Mark, NotRun, Outcome, Right, Task, Wrong
from steelyard.platform import matching
from steelyard.tasks import json_text, registry
from steelyard.tasks.given import scorers
from steelyard.tasks.given.texts import PatternScorer
from steelyard.tasks.registry import questions

UNPARSABLE = Invalid("unparsable")
LONG = "9" * 5000
SCHEMA = {"json_schema": {"schema": {"type": "object"}}}


def marked(spec: object, known: str, said: str) -> Mark:
    accepted = (known,) if known else ()
    found = scorers.make(scorers.checked(spec, "test"), accepted).mark(Answer(said, "stop"))
    assert isinstance(found, Mark)
    return found


@pytest.mark.parametrize("said", ["[" * 1500, '{"a":' * 3000, '{"a":' + LONG + "}"])
def test_what_is_nested_too_deep_or_too_long_is_no_json(said: str) -> None:
    asked = next(q for q in questions(Task("formats", items=30)) if q.kind == "json")
    found = asked.scorer.mark(Answer(said, "stop"))
    assert isinstance(found, Mark)
    assert found.outcome == Wrong()  # a form that is not kept
    assert found.constraints["json_object"] is False
    for spec, known in ((SCHEMA, ""), ("json_fields", '{"a": 1}')):
        assert marked(spec, known, said).outcome == UNPARSABLE


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", LONG])
def test_a_number_that_is_none_makes_no_json(number: str) -> None:
    assert marked(SCHEMA, "", f'{{"a": {number}}}').outcome == UNPARSABLE
    assert marked("json_fields", '{"a": 1}', f'so {{"a": {number}}}').outcome == UNPARSABLE
    with pytest.raises(ValueError, match="cannot be read"):
        json_text.read(f"[{number}]")


def test_what_stands_behind_a_broken_object_is_read_and_what_is_in_it_is_not() -> None:
    assert [*json_text.outermost('{"b": {"a": 1}, "c": NaN} {"a": 2}', "{")] == [{"a": 2}]
    assert [*json_text.outermost('{"b": {"a": 1}, no', "{")] == []
    assert [*json_text.outermost('{"b": {"a": 1}, no', "{", in_broken=True)] == [{"a": 1}]
    assert [*json_text.outermost("[1] and [x] and [[2]]", "[")] == [[1], [[2]]]


@pytest.mark.parametrize("last", ['{"a": NaN}', '{"a": 1e999}', '{"a":' * 3000])
@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```"])
def test_an_earlier_draft_does_not_stand_for_json_that_cannot_be_read(last: str, form: str) -> None:
    said = f'A draft: {form.format("""{"a": 1}""")}\nNow: {form.format(last)}'
    for spec, known in ((SCHEMA, ""), ("json_fields", '{"a": 1}')):
        assert marked(spec, known, said).outcome == UNPARSABLE


def test_blank_lines_behind_a_fence_are_read_at_once() -> None:
    said = "```json" + "\n" * 20_000
    for spec, known in ((SCHEMA, ""), ("json_fields", '{"a": 1}'), ("list", "a, b")):
        assert marked(spec, known, said).outcome in (UNPARSABLE, Wrong())
    assert marked("json_fields", '{"a": 1}', '```json \r\n\n{"a": 1}\n```').outcome == Right()


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("a" * 40 + "!", NotRun("pattern_too_slow")), ("aaa", Right()), ("b", Wrong())],
)
def test_a_pattern_that_takes_for_ever_takes_one_row(said: str, outcome: Outcome) -> None:
    scorer = PatternScorer("^(a+)+$", limit_s=0.2)
    assert scorer.mark(Answer(said, "stop")).outcome == outcome


@pytest.mark.parametrize(
    ("said", "why"), [("a" * 40 + "!", "length"), ("a" * 40 + "!", "stop"), ("", "stop")]
)
def test_an_answer_that_was_cut_or_is_empty_is_matched_with_nothing(said: str, why: str) -> None:
    scorer = PatternScorer("^(a+)+$", limit_s=0.2)
    cut = {"length": Invalid("truncated"), "stop": NotRun("pattern_too_slow")}
    outcome = cut[why] if said else UNPARSABLE
    assert scorer.mark(Answer(said, why)).outcome == outcome


def test_two_repeats_beside_each_other_may_take_some_seconds() -> None:
    assert matching.CPU_S >= 10


def test_a_match_is_what_python_finds() -> None:
    spec = {"regex": {"pattern": r"(?P<year>\d{4})\b", "ignore_case": True}}
    assert marked(spec, "", "x \ud83d in 2024\n").extracted["strict"] == "2024"


@pytest.mark.parametrize(
    ("known", "said", "outcome"),
    [
        ("a, b", "a and b", Right()),
        ("a, b", "a; b", Right()),
        ("a, b, c", "a, b and c", Right()),
        ("a, b, c", "A, B, and C.", Right()),
        ("a, b", "The items are: a, b", Right()),
        ("a, b", "* a\n* b\n\nHope that helps!", Right()),
        ("a, b", "Here they are:\na\nb", Right()),
        ("a, b", "- a\n- b\n- d\n\nDone.", Wrong()),
        ('["salt and pepper", "oil"]', "oil, salt and pepper", Right()),
        ('["Rome, Italy", "Bonn"]', "Rome, Italy; Bonn", Right()),
        ("a, b", "* a\n* b\n* d\nb", Wrong()),
        ("a, b", "- a\n- c\nb", Wrong()),
        ("a, b", "- a\nb", Wrong()),
        ("a, b", "I look at both.\n**Answer:** a, b", Right()),
        ("a, b", "Answer: a, d. Wait, Answer: a, b", Right()),
        ("a, b", "Answer: a, b. Wait, Answer: a, d", Wrong()),
        ("a, b", "Answer:\na\nb", Right()),
        ("answer a, b", "Answer A, b", Right()),
        ('["Emma", "And Then There Were None"]', "Emma, And Then There Were None", Right()),
        ('["Emma", "And Then There Were None"]', "Emma, and Persuasion", Wrong()),
        ('["salt and pepper", "oil"]', "salt and pepper, and oil", Right()),
        ('["1. FC K\u00f6ln", "Schalke 04"]', "1. FC K\u00f6ln, Schalke 04", Right()),
        ('["1. FC K\u00f6ln", "Schalke 04"]', "1. FC K\u00f6ln\nSchalke 04", Right()),
        ('["1. FC K\u00f6ln", "Schalke 04"]', "- 1. FC K\u00f6ln\n- Schalke 04", Right()),
        ('["1. FC K\u00f6ln", "Schalke 04"]', "1. 1. FC K\u00f6ln\n2. Schalke 04", Right()),
        ("a, b", "a - b", Wrong()),
        ("a, b", "a and d", Wrong()),
    ],
)
def test_a_list_is_read_as_people_write_it(known: str, said: str, outcome: Outcome) -> None:
    assert marked("list", known, said).outcome == outcome


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("Answer: London. Wait, Answer: Paris", Right()),
        ("Answer: Paris. Wait, Answer: London", Wrong()),
        ("**Answer:** London **Answer:** Paris", Right()),
    ],
)
def test_the_last_answer_of_a_line_counts(said: str, outcome: Outcome) -> None:
    assert marked("normalised", "Paris", said).outcome == outcome


@pytest.mark.parametrize("said", ["1e999999999", "-1e-999999999", "Answer: 1e99999", LONG])
def test_a_number_that_cannot_be_read_whole_is_not_read_in_part(said: str) -> None:
    found = marked("numeric", "1", said)
    assert (found.outcome, found.extracted["flexible"]) == (UNPARSABLE, None)
    assert marked("numeric", "1000", "1e3").outcome == Right()


@pytest.mark.parametrize("family", ["formats", "rag", "tools", "reading"])
def test_a_family_marks_whatever_is_said(family: str) -> None:
    revision = registry.family(family).revision
    for item in registry.generate(Task(family, items=12, revision=revision)):
        for said in ("[" * 20_000, f"a{chr(10) * 20_000}b", LONG, "\\boxed{" * 3000, "\x00", ""):
            item.start()
            assert isinstance(item.on(Answer(said, "stop")), Mark)
