"""A calibration that has time enough on a busy machine, where its own limits are not the matter."""

from __future__ import annotations

import pytest

from steelyard.runs import calibration

_S = 1_000_000_000


def calibration_has_time(patch: pytest.MonkeyPatch) -> None:
    """Let each request and the whole calibration take as long as it takes."""
    patch.setattr(calibration, "_UP_S", 30.0)
    patch.setattr(calibration, "_DEADLINE_NS", 20 * _S)
    patch.setattr(calibration, "_LAST_CALL_NS", 60 * _S)
