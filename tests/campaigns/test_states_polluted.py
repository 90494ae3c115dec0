"""What a campaign measures again: polluted cells, once, and on a resume that asks for it."""

from __future__ import annotations

from tests.campaigns.shell import PLAN, Shell, polluted, started

from steelyard.campaigns.events import (
    CellFinished,
    Event,
    Resumed,
)
from steelyard.campaigns.instructions import (
    RunCell,
    Stop,
)
from steelyard.campaigns.states import Campaign, replay
from steelyard.domain.caution import Quality


def test_a_polluted_cell_is_repeated_once_at_the_end_tasks_first_and_then_left_out() -> None:
    shell = Shell(finish=polluted("Q8_0"))
    campaign = Campaign(PLAN)
    assert shell.begin(campaign, started()) == Stop("done", 0)
    extra = shell.ran[len(PLAN.cells) :]
    assert [(cell.label, cell.spec.repeat) for cell in extra] == [
        ("Q8_0", 3),
        ("Q8_0", 4),
        ("Q8_0", 5),
    ]
    assert extra[0].spec.tasks
    assert campaign.progress.remaining == 0


def test_of_polluted_cells_the_reference_and_its_twin_are_repeated_first() -> None:
    shell = Shell(finish=polluted("F16", "Q8_0", "Q4_K_M", "Q2_K"))
    shell.begin(Campaign(PLAN), started())
    extra = shell.ran[len(PLAN.cells) :]
    assert {cell.role for cell in extra[:2]} == {"reference", "aa"}
    assert all(cell.spec.tasks for cell in extra[:5])
    assert len(extra) == 15


def test_a_resume_measures_again_what_is_polluted_still_and_nothing_else() -> None:
    shell = Shell(finish=polluted("Q8_0"))
    shell.begin(Campaign(PLAN), started())
    again = Shell(finish=polluted("Q8_0"), journal=list(shell.journal))
    again.begin(replay(PLAN, shell.journal), Resumed(again=True))
    assert [(cell.label, cell.spec.repeat) for cell in again.ran] == [
        ("Q8_0", 6),
        ("Q8_0", 7),
        ("Q8_0", 8),
    ]
    clean = Shell(journal=list(again.journal))
    clean.begin(replay(PLAN, again.journal), Resumed(again=True))
    assert [cell.spec.repeat for cell in clean.ran] == [9, 10, 11]
    last = Shell(journal=list(clean.journal))
    assert last.begin(replay(PLAN, clean.journal), Resumed(again=True)) == Stop("done", 0)
    assert not last.ran


def test_a_resume_that_counts_what_is_polluted_measures_none_of_it_again() -> None:
    shell = Shell(finish=polluted("Q8_0"))
    shell.begin(Campaign(PLAN), started())
    again = Shell()
    again.begin(replay(PLAN, shell.journal), Resumed())
    assert not again.ran


def test_a_resume_that_counts_what_is_polluted_leaves_also_open_repeats_for_a_later_one() -> None:
    shell = Shell(finish=polluted("Q8_0"))
    shell.begin(Campaign(PLAN), started())
    known = [*shell.journal, Resumed(again=True)]  # and broken off before the first repeat
    counted = Shell(journal=list(known))
    assert counted.begin(replay(PLAN, known), Resumed()) == Stop("done", 0)
    assert not counted.ran
    later = Shell()
    later.begin(replay(PLAN, counted.journal), Resumed(again=True))
    assert [(cell.label, cell.spec.repeat) for cell in later.ran] == [
        ("Q8_0", 6),
        ("Q8_0", 7),
        ("Q8_0", 8),
    ]


def test_what_turns_out_polluted_under_that_wish_is_not_repeated_and_old_journals_read() -> None:
    shell = Shell(stop_after=6)
    shell.begin(Campaign(PLAN), started())
    counted = Shell(finish=polluted("Q8_0"), journal=list(shell.journal))
    counted.begin(replay(PLAN, shell.journal), Resumed())
    assert {cell.spec.repeat for cell in counted.ran if cell.label == "Q8_0"} == {0, 1, 2}
    whole = Shell(finish=polluted("Q8_0"))
    whole.begin(Campaign(PLAN), started())
    replay(PLAN, [*whole.journal[:1], Resumed(), *whole.journal[1:]])


def test_a_polluted_sentinel_is_not_repeated() -> None:
    def finish(asked: RunCell) -> Event:
        quality: Quality = "POLLUTED" if asked.role == "sentinel" else "CLEAN"
        return CellFinished(asked.spec.id, "completed", quality, 1.0)

    shell = Shell(finish=finish)
    shell.begin(Campaign(PLAN), started())
    assert len(shell.ran) == len(PLAN.cells)
