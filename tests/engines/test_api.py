"""Engines are found by name, and every one of them is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.domain.errors import UnknownName
from steelyard.engines.api import dialect, dialects

PAGES = Path(__file__).parents[2] / "docs" / "engines"


@pytest.mark.parametrize("name", dialects())
def test_every_engine_answers_to_its_name_and_has_a_page(name: str) -> None:
    assert dialect(name).name == name
    assert (PAGES / f"{name}.md").is_file()


def test_only_the_simulation_says_that_it_is_one() -> None:
    assert {name for name in dialects() if dialect(name).capabilities.simulated} == {"scripted"}


def test_a_misspelled_engine_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="'lamacpp'") as caught:
        dialect("lamacpp")
    assert "did you mean 'llamacpp'?" in caught.value.hint
