"""The native tools family: one truth, no leak, no shortcut, and catalogues of the sizes stated."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from tests.tasks.called_tools import asked, catalogue, failing, items, played
from tests.tasks.pace import takes_under

from steelyard.domain.errors import BadInput
from steelyard.domain.task import Right, Task
from steelyard.tasks.items import Question, split_of
from steelyard.tasks.registry import drawn, family, questions
from steelyard.tasks.tool_catalogue import EVERY

LEVELS = family("tools").levels


every_level = pytest.mark.parametrize("level", LEVELS)


SLACK = 0.05


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
            shown = "\n".join(tool.line for tool in catalogue(item))
            request = item.prompt.partition("Request: ")[2]
            assert split_of("tools_prompted", (shown, request)) == "held_out"


def test_errands_are_no_single_questions() -> None:
    with pytest.raises(BadInput, match="conversations, not single questions"):
        questions(Task("tools", revision=2, items=12))


def test_four_hundred_items_of_the_hardest_level_take_well_under_two_seconds() -> None:
    hardest = Task("tools", revision=2, level=4, items=400)
    assert takes_under(1.5, lambda: drawn(hardest))


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
            ours = next(t for t in catalogue(item) if t.name == function["name"])
            schema = jsonschema.Draft202012Validator(function["parameters"])
            for _ in range(4):
                arguments = _mangled(rng, function["parameters"])
                assert ours.accepts(arguments) == schema.is_valid(arguments), arguments


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
