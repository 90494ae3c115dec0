"""The lines of a comparison: each number in its column, and nothing left out goes unsaid."""

from __future__ import annotations

from dataclasses import replace

from tests.analysis.sides import READING, of_one, run, task_section

from steelyard.analysis import evaluation
from steelyard.app.evals.contrasts import contrast_text
from steelyard.app.evals.texts import evaluation_text
from steelyard.domain.run import RunRecord, Stopped
from steelyard.domain.task import Task

LOGIC = Task("logic", items=20)


def lines(first: RunRecord, second: RunRecord, *differs: str) -> list[str]:
    return contrast_text(evaluation.contrast(first, second, 0.03, differs)).splitlines()


def rows(told: list[str], task: str) -> list[list[str]]:
    """The lines of all tables that begin with a task."""
    return [cells for line in told if (cells := line.split())[:1] == [task]]


def test_shares_loss_flips_and_p_stand_each_in_its_column() -> None:
    """Of twenty items eleven are lost and one is won: p is 2 x 13/4096."""
    told = lines(of_one("one", "r" * 19 + "w"), of_one("two", "w" * 11 + "r" * 8 + "r"))
    verdict, rated = rows(told, "reading/l1")[:2]
    assert verdict[1:4] == ["95.0%", "45.0%", "+50.0%"]
    assert verdict[-3:] == ["11", "1", "worse"]
    assert rated[1:] == ["excellent", "failed", "0.006", "0.006"]
    sure = rows(lines(of_one("one", "r" * 20), of_one("two", "w" * 20)), "reading/l1")
    assert sure[0][-3:] == ["20", "0", "worse"]
    assert sure[1][-2:] == ["<0.001", "<0.001"]


def test_what_differs_and_what_was_not_compared_is_said() -> None:
    first = run(
        "one", (READING, task_section(READING, "r" * 20)), (LOGIC, task_section(LOGIC, "r"))
    )
    second = replace(of_one("two", "r" * 20), left_out={"logic": "no engine takes it"})
    told = lines(first, second, "engine (a → b)")
    assert "differs engine (a → b)" in told
    assert "  not compared: logic/l1, only one has it" in told
    assert "Not asked in run two: logic, no engine takes it" in told
    assert "differs nothing: the same again" in lines(first, first)


def test_items_that_were_not_run_and_runs_that_were_stopped_are_said() -> None:
    told = lines(of_one("one", "r" * 20), of_one("two", "-" + "r" * 19))
    assert any(line.endswith("; 1 item was not run on both sides") for line in told)
    ended = Stopped(10, 20, "the budget of 1 min was spent", looked=False)
    stopped = replace(of_one("two", "r" * 10), stopped=ended)
    told = lines(of_one("one", "r" * 20), stopped)
    assert "STOPPED EARLY: two: 10 of 20 items were asked: the budget of 1 min was spent" in told
    assert not any("not run on both sides" in line for line in told)


def test_items_that_can_hardly_show_a_loss_are_cautioned_of_beside_the_verdict() -> None:
    first, second = of_one("one", "r" * 39 + "w"), of_one("two", "r" * 40)
    easy = "gets 39 of 40 right, so these items can hardly show a loss: ask --level 2."
    assert f"  EASY: the first {easy}" in lines(first, second)
    said = evaluation_text(evaluation.evaluate(first)).splitlines()
    assert any(line.startswith("  EASY: ") and line.endswith(easy) for line in said)
    third = of_one("one", "w" * 40, Task("reading", level=3, items=40))
    assert (
        f"  HARD: {third.spec.subject.artifact.name} gets 0 of 40 right, so there is hardly "
        "anything to lose: ask --level 2."
    ) in evaluation_text(evaluation.evaluate(third)).splitlines()
    usual = of_one("one", "r" * 20 + "w" * 20)
    assert not any("EASY" in line or "HARD" in line for line in lines(usual, first))


def test_a_file_of_ones_own_has_no_other_level() -> None:
    mine = of_one("one", "r" * 40, Task("capitals", items=40))
    (said,) = (line for line in lines(mine, mine) if "EASY" in line)
    assert said.endswith(
        "harder questions are wanted, your own (`steelyard eval --file`) or a "
        "standard set (`steelyard eval --set`)."
    )
