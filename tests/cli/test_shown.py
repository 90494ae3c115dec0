"""What doors print, and numbers that are none."""

from __future__ import annotations

import click
import pytest

from steelyard.cli.shown import printable
from steelyard.cli.values import Finite


def test_text_of_strangers_moves_no_cursor_and_changes_no_colour() -> None:
    assert printable("m\x1b[31mRED\x07\r\x9b2J") == "m\ufffd[31mRED\ufffd\ufffd\ufffd2J"
    assert printable("a\tb\nü — 世界") == "a\tb\nü — 世界"


@pytest.mark.parametrize("word", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_within_no_bounds(word: str) -> None:
    with pytest.raises(click.BadParameter):
        Finite(min=-1).convert(word, None, None)
    assert Finite(min=-1).convert("0.5", None, None) == 0.5
