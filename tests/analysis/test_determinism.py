"""Shares of identical texts and marks, where the first difference comes, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.answered import Said, section
from tests.analysis.swept import World

from steelyard.analysis.determinism import determinism, identical
from steelyard.domain.determinism import Determinism
from steelyard.domain.reading import Missing, value_of
from steelyard.domain.run import RunRecord
from steelyard.domain.task import Call, Mark, NotRun, Task

TASK = Task("task")


@pytest.fixture(scope="module")
def blank() -> RunRecord:
    record = next(iter(World().evidence().runs))
    return replace(record, spec=replace(record.spec, tasks=(TASK,)))


def of(blank: RunRecord, answers: list[Said]) -> RunRecord:
    return replace(blank, sections=(section(answers, TASK.section),))


def compared(blank: RunRecord, *repeats: list[Said]) -> Determinism:
    return determinism([of(blank, answers) for answers in repeats], anew=True)


def test_one_repeat_that_differs_makes_the_item_differ(blank: RunRecord) -> None:
    same, other = [Said(text="12 apples")] * 4, Said(text="12 pears, or so")
    found = compared(blank, same, same, [*same[:3], other])
    assert value_of(found.overall.texts.value) == 0.75
    assert value_of(found.overall.marks.value) == 1.0
    assert found.overall.texts.n == 4
    (parting,) = found.partings
    assert (parting.item, parting.at, parting.repeats) == ("i003", 3, (1, 3))
    assert parting.share == value_of(found.overall.parts_at) == 3 / 15
    assert parting.texts == ("12 apples", "12 pears, or so")


def test_a_mark_that_flips_is_told_apart_from_a_text_that_does(blank: RunRecord) -> None:
    first = [Said(text="7"), Said(text="8"), Said(text="9")]
    second = [Said(text="7"), Said("w", text="6"), Said(text="9, I think")]
    found = compared(blank, first, second)
    assert value_of(found.overall.texts.value) == pytest.approx(1 / 3)
    assert value_of(found.overall.marks.value) == pytest.approx(2 / 3)
    assert [one.marks for one in found.partings] == [("right", "wrong"), ("right", "right")]
    # A text that goes on where the other ends parts there, and not at its own end.
    assert [one.share for one in found.partings] == [0.0, 1 / 10]
    assert value_of(found.overall.earliest) == 0.0


def test_what_one_repeat_did_not_run_is_left_out_of_all(blank: RunRecord) -> None:
    found = compared(blank, [Said(), Said("-"), Said()], [Said(), Said(text="8"), Said("-")])
    assert (found.overall.texts.n, found.overall.left_out) == (1, 2)
    assert found.partings == ()
    assert isinstance(found.overall.parts_at, Missing)


def test_an_item_without_a_known_answer_has_a_text_and_no_mark(blank: RunRecord) -> None:
    def unknown(text: str) -> RunRecord:
        record = of(blank, [Said(), Said(text=text)])
        (asked,) = record.sections
        marks = {**asked.marks, "i001": Mark(NotRun("no_known_answer"))}
        return replace(record, sections=(replace(asked, marks=marks),))

    found = determinism([unknown("a"), unknown("b")], anew=True).overall
    assert (found.texts.n, found.marks.n, found.left_out) == (2, 1, 0)
    assert value_of(found.texts.value) == 0.5


def test_thinking_and_calls_belong_to_the_text_and_a_calls_id_does_not(blank: RunRecord) -> None:
    plain = of(blank, [Said(reasoning="so 7"), Said()])

    def called(arguments: str, name: str) -> RunRecord:
        (asked,) = plain.sections
        first, second = asked.attempts
        second = replace(second, calls=(Call("find", arguments, name),))
        return replace(plain, sections=(replace(asked, attempts=(first, second)),))

    assert determinism([called("{}", "a"), called("{}", "b")], anew=True).partings == ()
    found = determinism([called("{}", "a"), called("[]", "a")], anew=True)
    assert [one.item for one in found.partings] == ["i001"]
    thought = compared(blank, [Said(reasoning="so 7")], [Said(reasoning="or 7")])
    assert len(thought.partings) == 1


def test_a_broken_off_try_is_no_text(blank: RunRecord) -> None:
    whole = of(blank, [Said(text="7")])
    (asked,) = whole.sections
    half = of(blank, [Said("-", text="not th")]).sections[0].attempts[0]
    again = replace(asked, attempts=(half, replace(asked.attempts[0], tries=1)))
    twice = replace(whole, sections=(again,))
    assert determinism([whole, twice], anew=True).partings == ()


def test_only_repeats_of_one_spec_are_compared(blank: RunRecord) -> None:
    mine = of(blank, [Said()])
    other = replace(mine, spec=replace(mine.spec, campaign_seed=mine.spec.campaign_seed + 1))
    with pytest.raises(ValueError, match="no repeats of one spec"):
        determinism([mine, other], anew=True)
    with pytest.raises(ValueError, match="nothing to be compared"):
        determinism([mine], anew=True)
    assert identical(mine, other, [TASK.section]) is None
    found = identical(mine, of(blank, [Said(text="8")]), [TASK.section])
    assert found is not None
    assert value_of(found.value) == 0.0


def test_items_of_one_passage_count_for_fewer(blank: RunRecord) -> None:
    said = [Said(text=str(number // 5 % 4)) for number in range(60)]
    other = [Said(text="0") for _ in range(60)]
    alone = compared(blank, said, other).overall.texts

    def together(answers: list[Said]) -> RunRecord:
        record = of(blank, answers)
        (asked,) = record.sections
        clusters = {item: str(int(item[1:]) // 5) for item in asked.marks}
        return replace(record, sections=(replace(asked, clusters=clusters),))

    found = determinism([together(said), together(other)], anew=True).overall.texts
    assert value_of(found.value) == value_of(alone.value) == 0.25
    assert (value_of(found.low) or 0) < (value_of(alone.low) or 0)
