"""One answer that calls tools: which tool, which arguments, and what is no call at all."""

from __future__ import annotations

import json

import pytest
from tests.tasks.called_tools import called, catalogue, failing, items, marked, question, wanted

from steelyard.domain.task import Answer, Invalid, Right, Wrong
from steelyard.tasks.tool_calls import ToolScorer, called_in_text
from steelyard.tasks.tool_catalogue import EVERY


def test_a_wrong_tool_with_the_right_arguments_fails_in_the_tool_alone() -> None:
    item = question("multiple")
    name, given = wanted(item)[0]
    other = next(t.name for t in catalogue(item) if t.name != name and t.accepts(given))
    mark = marked(item, called((other, given)))
    assert (mark.outcome, failing(mark)) == (Wrong(), {"right_tool"})


def test_wrong_arguments_to_the_right_tool_fail_in_the_arguments_alone() -> None:
    name, given = wanted(question("multiple"))[0]
    mark = marked(question("multiple"), called((name, {**given, "id": given["id"] + 1})))
    assert (mark.outcome, failing(mark)) == (Wrong(), {"right_arguments"})


def test_arguments_against_the_schema_are_told_apart() -> None:
    name, given = wanted(question("multiple"))[0]
    for bad in ({**given, "id": str(given["id"])}, {**given, "more": 1}, {}):
        mark = marked(question("multiple"), called((name, bad)))
        assert (mark.outcome, failing(mark)) == (Wrong(), {"right_arguments", "schema_valid"})


def test_a_function_that_does_not_exist_is_told_apart() -> None:
    _, given = wanted(question("simple"))[0]
    mark = marked(question("simple"), called(("do_everything", given)))
    assert (mark.outcome, failing(mark)) == (Wrong(), {"right_tool", "known_tool"})


def test_parallel_calls_may_come_in_any_order_and_none_may_be_missing_or_twice() -> None:
    item = question("parallel")
    calls = wanted(item)
    assert marked(item, called(*calls[::-1])).outcome == Right()
    assert marked(item, called(*calls[1:])).outcome == Wrong()
    assert marked(item, called(*calls, calls[0])).outcome == Wrong()


def test_arguments_that_went_to_the_other_tool_are_wrong_though_each_part_holds() -> None:
    scorer = ToolScorer(tuple(EVERY), (("cancel_order", {"id": 1}), ("archive_order", {"id": 2})))
    mark = scorer.mark(called(("cancel_order", {"id": 2}), ("archive_order", {"id": 1})))
    assert (mark.outcome, failing(mark)) == (Wrong(), set())


def test_broken_arguments_are_unparsable_and_cut_ones_truncated() -> None:
    name, given = wanted(question("simple"))[0]
    broken = called((name, json.dumps(given)[:-1]))
    assert marked(question("simple"), broken).outcome == Invalid("unparsable")
    cut = Answer("", "length", calls=broken.calls)
    mark = marked(question("simple"), cut)
    assert (mark.outcome, mark.demands) == (Invalid("truncated"), {})
    two = wanted(question("parallel"))[:1]
    short = Answer("", "length", calls=called(*two).calls)
    assert marked(question("parallel"), short).outcome == Invalid("truncated")


AS_TEXT = (
    '<tool_call>\n{{"name": "{name}", "arguments": {given}}}\n</tool_call>',
    '```json\n{{"name": "{name}", "parameters": {given}}}\n```',
    'I will do it: {{"tool": "{name}", "arguments": {given}}}',
    '{{"tool_calls": [{{"function": {{"name": "{name}", "arguments": {given}}}}}]}}',
    "<function={name}>{given}</function>",
    '[TOOL_CALLS][{{"name": "{name}", "arguments": {given}}}]',
    "<|python_tag|>{name}(id=5)",
    "{name}(id=5)",
)


@pytest.mark.parametrize("form", AS_TEXT)
@pytest.mark.parametrize("kind", ["simple", "irrelevant", "missing"])
def test_a_call_written_as_text_is_named_and_neither_right_nor_wrong(form: str, kind: str) -> None:
    item = question(kind)
    name = json.loads(item.tools[0])["function"]["name"]
    mark = marked(item, Answer(form.format(name=name, given='{"id": 5}'), "stop"))
    assert mark.outcome == Invalid("call_as_text")
    assert not mark.constraints["through_api"]
    assert name in (mark.extracted["flexible"] or "")


@pytest.mark.parametrize(
    "said",
    [
        "no tool",
        "None of the tools, such as cancel_order(), does this.",
        "I need one thing: {date}. Which one?",
        'The order is {"id": 5, "date": "2026-01-01"}.',
        'Its name is {"name": "Anna"}',
        "Done (see order 5).",
        "{" * 40,
        "missing: date",
    ],
)
def test_other_words_are_no_call(said: str) -> None:
    assert not called_in_text(Answer(said, "stop"), {"cancel_order", "move_order"})


def test_a_call_that_is_only_thought_of_is_none() -> None:
    text = '<think>{"name": "x", "arguments": {}}</think>no tool'
    assert marked(question("irrelevant"), Answer(text, "stop")).outcome == Right()


@pytest.mark.parametrize(
    "said", ["no tool", "No tool.", "**no tool**", "There is no suitable tool for this.",
             "None of the available functions can do that.",
             "I'm sorry, I can\u2019t do that with the tools at hand.",
             "The tools that I have do not cover this."]
)  # fmt: skip
def test_that_no_tool_fits_may_be_said_in_several_ways(said: str) -> None:
    mark = marked(question("irrelevant"), Answer(said, "stop"))
    assert (mark.outcome, failing(mark)) == (Right(), set())
    assert marked(question("simple"), Answer(said, "stop")).outcome == Wrong()


def test_a_call_where_none_was_due_is_wrong() -> None:
    for kind in ("irrelevant", "missing"):
        name = json.loads(question(kind).tools[0])["function"]["name"]
        mark = marked(question(kind), called((name, {"id": 5})))
        assert mark.outcome == Wrong()
        assert "called_nothing" in failing(mark)


DATE = ToolScorer(tuple(EVERY), (), "missing: date")


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("missing: date", "missing: date"),
        ("Missing: `date`.", "missing: date"),
        ("The argument date is missing. Which date shall I take for order 5?", "missing: date"),
        ("When shall it be?", "missing: date"),
        ("What is the new date of the order with id 5?", "missing: date"),
        ("missing: person", "missing: person"),
        ("Which date, and which person?", None),
        ("I have shifted it to another date.", None),
        ("no tool", "no tool"),
        ("fog", None),
    ],
)
def test_what_is_asked_for_is_read_out_of_a_sentence(said: str, read: str | None) -> None:
    mark = DATE.mark(Answer(said, "stop"))
    assert mark.extracted["flexible"] == read
    assert (mark.outcome == Right()) == (read == "missing: date")
    assert (mark.outcome == Invalid("unparsable")) == (read is None)
    assert mark.constraints["asked_for_it"] == (read == "missing: date")


def test_silence_and_nonsense_are_right_nowhere() -> None:
    for item in items():
        for text in ("", "fog and mist", "OK, done."):
            assert marked(item, Answer(text, "stop")).outcome == Invalid("unparsable")
