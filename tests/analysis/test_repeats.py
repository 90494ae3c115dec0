"""Samples of an item that say the same: how many of them are worth a word, and how few are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.answered import Said, section
from tests.analysis.swept import World

from steelyard.analysis.passing import passing, withheld
from steelyard.analysis.repeats import not_drawn, repeats
from steelyard.analysis.validity import cautions
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import Mark, Right, sample_key
from steelyard.domain.workload import Sampling


def sampled(items: int, samples: int, text: str = "7", other: str | None = None) -> Section:
    """Answer each item so often with one text; the very last answer is `other`, if any."""
    said = [Said(text=text)] * (items * samples - 1) + [Said(text=other or text)]
    found = section(said)
    names = [sample_key(f"i{n // samples:03d}", n % samples) for n in range(len(said))]
    pairs = zip(found.attempts, names, strict=True)
    return replace(found, attempts=tuple(replace(one, sample=name) for one, name in pairs))


@pytest.fixture(scope="module")
def run() -> RunRecord:
    return next(iter(World().evidence().runs))


def asked(run: RunRecord, found: Section, temperature: float = 0.8) -> RunRecord:
    controls = replace(run.spec.controls, sampling=Sampling(temperature))
    return replace(run, spec=replace(run.spec, controls=controls), sections=(found,))


def is_named(record: RunRecord) -> bool:
    return "SEED_IGNORED" in [one.code for one in cautions(record)]


def test_many_samples_that_are_one_text_are_named_and_few_are_not(run: RunRecord) -> None:
    # 0.9 to the power of 44 is 0.0097: a model so sure would do that once in a hundred runs.
    assert is_named(asked(run, sampled(11, 5)))
    assert not is_named(asked(run, sampled(10, 5)))
    assert not is_named(asked(run, sampled(100, 1)))


def test_long_answers_that_are_one_text_are_named_sooner(run: RunRecord) -> None:
    long = " ".join(["because"] * 40)
    assert is_named(asked(run, sampled(3, 5, long)))
    assert not is_named(asked(run, sampled(2, 5, long)))


def test_a_single_other_text_shows_that_samples_are_drawn(run: RunRecord) -> None:
    found = sampled(100, 5, other="8")
    assert not is_named(asked(run, found))
    assert repeats([found]).share == Measured(399 / 400, "derived")


def test_near_temperature_0_one_text_is_what_was_asked_for(run: RunRecord) -> None:
    assert not_drawn(asked(run, sampled(100, 5), 0.2)) is None


def test_answers_that_say_nothing_tell_nothing() -> None:
    assert repeats([sampled(100, 5, "")]).again == 0
    assert isinstance(repeats([sampled(100, 1)]).share, Missing)


def test_of_samples_that_are_not_drawn_only_the_first_number_stays() -> None:
    marks = {sample_key(f"i{item}", n): Mark(Right()) for item in range(3) for n in range(5)}
    found = withheld(passing(marks, {}))
    assert isinstance(found["1"].value, Measured)
    assert isinstance(found["5"].value, Missing)
    assert found["5"].value.code == "seed_ignored"
