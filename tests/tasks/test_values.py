"""Every road to a mark of the later scorers, with texts as models really write them."""

from __future__ import annotations

import json

import pytest

from steelyard.domain.task import Answer, Ask, Invalid, Mark, Right, Task, Wrong
from steelyard.tasks.conversation import Conversation, joined
from steelyard.tasks.items import Question
from steelyard.tasks.multi_turn import Standing, TurnScorer
from steelyard.tasks.registry import drawn
from steelyard.tasks.summary import SummaryScorer
from steelyard.tasks.values import FieldsScorer, ValueScorer

INVOICE = ValueScorer("INV-12", ("INV-12", "INV-123", "none"))
WORKED = ValueScorer("none", ("INV-12", "none"), worked=True)
WEIGHT = ValueScorer("12", ("unknown",), numeric=True, aside=("over", "kg"))
FIELDS = FieldsScorer('{"total": 12, "customer": "Anna", "paid": true}')


@pytest.mark.parametrize("text", ["INV-12", "inv-12.", "**INV-12**", "It is INV-12, I think."])
def test_a_right_id_is_right_however_it_is_dressed(text: str) -> None:
    assert INVOICE.mark(Answer(text, "stop")).outcome == Right()


def test_a_longer_id_is_another_one_and_two_are_none() -> None:
    assert INVOICE.mark(Answer("It is INV-123.", "stop")).outcome == Wrong()
    both = INVOICE.mark(Answer("Either INV-12 or INV-123", "stop"))
    assert both.outcome == Invalid("unparsable")
    assert INVOICE.mark(Answer("INV-77", "stop")).outcome == Wrong()


def test_a_worked_value_is_read_from_its_line() -> None:
    said = "INV-12 adds up to 40.\nAnswer: none"
    mark = WORKED.mark(Answer(said, "stop"))
    assert mark.outcome == Right()
    assert mark.extracted == {"strict": "none", "flexible": "none"}
    assert WORKED.mark(Answer("INV-12 adds up", "length")).outcome == Invalid("truncated")


@pytest.mark.parametrize("text", ["12", "12 kg", "12kg over", "OVER 12.0 KG", "It weighs 12 kg."])
def test_units_and_closing_words_are_set_aside(text: str) -> None:
    assert WEIGHT.mark(Answer(text, "stop")).outcome == Right()


def test_unknown_is_an_answer_where_a_number_is_asked_for() -> None:
    assert WEIGHT.mark(Answer("unknown over", "stop")).outcome == Wrong()
    assert WEIGHT.mark(Answer("13", "stop")).outcome == Wrong()
    assert WEIGHT.mark(Answer("over", "stop")).outcome == Invalid("unparsable")


def test_a_word_that_looks_like_a_huge_number_is_only_a_word() -> None:
    assert INVOICE.mark(Answer("1e999999999", "stop")).outcome == Wrong()


GOOD = '{"customer": "Anna", "total": 12.0, "paid": true}'


def test_json_is_found_bare_fenced_and_in_a_sentence() -> None:
    bare = FIELDS.mark(Answer(GOOD, "stop"))
    assert bare.outcome == Right()
    assert bare.constraints == {"json_only": True, "json_keys": True}
    for text in (f"```json\n{GOOD}\n```", f"Here it is: {GOOD} Anything else?", f"{{x}} {GOOD}"):
        mark = FIELDS.mark(Answer(text, "stop"))
        assert mark.outcome == Right()
        assert mark.constraints == {"json_only": False, "json_keys": True}
        assert mark.extracted["strict"] is None
        assert json.loads(mark.extracted["flexible"] or "") == json.loads(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("12.0", '"12"'),
        GOOD.replace("true", "1"),
        GOOD.replace("Anna", "anna"),
        GOOD.replace("}", ', "more": 1}'),
        '{"customer": "Anna", "total": 12}',
    ],
)
def test_another_type_another_case_or_another_field_is_wrong(text: str) -> None:
    assert FIELDS.mark(Answer(text, "stop")).outcome == Wrong()


def test_what_stands_inside_a_broken_object_is_no_answer() -> None:
    cut = '{"calls": [{"tool": "x", "arguments": {}}'
    assert FIELDS.mark(Answer(cut, "length")).outcome == Invalid("truncated")
    assert FIELDS.mark(Answer(cut, "stop")).outcome == Invalid("unparsable")
    assert FIELDS.mark(Answer("[" * 5000, "stop")).outcome == Invalid("unparsable")
    assert FIELDS.mark(Answer('{"a":' * 5000, "stop")).outcome == Invalid("unparsable")
    assert FIELDS.mark(Answer("I cannot do that.", "stop")).outcome == Invalid("refused")


def test_a_thought_before_the_json_is_no_part_of_it() -> None:
    text = f'<think>{{"customer": "Ben"}}</think>{GOOD}'
    assert FIELDS.mark(Answer(text, "stop")).outcome == Right()


# ── tool calls ──────────────────────────────────────────────────────────────────────────────
def tool_items(kind: str) -> list[Question]:
    found = drawn(Task("tools_prompted", revision=2, level=2, items=200))
    return [item for item in found if isinstance(item, Question) and item.kind == kind]


def called(item: Question, answer: object) -> Mark:
    mark = item.on(Answer(json.dumps(answer), "stop"))
    assert isinstance(mark, Mark)
    return mark


def test_calls_may_come_in_any_order_but_none_too_many_or_too_few() -> None:
    for item in tool_items("parallel"):
        wanted = json.loads(item.answer)
        calls = wanted["calls"]
        assert called(item, {"calls": calls[::-1], "missing": []}).outcome == Right()
        for others in ([*calls, calls[0]], calls[1:]):
            mark = called(item, {"calls": others})
            assert mark.outcome == Wrong()
            assert mark.constraints["schema_valid"]
            assert not mark.constraints["right_arguments"]


def test_the_parts_of_a_call_are_told_apart() -> None:
    for item in tool_items("multiple"):
        (call,) = json.loads(item.answer)["calls"]
        arguments = call["arguments"]
        other_id = {"calls": [{**call, "arguments": {**arguments, "id": arguments["id"] + 1}}]}
        parts = called(item, other_id).constraints
        assert parts == {**RIGHT, "right_arguments": False}
        as_text = {"calls": [{**call, "arguments": {**arguments, "id": str(arguments["id"])}}]}
        assert called(item, as_text).constraints == {
            **RIGHT,
            "schema_valid": False,
            "right_arguments": False,
        }
        invented = called(item, {"calls": [{"tool": "do_it", "arguments": arguments}]})
        assert invented.constraints == dict.fromkeys(RIGHT, False) | {"json_only": True}
        more = {"calls": [{**call, "arguments": {**arguments, "force": True}}]}
        assert not called(item, more).constraints["schema_valid"]
        for nothing in ({"calls": "none"}, {"tool": call["tool"]}, {"calls": [call["tool"]]}):
            assert called(item, nothing).outcome == Wrong()


RIGHT = {"json_only": True, "schema_valid": True, "right_tool": True, "right_arguments": True}


def test_what_is_missing_has_to_be_named() -> None:
    for item in tool_items("missing"):
        assert called(item, {"calls": []}).outcome == Wrong()
        assert called(item, {"calls": [], "missing": ["colour of it"]}).outcome == Wrong()
        assert called(item, json.loads(item.answer)).constraints == RIGHT


# ── conversations ───────────────────────────────────────────────────────────────────────────
def test_an_instruction_that_was_broken_once_was_not_kept() -> None:
    kept, broken = Mark(Right(), {}, {"unit": True}), Mark(Right(), {}, {"unit": False})
    assert joined([kept, broken, kept]).constraints == {"unit": False}
    assert joined([kept, Mark(Wrong(), {}, {}), kept]).constraints == {"unit": True}


def test_the_first_turn_that_is_not_right_decides() -> None:
    right, wrong, cut = (Mark(o) for o in (Right(), Wrong(), Invalid("truncated")))
    assert joined([right, cut, wrong]).outcome == Invalid("truncated")
    assert joined([right, wrong, cut]).outcome == Wrong()
    assert joined([right, right]).outcome == Right()


def test_each_standing_instruction_is_checked_on_what_was_written() -> None:
    standing = Standing(case="upper", closing="over", unit=True)
    assert standing.written("12") == "12 KG OVER"
    value = ValueScorer("12", ("unknown",), numeric=True, aside=("over", "kg"))
    scorer = TurnScorer(value, standing.constraints("12"))
    for text, failed in (
        ("12 KG OVER", set()),
        ("12 kg over", {"letter_case"}),
        ("12 KG", {"closing_word"}),
        ("12 OVER", {"unit"}),
    ):
        mark = scorer.mark(Answer(text, "stop"))
        assert mark.outcome == Right()
        assert {name for name, held in mark.constraints.items() if not held} == failed
    off = Standing(ended="over", unit=False)
    scorer = TurnScorer(value, off.constraints("12"))
    assert all(scorer.mark(Answer("12", "stop")).constraints.values())
    broken = scorer.mark(Answer("12 kg over", "stop")).constraints
    assert not broken["closing_word"]
    assert not broken["unit"]


def test_the_models_own_words_stay_in_the_conversation_without_its_thoughts() -> None:
    (item,) = drawn(Task("multi_turn", items=1))
    assert isinstance(item, Conversation)
    item.start()
    step = item.on(Answer("<think>hm</think> Nowhere.", "stop"))
    assert isinstance(step, Ask)
    assert [(m.role, m.content) for m in step.messages] == [
        ("user", item.turns[0].prompt),
        ("assistant", "Nowhere."),
        ("user", item.turns[1].prompt),
    ]
    assert len(item.start().messages) == 1


def test_nothing_said_ends_a_conversation() -> None:
    (item,) = drawn(Task("multi_turn", items=1))
    item.start()
    mark = item.on(Answer("<think>what if", "length"))
    assert isinstance(mark, Mark)
    assert mark.outcome == Invalid("truncated")


SUMMARY = SummaryScorer("ticket", ("T-1", "lamp"), ("T-12", "Will"), 12)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("Tickets about billing: T-1 (lamp).", Right()),
        ("I will say: it is T-1 with its lamp.", Right()),
        ("T-1 (lamp) and T-12", Wrong()),
        ("T-1 (lamp) of Will", Wrong()),
        ("T-1 is about billing.", Wrong()),
        ("T-1 (lamp)" + " and so on" * 4, Wrong()),
        ("There is no such ticket.", Wrong()),
        ("fog and mist", Invalid("unparsable")),
    ],
)
def test_a_summary_holds_its_facts_and_no_others(said: str, outcome: object) -> None:
    assert SUMMARY.mark(Answer(said, "stop")).outcome == outcome
    assert SUMMARY.mark(Answer(said, "length")).outcome == Invalid("truncated")
