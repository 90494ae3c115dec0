"""The native tools family: one truth, no leak, no shortcut, and every way an answer can go."""

from __future__ import annotations

import copy
import json
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeAlias

import jsonschema
import pytest
from tests.tasks.tool_solver import solve

from steelyard.domain.errors import BadInput
from steelyard.domain.task import Answer, Ask, Call, Invalid, Mark, Right, Task, Trial, Wrong
from steelyard.tasks.errand import Errand
from steelyard.tasks.items import Question, split_of
from steelyard.tasks.registry import drawn, family, questions
from steelyard.tasks.tool_calls import ToolScorer, called_in_text
from steelyard.tasks.tool_catalogue import EVERY, FINDERS
from steelyard.tasks.tool_world import World

LEVELS = family("tools").levels
every_level = pytest.mark.parametrize("level", LEVELS)
Item: TypeAlias = Question | Errand
_CACHE: dict[tuple[int, int], list[Item]] = {}
SLACK = 0.05


def items(level: int = 1, count: int = 240) -> list[Item]:
    key = (level, count)
    if key not in _CACHE:
        _CACHE[key] = asked(Task("tools", revision=2, level=level, items=count))
    return _CACHE[key]


def asked(task: Task) -> list[Item]:
    return [item for item in drawn(task) if isinstance(item, Question | Errand)]


def played(item: Item, *instead: Answer) -> Mark:
    """Answer as the solver does, save for the first answers."""
    step: Ask | Mark | Trial = item.start()
    said = list(instead)
    while isinstance(step, Ask):
        step = item.on(said.pop(0) if said else solve(step))
    assert isinstance(step, Mark)
    return step


def of_kind(kind: str, level: int = 1) -> Item:
    return next(item for item in items(level) if item.kind == kind)


def question(kind: str, level: int = 2) -> Question:
    found = of_kind(kind, level)
    assert isinstance(found, Question)
    return found


def errand(level: int = 1) -> Errand:
    found = of_kind("errand", level)
    assert isinstance(found, Errand)
    return found


def wanted(item: Question) -> list[tuple[str, dict[str, Any]]]:
    return [(call["tool"], call["arguments"]) for call in json.loads(item.answer)["calls"]]


def called(*calls: tuple[str, Mapping[str, Any] | str], text: str = "") -> Answer:
    made = (Call(n, a if isinstance(a, str) else json.dumps(a)) for n, a in calls)
    return Answer(text, "tool_calls", calls=tuple(made))


def marked(item: Item, answer: Answer) -> Mark:
    item.start()
    mark = item.on(answer)
    assert isinstance(mark, Mark)
    return mark


def failing(mark: Mark) -> set[str]:
    return {name for name, held in mark.constraints.items() if not held}


# ── the set ─────────────────────────────────────────────────────────────────────────────────
@every_level
def test_a_second_solver_agrees_on_every_item(level: int) -> None:
    for item in items(level):
        mark = played(item)
        assert mark.outcome == Right(), (item.prompt, item.answer, mark)
        assert not failing(mark)
        assert mark.extracted["strict"] == mark.extracted["flexible"] is not None


@every_level
def test_no_item_comes_twice_and_what_trains_is_never_asked(level: int) -> None:
    found = items(level)
    assert len({item.id for item in found}) == len(found)
    assert len({(item.prompt, item.tools) for item in found}) == len(found)
    again = asked(Task("tools", revision=2, level=level, items=30))
    assert [(i.id, i.prompt, i.tools) for i in again] == [
        (i.id, i.prompt, i.tools) for i in found[:30]
    ]
    for name in ("tools", "tools_prompted"):
        train = drawn(Task(name, level=level, items=200, split="train", revision=2))
        assert not {i.cluster for i in train} & {i.cluster for i in found}
    mine = drawn(Task("tools", revision=2, level=level, items=60, private_seed="mine"))
    assert not {item.id for item in mine} & {item.id for item in found}


def test_a_request_that_trains_in_prompts_is_never_asked_through_the_api() -> None:
    for item in items():
        if isinstance(item, Question):
            shown = "\n".join(tool.line for tool in _catalogue(item))
            request = item.prompt.partition("Request: ")[2]
            assert split_of("tools_prompted", (shown, request)) == "held_out"


def test_errands_are_no_single_questions() -> None:
    with pytest.raises(BadInput, match="conversations, not single questions"):
        questions(Task("tools", revision=2, items=12))


def test_four_hundred_items_of_the_hardest_level_take_well_under_two_seconds() -> None:
    started = time.process_time()
    drawn(Task("tools", revision=2, level=4, items=400))
    assert time.process_time() - started < 1.5


@every_level
def test_catalogues_have_the_sizes_of_their_level_and_near_duplicates(level: int) -> None:
    most = {1: 4, 2: 8, 3: 24, 4: 64}[level]
    sizes = Counter(len(item.tools) for item in items(level) if item.kind != "simple")
    assert max(sizes) == most
    for item in items(level):
        names = [json.loads(tool)["function"]["name"] for tool in item.tools]
        assert len(set(names)) == len(names)
        if level > 1 and item.kind == "multiple":
            verb, thing = json.loads(item.answer)["calls"][0]["tool"].split("_", 1)
            near = [n for n in names if n.startswith(f"{verb}_") or n.endswith(f"_{thing}")]
            assert len(near) >= 3


def test_neither_place_nor_name_nor_habit_gives_an_answer_away() -> None:
    found = items(2, 600)
    top = Counter(item.answer for item in found).most_common(1)[0][1] / len(found)
    assert top <= 1 / 6 + SLACK
    hits, chance = Counter[str](), 0.0
    several = [item for item in found if item.kind == "multiple"]
    for item in several:
        names = [json.loads(tool)["function"]["name"] for tool in item.tools]
        right = json.loads(item.answer)["calls"][0]["tool"]
        chance += 1 / len(names)
        habits = {"first": names[0], "last": names[-1], "longest": max(names, key=len)}
        hits.update(habit for habit, name in habits.items() if name == right)
    assert all(count / len(several) <= chance / len(several) + SLACK for count in hits.values())


@pytest.mark.full
def test_of_two_ways_the_first_is_taken_as_often_as_the_second() -> None:
    ways = Counter[bool]()
    for item in items(3, 1800):
        if item.kind == "errand":
            said = item.prompt.rpartition("Request: ")[2]
            verb = json.loads(item.answer)["calls"][1]["tool"].split("_")[0]
            ways[_way(said.split("; if not")[0], verb)] += 1
    assert abs(ways[True] / ways.total() - 1 / 2) <= SLACK


def _way(first: str, verb: str) -> bool:
    action = next(tool.action for tool in EVERY if tool.action.verb == verb)
    done = first.rpartition(" EUR, ")[2]
    stems = [re.split(r" ?\{[ox]\}", ask.lower()) for ask in action.asks]
    return any(all(part in done.lower() for part in parts) for parts in stems)


@every_level
def test_what_we_hold_valid_is_what_the_schema_that_is_sent_says(level: int) -> None:
    rng = random.Random(level)
    for item in items(level)[:60]:
        for tool in item.tools[:3]:
            function = json.loads(tool)["function"]
            ours = next(t for t in _catalogue(item) if t.name == function["name"])
            schema = jsonschema.Draft202012Validator(function["parameters"])
            for _ in range(4):
                arguments = _mangled(rng, function["parameters"])
                assert ours.accepts(arguments) == schema.is_valid(arguments), arguments


def _catalogue(item: Item) -> tuple[Any, ...]:
    if isinstance(item, Errand):
        return item.draft.tools
    assert isinstance(item, Question)
    assert isinstance(item.scorer, ToolScorer)
    return item.scorer.tools


def _mangled(rng: random.Random, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Draw arguments of which some are missing, unknown or of another type."""
    pool: list[Any] = [3, "3", 2.5, True, None, "red", "high", "Anna", [1]]
    good = {"integer": 7, "number": 2.5, "boolean": False, "string": "Anna"}
    found = {
        name: rng.choice(shape["enum"]) if "enum" in shape else good[shape["type"]]
        for name, shape in schema["properties"].items()
    }
    change, name = rng.randrange(4), rng.choice(list(found))
    if change == 0:
        del found[name]
    elif change == 1:
        found[name] = rng.choice(pool)
    elif change == 2:
        found["more"] = 1
    return found


# ── one answer ──────────────────────────────────────────────────────────────────────────────
def test_a_wrong_tool_with_the_right_arguments_fails_in_the_tool_alone() -> None:
    item = question("multiple")
    name, given = wanted(item)[0]
    other = next(t.name for t in _catalogue(item) if t.name != name and t.accepts(given))
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
    assert (mark.outcome, failing(mark)) == (
        Invalid("truncated"),
        {"right_arguments", "schema_valid"},
    )
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


# ── the world ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("verb", "given", "left"),
    [
        ("cancel", {}, {"state": "cancelled"}),
        ("archive", {}, {"state": "archived"}),
        ("pause", {"until": "2026-05-01"}, {"paused_until": "2026-05-01"}),
        ("move", {"date": "2026-05-01"}, {"date": "2026-05-01"}),
        ("extend", {"days": 3, "notify": True}, {"days": 3, "told": True}),
        ("assign", {"person": "Ben"}, {"responsible": "Ben"}),
        ("share", {"person": "Ben"}, {"readers": ["Ben"]}),
        ("rank", {"priority": "high"}, {"priority": "high"}),
        ("label", {"colour": "red"}, {"colour": "red"}),
        ("price", {"amount": 12.5}, {"cents": 1250}),
        ("discount", {"amount": 0.1, "notify": False}, {"cents": 1990, "told": False}),
        ("print", {"copies": 2}, {"copies": 2}),
    ],
)
def test_each_call_leaves_exactly_what_it_says(
    verb: str, given: dict[str, Any], left: dict[str, Any]
) -> None:
    record = {"id": 5, "customer": "Anna", "date": "2026-01-01", "price": 20}
    world = World("order", [record, {**record, "id": 6}])
    before = copy.deepcopy(world.state())
    tool = next(t for t in EVERY if t.name == f"{verb}_order")
    assert world.copy().call(tool, {"id": 5, **given}) == {"ok": True}
    assert world.state() == before
    assert world.call(tool, {"id": 5, **given}) == {"ok": True}
    assert world.state() == {5: {**before[5], **left}, 6: before[6]}
    other = next(t for t in EVERY if t.name == f"{verb}_invoice")
    assert "no invoice 5" in str(world.call(other, {"id": 5, **given}))
    assert "no order 7" in str(world.call(tool, {"id": 7, **given}))


def test_what_was_called_off_cannot_be_changed_but_found() -> None:
    world = World("order", [{"id": 5, "customer": "Anna", "date": "2026-01-01", "price": 20}])
    tools = {tool.name: tool for tool in EVERY}
    world.call(tools["cancel_order"], {"id": 5})
    assert world.call(tools["archive_order"], {"id": 5}) == {"error": "order 5 is cancelled"}
    found = {"found": [{"id": 5, "date": "2026-01-01", "price": 20.0}]}
    assert world.call(FINDERS["order"], {"customer": "Anna"}) == found
    assert world.call(FINDERS["order"], {"customer": "Ben"}) == {"found": []}
    assert world.call(FINDERS["invoice"], {"customer": "Anna"}) == {"found": []}


# ── errands ─────────────────────────────────────────────────────────────────────────────────
def steps(item: Errand) -> list[tuple[str, dict[str, Any]]]:
    return [(call["tool"], call["arguments"]) for call in json.loads(item.answer)["calls"]]


def test_results_go_back_with_the_ids_of_their_calls() -> None:
    item = errand()
    item.start()
    (find, act) = steps(item)
    given = Answer("let me see", "tool_calls", calls=(Call(find[0], json.dumps(find[1]), "x1"),))
    step = item.on(given)
    assert isinstance(step, Ask)
    request, turn, result = step.messages
    assert (request.role, turn.content, turn.calls) == ("user", "let me see", given.calls)
    assert (result.role, result.answers) == ("tool", "x1")
    (record,) = json.loads(result.content)["found"]
    assert record["id"] == act[1]["id"]
    assert step.tools == item.start().tools


def test_calls_without_an_id_are_given_one_each() -> None:
    item = errand()
    item.start()
    step = item.on(called(steps(item)[0], steps(item)[0]))
    assert isinstance(step, Ask)
    ids = [call.id for call in step.messages[1].calls]
    assert len(set(ids)) == 2
    assert [message.answers for message in step.messages[2:]] == ids


def test_a_call_that_was_refused_may_be_made_again_and_the_end_decides() -> None:
    item = errand()
    name, given = steps(item)[1]
    item.start()
    for call in (steps(item)[0], (name, {**given, "id": 12}), (name, given)):
        assert isinstance(item.on(called(call)), Ask)
    mark = marked_on(item, str(item.draft.ids[0]))
    assert mark.outcome == Right()
    assert mark.constraints["right_state"]
    assert not mark.constraints["right_tool"]


def marked_on(item: Errand, said: str) -> Mark:
    mark = item.on(Answer(said, "stop"))
    assert isinstance(mark, Mark)
    return mark


def test_anything_else_that_was_changed_makes_an_errand_wrong() -> None:
    item = errand()
    item.start()
    other = next(r["id"] for r in item.draft.world.records() if r["id"] not in item.draft.ids)
    name, given = steps(item)[1]
    for call in (*steps(item), (name, {**given, "id": other})):
        assert isinstance(item.on(called(call)), Ask)
    mark = marked_on(item, str(item.draft.ids[0]))
    assert mark.outcome == Wrong()
    assert "right_state" in failing(mark)


def test_the_right_world_with_the_wrong_words_is_not_right() -> None:
    item = errand()
    other = next(r["id"] for r in item.draft.world.records() if r["id"] not in item.draft.ids)
    for said, outcome in ((f"It is {other}.", Wrong()), ("Done!", Invalid("unparsable"))):
        item.start()
        for call in steps(item):
            item.on(called(call))
        mark = marked_on(item, said)
        assert (mark.outcome, failing(mark)) == (outcome, set())
    item.start()
    for call in steps(item):
        item.on(called(call))
    assert marked_on(item, f"The {item.draft.ids[0]} is done since 2026-05-03.").outcome == Right()


def test_words_without_a_deed_are_wrong_and_a_text_call_is_named() -> None:
    item = errand()
    mark = marked(item, Answer(str(item.draft.ids[0]), "stop"))
    assert mark.outcome == Wrong()
    assert failing(mark) == {"right_tool", "right_arguments", "right_state"}
    name, given = steps(item)[0]
    text = json.dumps({"name": name, "arguments": given})
    assert marked(item, Answer(text, "stop")).outcome == Invalid("call_as_text")


def test_an_errand_that_never_ends_is_ended() -> None:
    item = errand(4)
    step: Ask | Mark = item.start()
    calls = 0
    while isinstance(step, Ask):
        step, calls = item.on(called(steps(item)[0])), calls + 1
    assert step.outcome == Wrong()
    assert calls == 2 * len(steps(item)) + 3


def test_an_errand_begins_anew_when_it_is_asked_again() -> None:
    item = errand(4)
    item.start()
    for call in steps(item)[:2]:
        item.on(called(call))
    assert played(item).outcome == Right()


def test_broken_arguments_end_an_errand() -> None:
    assert marked(errand(), called((steps(errand())[0][0], '{"customer":'))).outcome == Invalid(
        "unparsable"
    )
