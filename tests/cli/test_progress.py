"""Lines of progress where there is no terminal."""

from __future__ import annotations

import pytest

from steelyard.cli import progress
from steelyard.cli.progress import Screen
from steelyard.domain.progress import Advanced, PhaseStarted


def test_steps_that_are_done_again_make_the_whole_larger(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    with Screen() as screen:
        screen.emit(PhaseStarted("sweep", 28))
        screen.emit(Advanced("sweep", 27, "about 0:29 left"))
        screen.emit(Advanced("sweep", 29, "about 0:02 left", total=31))
    first, second = capsys.readouterr().err.splitlines()
    assert first == "  sweep: 27 of 28 about 0:29 left"
    assert second == "  sweep: 29 of 31 about 0:02 left"
