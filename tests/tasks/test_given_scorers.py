"""Every road to a mark of the scorers that a file may name, with texts as models write them."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.task import Answer, Invalid, Mark, NotRun, Right, Wrong
from steelyard.tasks.given import scorers
from steelyard.tasks.given.texts import distance, plain

TRUNCATED, UNPARSABLE = Invalid("truncated"), Invalid("unparsable")


def mark(spec: object, known: str | tuple[str, ...], said: str, why: str = "stop") -> Mark:
    accepted = (known,) if isinstance(known, str) else known
    return made(scorers.checked(spec, "test"), accepted, Answer(said, why))


def made(spec: dict[str, Any], accepted: tuple[str, ...], answer: Answer) -> Mark:
    found = scorers.make(spec, accepted).mark(answer)
    assert isinstance(found, Mark)
    return found


@pytest.mark.parametrize(
    ("spec", "known", "said", "outcome"),
    [
        ("exact", "Paris", " Paris\n", Right()),
        ("exact", "Paris", "paris", Wrong()),
        ("exact", "Paris", "<think>Lyon?</think>Paris", Right()),
        ("exact", "Paris", "<think>Paris", UNPARSABLE),
        ("exact", "Paris", "I'm sorry, I cannot say", Invalid("refused")),
        ("normalised", "The Nile", "**nile.**", Right()),
        ("normalised", ("NYC", "New York"), "new  york", Right()),
        ("normalised", "3.5", "35", Wrong()),
        ("normalised", "-5", "5", Wrong()),
        ("normalised", "Lima", "It rains.\nAnswer: Lima", Right()),
        ("normalised", "Lima", "It rains.\nAnswer: Quito", Wrong()),
        ("numeric", "1,200", "That is $1,200.00", Right()),
        ({"numeric": {"tolerance": 0.01}}, "3.14", "3.149", Right()),
        ({"numeric": {"tolerance": 0.01}}, "3.14", "3.151", Wrong()),
        ({"numeric": {"relative": 0.1}}, "-200", "-181", Right()),
        ({"numeric": {"relative": 0.1}}, "-200", "-179", Wrong()),
        ("numeric", "7", "no idea", UNPARSABLE),
        ({"regex": {"pattern": r"\d{4}-\d\d"}}, (), "on 2024-05 it was", Right()),
        ({"regex": {"pattern": r"\d{4}-\d\d", "whole": True}}, (), "on 2024-05", Wrong()),
        ({"regex": {"ignore_case": True}}, "yes|yep", "YEP", Right()),
        ("contains", ("rain", "snow"), "Some SNOW today", Right()),
        ({"contains": {"all": True}}, ("rain", "snow"), "Some snow today", Wrong()),
        ({"contains": {"ignore_case": False}}, "snow", "SNOW", Wrong()),
        ({"edit_distance": {"most": 0.2}}, "kitten", "kittens", Right()),
        ({"edit_distance": {"most": 0.2}}, "kitten", "sitting", Wrong()),
        ("list", "red, green", "- Green\n- Red", Right()),
        ("list", '["red", "green"]', '["green", "red"]', Right()),
        ("list", "red, green", "red", Wrong()),
        ({"list": {"recall": 0.5}}, "red, green", "red", Right()),
        ({"list": {"recall": 0.5}}, "red, green", "red, blue", Wrong()),
        ("list", "red, green", "red, red, green", Wrong()),
        ("json_fields", '{"a": 1, "b": "x"}', 'Here: {"b": "x", "a": 1.0, "c": 0}', Right()),
        ("json_fields", '{"a": 1}', '{"a": "1"}', Wrong()),
        ({"json_fields": {"fields": ["a"]}}, '{"a": 1, "b": 2}', '{"a": 1, "b": 9}', Right()),
        ("json_fields", '{"a": 1}', "a is 1", UNPARSABLE),
        ({"json_schema": {"schema": {"type": "integer"}}}, (), "12", Right()),
        ({"json_schema": {"schema": {"type": "integer"}}}, (), "```json\n12\n```", Right()),
        ({"json_schema": {"schema": {"type": "integer"}}}, (), '"12"', Wrong()),
        ({"json_schema": {"schema": {"type": "integer"}}}, (), "{12", UNPARSABLE),
        ("json_schema", '{"required": ["a"]}', '{"a": null}', Right()),
    ],
)
def test_a_text_is_marked_as_its_scorer_says(
    spec: object, known: str | tuple[str, ...], said: str, outcome: object
) -> None:
    assert mark(spec, known, said).outcome == outcome


@pytest.mark.parametrize(
    ("spec", "known", "said", "outcome"),
    [
        ("exact", "Paris", "Paris", Right()),
        ("exact", "Paris", "Paris is the capital and", TRUNCATED),
        ("normalised", "Lima", "Well\nAnswer: Li", TRUNCATED),
        ("contains", "snow", "snow and more sn", TRUNCATED),
        ({"regex": {"pattern": "a"}}, (), "aaa", TRUNCATED),
        ("list", "red", "red, gre", TRUNCATED),
        ("list", "red", '["red"]', Right()),
        ("numeric", "12", "12", TRUNCATED),
        ({"json_schema": {"schema": {}}}, (), '{"a"', TRUNCATED),
        ("edit_distance", "kitten", "kit", TRUNCATED),
    ],
)
def test_what_was_cut_off_is_right_only_as_far_as_it_goes(
    spec: object, known: str | tuple[str, ...], said: str, outcome: object
) -> None:
    assert mark(spec, known, said, "length").outcome == outcome


def test_shares_and_differences_are_kept_beside_the_mark() -> None:
    assert mark("list", "red, green", "red, blue, grey").extracted["precision"] == "0.3333"
    assert mark("list", "red, green", "red, blue, grey").extracted["recall"] == "0.5000"
    assert mark("edit_distance", "kitten", "sitting").extracted["edits"] == "0.4286"
    fields = mark("json_fields", '{"a": 1, "b": 2}', '{"a": 1, "b": 3}')
    assert fields.extracted["differing"] == "b"
    schema = {"json_schema": {"schema": {"properties": {"a": {"type": "string"}}}}}
    assert mark(schema, (), '{"a": 1}').extracted["complaint"] == "$.a: 1 is not of type 'string'"


@pytest.mark.parametrize(
    "said",
    [
        'Here: {"a": "x"}',
        'Here it is:\n```json\n{"a": "x"}\n```\nThat is all.',
        'Not {"a": 1} but {"a": "x"}.',
    ],
)
def test_json_after_a_schema_is_found_among_words_which_are_kept_apart(said: str) -> None:
    schema = {"json_schema": {"schema": {"properties": {"a": {"type": "string"}}}}}
    found = mark(schema, (), said)
    assert found.outcome == Right()
    assert found.extracted["strict"] is None
    assert found.constraints == {"json_only": False}
    listed = {"json_schema": {"schema": {"type": "array", "minItems": 2}}}
    assert mark(listed, (), "They are [1, 2].").outcome == Right()
    assert mark(schema, (), 'Here: {"a": "x').outcome == UNPARSABLE


def test_fields_have_exact_types_save_that_one_number_is_written_in_two_ways() -> None:
    assert mark("json_fields", '{"a": 1}', '{"a": 1.0}').outcome == Right()
    for other in ('{"a": "1"}', '{"a": true}'):
        assert mark("json_fields", '{"a": 1}', other).outcome == Wrong()


@pytest.mark.parametrize(
    ("said", "letter"),
    [
        ("B", "B"),
        ("(B)", "B"),
        ("**B.**", "B"),
        ("B. Jupiter", "B"),
        ("B) because it is large", "B"),
        ("The answer is (B).", "B"),
        ("The correct answer is: B", "B"),
        ("A planet? Option B it is.", "B"),
        ("Mars is small.\nAnswer: B", "B"),
        ("Answer: B. Jupiter", "B"),
        ("It must be Jupiter.", "B"),
        ("The answer is a large planet, not Mars or Venus: Jupiter", None),
        ("A large planet", None),
        ("D", None),
        ("I think A or B", None),
        ("Of (A) and (C) neither fits", None),
    ],
)
def test_a_letter_is_found_and_never_guessed(said: str, letter: str | None) -> None:
    spec = {"name": "choices", "choices": ["Mars", "Jupiter", "Venus"]}
    found = made(spec, ("B",), Answer(said, "stop"))
    assert found.extracted["flexible"] == letter
    assert found.outcome == (Right() if letter == "B" else UNPARSABLE)


def test_a_choice_within_another_one_is_not_read_beside_it() -> None:
    spec = {"name": "choices", "choices": ["New York", "York", "Leeds"]}
    found = made(spec, ("A",), Answer("I would say New York.", "stop"))
    assert found.outcome == Right()


def test_a_prompt_without_a_known_answer_is_not_run_with_its_reason() -> None:
    found = made({"name": "none"}, (), Answer("anything", "stop"))
    assert found.outcome == NotRun("no_known_answer")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("exakt", "did you mean 'exact'"),
        ({"numeric": {"tolerence": 1}}, "did you mean 'tolerance'"),
        ({"numeric": {"tolerance": -1}}, "tolerance is -1"),
        ({"regex": {"pattern": "("}}, "not a regular expression"),
        ({"json_schema": {"schema": {"type": "nothing"}}}, "not a JSON schema"),
        ({"json_schema": {"schema": {"$ref": "http://x/y"}}}, "which lies outside it"),
        ({"exact": 1}, "bare value"),
        ({"exact": None, "list": None}, "no name of one"),
        ({"code_tests": {"function": "no name"}}, "a function's name"),
    ],
)
def test_a_scorer_that_cannot_be_is_refused_with_the_way_out(spec: object, said: str) -> None:
    with pytest.raises((BadInput, UnknownName)) as refused:
        scorers.checked(spec, "x.yaml, line 3")
    assert said in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        ("numeric", "seven"),
        ("numeric", ("1", "2")),
        ("regex", "("),
        ("json_fields", "[1]"),
        ({"json_fields": {"fields": ["z"]}}, '{"a": 1}'),
        ("json_schema", '{"type": "nothing"}'),
        ("json_schema", '{"$ref": "file:///etc/passwd"}'),
        ("json_schema", '{"$ref": "#/nowhere"}'),
        ("json_schema", '{"$ref": "#"}'),
        ("numeric", "1e999999999"),
        ("list", " , "),
        ("exact", ()),
    ],
)
def test_a_known_answer_that_a_scorer_cannot_use_is_refused(
    spec: object, known: str | tuple[str, ...]
) -> None:
    accepted = (known,) if isinstance(known, str) else known
    with pytest.raises(ValueError, match=r"answer|schema"):
        scorers.make(scorers.checked(spec, "test"), accepted)


def test_edits_are_counted_as_the_slow_way_counts_them() -> None:
    rng = random.Random(3)
    for _ in range(400):
        left, right = ("".join(rng.choices("abc", k=rng.randrange(14))) for _ in range(2))
        row = list(range(len(right) + 1))
        for a, one in enumerate(left, 1):
            before, row = row, [a]
            for b, other in enumerate(right, 1):
                least = min(before[b] + 1, row[-1] + 1, before[b - 1] + (one != other))
                row.append(least)
        assert distance(left, right) == row[-1], (left, right)


def test_form_is_taken_off_and_nothing_else() -> None:
    said = ["“Paris”!", "The U.S.A.", "don't", "an apple, the pear", "$5.00.", "C++", "A"]
    wanted = ["paris", "u.s.a", "don't", "apple pear", "$5.00", "c++", "a"]
    assert [plain(text) for text in said] == wanted
    assert json.loads(json.dumps(scorers.checked({"list": {"recall": 1}}, ""))) == {
        "name": "list",
        "recall": 1,
    }


RUBRIC = {"rubric": "It is right."}


@pytest.mark.parametrize(
    ("more", "said", "why", "outcome"),
    [
        ({}, "Paris", "stop", NotRun("not_judged")),
        ({}, "I'm sorry, I cannot say", "stop", NotRun("not_judged")),
        ({}, "Par", "length", TRUNCATED),
        ({}, " ", "stop", UNPARSABLE),
        ({}, "<think>Paris</think>", "stop", UNPARSABLE),
        ({"first": "exact"}, "Paris", "stop", NotRun("not_judged")),
        ({"first": "exact"}, "Lyon", "stop", Wrong()),
        ({"first": "exact"}, "I cannot say", "stop", Invalid("refused")),
        ({"first": "numeric"}, "Paris", "stop", UNPARSABLE),
    ],
)
def test_only_what_no_check_can_tell_waits_for_a_judge(
    more: dict[str, Any], said: str, why: str, outcome: object
) -> None:
    known = "7" if more == {"first": "numeric"} else "Paris"
    assert mark({"judge": {**RUBRIC, **more}}, known, said, why).outcome == outcome


def test_a_judge_needs_no_known_answer_but_the_check_before_it_may() -> None:
    alone = scorers.checked({"judge": RUBRIC}, "test")
    before = scorers.checked({"judge": {**RUBRIC, "first": "exact"}}, "test")
    assert scorers.stands_alone(alone)
    assert not scorers.stands_alone(before)
    assert before["first"] == {"name": "exact"}
