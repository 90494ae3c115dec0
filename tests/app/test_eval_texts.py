"""What evaluations and comparisons say: families first, in 80 columns; how both sides think."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.suite import both
from tests.store.records import record

from steelyard.analysis import evaluation
from steelyard.app.evals import suites
from steelyard.app.evals.contrasts import contrast_text
from steelyard.app.evals.texts import evaluation_text
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Usage
from steelyard.domain.task import Task


def thinking(found: RunRecord, answers: int) -> RunRecord:
    """Let some of the answers think: one in circles, one until it is cut."""
    circle = "let me see again . " * 12
    load, task = found.sections
    attempts = [
        replace(
            one, reasoning="so", usage=Measured(Usage(30, 12, reasoning_tokens=tokens), "engine")
        )
        if place < answers
        else one
        for place, one in enumerate(task.attempts)
        for tokens in [Measured(8, "engine")]
    ]
    attempts[0] = replace(attempts[0], reasoning=circle)
    attempts[1] = replace(attempts[1], text="", finish_reason="length")
    return replace(found, sections=(load, replace(task, attempts=tuple(attempts))))


def compared(first: RunRecord, second: RunRecord) -> str:
    return contrast_text(evaluation.contrast(first, second, 0.03, ()))


def test_both_sides_say_how_they_think_where_either_does() -> None:
    plain, other = record("one"), thinking(record("two"), 5)
    lines = compared(plain, other).splitlines()
    at = lines.index("How both think")
    assert lines[at + 1].endswith("first: no answer thinks, is cut off or goes round in circles")
    second = lines[at + 2]
    assert "second: 5 of 20 answers think, 8 tokens each" in second
    assert "1 ended at the limit, 1 of them while thinking; 1 go round in circles" in second
    assert "How both think" not in compared(plain, record("two"))


def suite() -> tuple[RunRecord, RunRecord]:
    """Return two runs of the suite: one level of math loses what the other wins."""
    parts = {"math_words:2": (150, 40, 3), "math_words:3": (150, 0, 40)}
    planted = {}
    for word, items in suites.SUITES["quality"].items():
        family, _, level = word.partition(":")
        planted[Task(family, level=int(level))] = parts.get(word, (items, 12, 9))
    return both(planted)


def test_two_runs_of_the_suite_have_a_row_for_each_family_in_80_columns() -> None:
    found = evaluation.contrast(*suite(), 0.03, ())
    lines = contrast_text(found).splitlines()
    at = next(n for n, line in enumerate(lines) if line.endswith("won  verdict"))
    names = [line.split()[0] for line in lines[at + 1 : at + 14]]
    assert names == [
        *("math_words", "reading", "logic", "formats", "multi_turn", "business"),
        *("robustness/l2", "tools", "rag", "long_context", "code", "vision", "overall"),
    ]
    tables = [line for line in lines if line.startswith(tuple(f"{name} " for name in names))]
    assert len(tables) == 4 * 13
    assert max(map(len, tables)) <= 80
    assert "logic/l2" not in "\n".join(lines)


def test_a_level_that_loses_while_another_wins_is_said_in_words() -> None:
    text = contrast_text(evaluation.contrast(*suite(), 0.03, ()))
    at = text.index("! math_words: its levels do not lose alike (p <0.001, Holm)")
    assert text[at:].splitlines()[1:4] == [
        "    l2 loses 24.7%: 40 lost and 3 won of 150 items",
        "    l3 wins 26.7%: 0 lost and 40 won of 150 items",
        "    the family's loss is a mean of unlike ones: go by the levels (--by level)",
    ]
    assert "  reading, loss by level: l2 +2.0%, l3 +2.0%" in text
    assert "! reading" not in text
    few = both({Task("logic", level=2): (50, 2, 1), Task("logic", level=3): (50, 1, 2)})
    told = contrast_text(evaluation.contrast(*few, 0.03, ()))
    assert "l2 +2.0%, l3 -2.0%: one loses and one wins, as luck alone may have it" in told
    untold = evaluation.contrast(*few, 0.03, ())
    one = replace(untold.pooled["logic"], p=Missing("one_level"), p_adjusted=Missing("one_level"))
    assert "luck" not in contrast_text(replace(untold, pooled={"logic": one}))


def test_levels_stand_below_on_demand_and_say_that_they_are_a_second_look() -> None:
    text = contrast_text(evaluation.contrast(*suite(), 0.03, ()), by_level=True)
    families, levels = text.split("By level, a second look: corrected over these 23 rows")
    assert levels.startswith("; nothing rests on it unless a family's levels do not lose alike\n")
    assert "logic/l2" not in families
    assert max(len(line) for line in levels.splitlines() if line.startswith("logic/l2 ")) <= 80
    assert levels.count("\nlong_context/l8 ") == 4
    one = both({Task("logic", level=2): (50, 2, 1)})
    assert "By level" not in contrast_text(evaluation.contrast(*one, 0.03, ()), by_level=True)


@pytest.mark.parametrize("by_level", [False, True])
def test_one_run_of_the_suite_has_a_row_for_each_family_too(by_level: bool) -> None:
    text = evaluation_text(evaluation.evaluate(suite()[1]), by_level=by_level)
    lines = text.splitlines()
    assert "  math_words, right by level: l2 73.3%, l3 100.0%" in lines
    rows = [line for line in lines if line.startswith("math_words")]
    assert [row.split()[0] for row in rows] == (
        ["math_words", "math_words/l2", "math_words/l3"] * 2 if by_level else ["math_words"] * 2
    )
    assert max(len(line) for line in lines if line.startswith(("math", "long", "over"))) <= 80


def test_a_side_that_was_cut_while_thinking_has_no_band_and_that_is_said() -> None:
    other = thinking(record("two"), 20)
    load, task = other.sections
    cut = tuple(replace(one, finish_reason="length") for one in task.attempts)
    starved = replace(other, sections=(load, replace(task, attempts=cut)))
    found = evaluation.contrast(record("one"), starved, 0.03, ())
    (pairing,) = found.tasks
    assert isinstance(pairing.first_band, Measured)
    assert isinstance(pairing.second_band, Missing)
    said = f"no band of {pairing.task} second: most answers ended at their limit while thinking"
    assert said in contrast_text(found)
    assert "no band of" not in compared(record("one"), other)
