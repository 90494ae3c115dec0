"""Long questions are written to their length in the tokens of who is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runs import scene

from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.task import NotRun, Right, Task
from steelyard.runs import judged, stretching
from steelyard.runs.prompting import LEARNING
from steelyard.runs.stretching import Fitted, Ruler, fit
from steelyard.scripted import script
from steelyard.scripted.plan import Plan
from steelyard.tasks.items import Question
from steelyard.tasks.registry import generate, questions

TASK = Task("long_context", revision=2, level=1, items=19)
TEMPLATE = 7  # what the scripted engine adds to a message of a user


def ruler(tokens: Callable[[str], float]) -> Ruler:
    return Ruler(
        lambda messages: round(sum(tokens(m.content) for m in messages)), "", Missing("not_asked")
    )


SCRIPTED = ruler(lambda text: TEMPLATE + len(script.tokenise(text, 2048)))


def fitted(item: Question, by: Ruler = SCRIPTED) -> Fitted:
    ask = item.start()
    assert ask.stretch is not None
    return fit(ask, ask.stretch, by)


def planted(task: Task) -> dict[str, str]:
    """Return the script's right answers to the questions at their length."""
    return {scene.key_of(fitted(item).messages[0].content): item.answer for item in questions(task)}


@pytest.mark.parametrize("per_char", [0.2, 0.33, 0.5])
def test_a_prompt_is_short_of_its_length_by_less_than_a_sentence(per_char: float) -> None:
    by = ruler(lambda text: len(text) * per_char)
    longest = 140 * per_char  # a sentence has no more characters
    for level in (4, 16):
        for item in questions(Task("long_context", revision=2, level=level, items=7)):
            found, ask = fitted(item, by), item.start()
            room = level * 1024 - ask.max_tokens - 16
            assert room - longest < found.tokens <= room
            assert found.tokens == by.count(found.messages)


def test_another_tokenizer_makes_another_length_and_the_same_item() -> None:
    item = questions(TASK)[0]
    short = fitted(item, ruler(lambda text: len(text) * 0.5))
    long = fitted(item, ruler(lambda text: len(text) * 0.25))
    assert len(long.messages[0].content) > 1.8 * len(short.messages[0].content)
    assert item.id == questions(TASK)[0].id


def test_a_tokenizer_that_needs_more_for_the_facts_alone_is_refused() -> None:
    with pytest.raises(BadInput, match=r"without any filler .* 1,024") as caught:
        fitted(questions(TASK)[0], ruler(lambda text: 2 * len(text)))
    assert "greater length" in caught.value.hint


def test_a_server_with_a_tokenizer_is_counted_exactly(tmp_path: Path) -> None:
    plan = Plan(**scene.FAST, answers=planted(TASK))  # type: ignore[arg-type]
    with scene.bench(tmp_path, plan, scene.spec_of(TASK)) as bench:
        section = judged.judge(bench, TASK)
    assert {mark.outcome for mark in section.marks.values()} == {Right()}
    assert len(section.attempts) == 19
    for attempt in section.attempts:
        assert isinstance(attempt.usage, Measured)
        assert attempt.usage.value.prompt_tokens == attempt.prompt_tokens_wanted


def test_a_resumed_task_asks_only_what_was_not_answered(tmp_path: Path) -> None:
    plan = Plan(**scene.FAST, answers=planted(TASK))  # type: ignore[arg-type]
    spec = scene.spec_of(TASK)
    with scene.bench(tmp_path, plan, spec) as bench:
        first = judged.judge(bench, TASK)
    half = [e for e in scene.sent(tmp_path) if "learning" not in e.id][:9]
    with scene.bench(tmp_path, plan, spec, known=half) as bench:
        again = judged.judge(bench, TASK)
    asked = [key for key in scene.keys(tmp_path) if key.section != "learning"]
    assert len(asked) == 19 + 10
    assert again.marks == first.marks


def test_a_server_that_cuts_in_silence_makes_no_answer_wrong(tmp_path: Path) -> None:
    plan = Plan(**scene.FAST, answers=planted(TASK), keeps_prompt_tokens=700)  # type: ignore[arg-type]
    with scene.bench(tmp_path, plan, scene.spec_of(TASK)) as bench:
        section = judged.judge(bench, TASK)
    assert {mark.outcome for mark in section.marks.values()} == {NotRun("prompt_cut")}
    assert len(section.attempts) == 19  # a cut prompt is cut again: it is not asked twice


class _Mute:
    """An engine without a tokenise route, else the one behind it."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def tokenise(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        raise UnsupportedSubject(f"no route for {len(text)} characters, {special}")


def test_without_a_tokenizer_the_usage_of_short_questions_teaches(tmp_path: Path) -> None:
    item = questions(TASK)[0]
    assert item.stretch is not None
    with scene.bench(tmp_path, Plan(**scene.FAST), scene.spec_of(TASK)) as bench:  # type: ignore[arg-type]
        exact = stretching.ruler(bench, item.stretch)
        bench.engine = _Mute(bench.engine)
        taught = stretching.ruler(bench, item.stretch)
        long = item.stretch.messages(300)
        counted = exact.count(long)
    assert exact.basis == "counted by its tokenizer"
    assert taught.basis == "learned from its usage"
    assert isinstance(exact.prompt_tps, Measured)
    assert counted == SCRIPTED.count(long)
    assert taught.count(long) == pytest.approx(counted, rel=0.03)


def test_how_tokens_are_counted_is_learned_once_for_all_parts(tmp_path: Path) -> None:
    plan, items = Plan(**scene.FAST, answers=planted(TASK)), generate(TASK)  # type: ignore[arg-type]
    with scene.bench(tmp_path, plan, scene.spec_of(TASK)) as bench:
        for start in (0, 2, 4):
            section = judged.judge(bench, TASK, items[start : start + 2])
            assert {mark.outcome for mark in section.marks.values()} == {Right()}
        assert bench.prelude_ns > 0
    assert sum(key.section == LEARNING for key in scene.keys(tmp_path)) == 4
