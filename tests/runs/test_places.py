"""Where a run takes place: the program of its engine, and how many threads it gets."""

from __future__ import annotations

import pytest

from steelyard.runs.places import default_threads


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (8, 7)])
def test_one_core_is_left_to_whoever_writes_and_reads_the_answers(cores: int, threads: int) -> None:
    assert default_threads(cores) == threads
