"""Long contexts: one truth whatever the filler, no leak, no shortcut, and an honest reading."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from functools import cache
from typing import Any

import pytest
from tests.tasks.buried_solver import solve

from steelyard.domain.task import Answer, Invalid, Mark, Outcome, Right, Task, Wrong
from steelyard.tasks.items import Question
from steelyard.tasks.long_context import DEPTHS, K
from steelyard.tasks.long_text import CHECK_WORDS, Buried, BuriedScorer
from steelyard.tasks.noise import Noise
from steelyard.tasks.registry import family, questions

LONG = 400  # sentences of filler: some 6,000 tokens
LEVELS = family("long_context").levels
SOME = [4, *(pytest.param(n, marks=pytest.mark.full) for n in LEVELS if n != 4)]


@cache
def items(level: int = 4, count: int = 360) -> tuple[Question, ...]:
    return tuple(questions(Task("long_context", revision=2, level=level, items=count)))


def buried(item: Question) -> Buried:
    assert isinstance(item.stretch, Buried)
    return item.stretch


def marked(item: Question, said: str, finish: str = "stop", reasoning: str = "") -> Mark:
    mark = item.on(Answer(said, finish, reasoning))
    assert isinstance(mark, Mark)
    return mark


def outcome(item: Question, said: str, finish: str = "stop") -> Outcome:
    return marked(item, said, finish).outcome


def of_kind(kind: str, level: int = 4, count: int = 360) -> list[Question]:
    return [item for item in items(level, count) if item.kind.endswith(f"/{kind}")]


def check_line(item: Question) -> str:
    return item.answer.splitlines()[0]


def value(item: Question) -> str:
    return item.answer.splitlines()[1].removeprefix("Answer: ")


# ── the truth ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("level", SOME)
def test_a_second_solver_agrees_on_every_item_short_and_long(level: int) -> None:
    for number, item in enumerate(items(level)):
        texts = [item.prompt, buried(item).text(0)]
        texts += [buried(item).text(LONG)] if number < 23 else []
        for text in texts:
            assert outcome(item, solve(text)) == Right(), (item.kind, solve(text), item.answer)


@pytest.mark.parametrize("level", SOME)
def test_the_known_answer_is_right_and_anothers_is_wrong(level: int) -> None:
    found = items(level)
    for item, other in zip(found, found[19:], strict=False):
        mark = marked(item, item.answer)
        assert mark.outcome == Right()
        assert all(mark.constraints.values())
        assert mark.extracted[CHECK_WORDS] == "head, middle, tail"
        if other.kind == item.kind and value(other) != value(item):
            assert outcome(item, f"{check_line(item)}\nAnswer: {value(other)}") != Right()


def test_no_item_comes_twice_and_the_same_task_gives_the_same_ones() -> None:
    found = items()
    assert len({item.id for item in found}) == len({item.prompt for item in found}) == 360
    again = questions(Task("long_context", revision=2, level=4, items=40))
    assert [item.id for item in again] == [item.id for item in found[:40]]
    assert [buried(i).text(LONG) for i in again] == [buried(i).text(LONG) for i in found[:40]]
    private = questions(Task("long_context", revision=2, level=4, items=60, private_seed="mine"))
    assert not {item.id for item in private} & {item.id for item in found}
    trained = questions(Task("long_context", revision=2, level=4, items=60, split="train"))
    assert not {item.cluster for item in trained} & {item.cluster for item in found}


def test_depths_and_kinds_take_turns() -> None:
    kinds = Counter(item.kind for item in items(count=350))
    at_depth = {name: n for name, n in kinds.items() if name.startswith("d")}
    assert set(at_depth.values()) == {10}
    assert {int(name[1:].partition("/")[0]) for name in at_depth} == set(DEPTHS)
    assert {n for name, n in kinds.items() if name.startswith("spread")} == {50}


# ── the text ────────────────────────────────────────────────────────────────────────────────
def test_a_fact_stands_at_its_depth_and_the_check_words_at_head_middle_and_tail() -> None:
    for item in items()[:23]:
        text = buried(item).text(LONG)
        words = buried(item).canaries
        head, middle, tail = (text.index(word) / len(text) for word in words)
        assert text.startswith(f"The first check word is {words[0]}.")
        assert text.endswith(f"The third check word is {words[2]}.")
        assert head < 0.01
        assert 0.4 < middle < 0.6
        assert tail > 0.99
        assert all(len(re.findall(word, text)) == 1 for word in words)
        depth, _, kind = item.kind.partition("/")
        if kind in {"single", "multi_key"}:
            place = text.index(f"is {value(item)}.") / len(text)
            assert abs(place - int(depth[1:]) / 100) < 0.05, item.kind


def test_the_kept_part_of_a_longer_text_is_the_same() -> None:
    item = next(i for i in items() if i.kind == "d0/single")
    shorter, longer = (buried(item).text(size) for size in (LONG, 2 * LONG))
    assert len(longer) > 1.6 * len(shorter)
    assert longer.splitlines()[2] == shorter.splitlines()[2]


def test_filler_is_varied_and_no_two_texts_share_it() -> None:
    mine, yours = Noise("mine").first(2000), Noise("yours").first(2000)
    assert len(set(mine)) > 0.99 * len(mine)
    assert len(set(mine) & set(yours)) < 20
    text = " ".join(mine).encode()
    assert len(zlib.compress(text, 9)) > 0.25 * len(text)


def test_filler_states_no_fact_and_has_near_misses() -> None:
    said = Noise("any").first(6_000)
    forms = (r"(?:The|A) \w+ \w+ of \w+ is \d+\.", r"The \w+ box holds .*", r"\w+ lives in \w+\.",
             r"The home of .*", r"\d+ \w+ were delivered to .*", r"The \w+ check .*")  # fmt: skip
    assert not [s for s in said if any(re.fullmatch(form, s) for form in forms)]
    near = [s for s in said if re.search(r" (?:code|number)|lives|delivery|\bbox\b", s)]
    assert 0.1 < len(near) / len(said) < 0.25


def test_prompts_share_no_beginning_that_a_cache_could_hold() -> None:
    starts = {item.prompt[:32] for item in items()}
    assert len(starts) == 360


# ── no shortcut ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("level", [1, pytest.param(16, marks=pytest.mark.full)])
def test_no_answer_is_common_and_no_place_gives_it_away(level: int) -> None:
    for kind in ("single", "multi_key", "tracking", "aggregation", "contradiction"):
        found = of_kind(kind, level, 700)
        common = Counter(value(item) for item in found).most_common(1)[0][1]
        assert common <= max(4, 0.1 * len(found)), kind
    for kind in ("single", "multi_key", "tracking"):
        found = of_kind(kind, level, 700)
        numbers = [re.findall(r"\b\d{5}\b", item.prompt) for item in found]
        for pick in range(-4, 4):
            hits = sum(n[pick] == value(i) for n, i in zip(numbers, found, strict=True))
            chance = 1 / min(map(len, numbers))
            assert hits <= (chance + 0.05) * len(found) + 4, (kind, pick)


# ── the reading ─────────────────────────────────────────────────────────────────────────────
def scorer(**fields: object) -> BuriedScorer:
    values = {"values": ("48213",), "canaries": ("kuzosok", "sasirag", "memagik"), **fields}
    return BuriedScorer(**values)  # type: ignore[arg-type]


def read(said: str, finish: str = "stop", **fields: object) -> Outcome:
    return scorer(**fields).mark(Answer(said, finish)).outcome


@pytest.mark.parametrize(
    "said",
    ["Answer: 48213", "Check: a b c\nAnswer: **48,213**.", "The code is 48213", "48213",
     "Check: 11 22 33\nIt is not 11111, it is 48213."],
)  # fmt: skip
def test_a_value_is_found_without_check_words(said: str) -> None:
    assert read(said) == Right()


def test_a_missing_check_word_makes_nothing_wrong_and_is_kept() -> None:
    mark = scorer().mark(Answer("Check: memagik, SASIRAG\nAnswer: 48213", "stop"))
    assert mark.outcome == Right()
    assert mark.extracted[CHECK_WORDS] == "middle, tail"
    assert mark.constraints == {
        "answer_form": True, "check_head": False, "check_middle": True, "check_tail": True,
    }  # fmt: skip


def test_a_check_word_in_thought_proves_that_it_came_but_was_not_said() -> None:
    mark = scorer().mark(Answer("Answer: 1", "stop", "first is kuzosok"))
    assert mark.outcome == Wrong()
    assert mark.extracted[CHECK_WORDS] == "head"
    assert not mark.constraints["check_head"]


def test_several_values_in_any_order_or_in_theirs() -> None:
    both = ("11111", "22222")
    assert read("Answer: 22222, 11111", values=both) == Right()
    assert read("Answer: 22222, 11111", values=both, ordered=True) == Wrong()
    assert read("Answer: 11111 and 22222", values=both, ordered=True) == Right()
    assert read("Answer: 11111", values=both) == Wrong()
    assert read("Answer: 11111, 22222, 33333", values=both) == Wrong()
    assert read("Answer: 22222,11111", values=both) == Right()


def test_names_are_read_and_two_of_them_are_none() -> None:
    names: dict[str, Any] = {"values": ("Ruth",), "options": ("Ruth", "Alma")}
    assert read("Answer: ruth", **names) == Right()
    assert read("Answer: It is Alma.", **names) == Wrong()
    assert read("Answer: Ruth or Alma", **names) == Invalid("unparsable")


def test_an_answer_that_ran_out_of_room_is_truncated() -> None:
    assert read("Check: kuzosok\nAnswer: 482", "length") == Invalid("truncated")
    assert read("", "length") == Invalid("truncated")
    assert read("fog and mist") == Invalid("unparsable")
    assert read("I'm sorry, I cannot help.") == Invalid("refused")


def test_a_level_is_a_length_and_leaves_room_for_the_answer() -> None:
    for level in LEVELS:
        (item,) = questions(Task("long_context", revision=2, level=level, items=1))
        assert buried(item).tokens == level * K
        assert item.start().max_tokens <= K / 8
