"""The tools' little world, and errands in it of several turns."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from tests.tasks.called_tools import called, errand, failing, marked, played, steps

from steelyard.domain.task import Answer, Ask, Call, Invalid, Mark, Right, Wrong
from steelyard.tasks.errand import Errand
from steelyard.tasks.tool_catalogue import EVERY, FINDERS
from steelyard.tasks.tool_world import World


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
