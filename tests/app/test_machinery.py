"""What `engines check` says: right, wrong, or that there was nothing to look at."""

from __future__ import annotations

import pytest

from steelyard.app.engines import machinery
from steelyard.domain.errors import SteelyardError


def test_an_engine_without_logits_is_not_called_right() -> None:
    checked = machinery.check_engine("scripted", "wheel", lambda _event: None)
    assert "nothing to check" in checked.text
    assert "right logits" not in checked.text


def test_an_engine_that_is_not_there_is_not_called_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SteelyardError) as caught:
        machinery.check_engine("llamacpp", "native", lambda _event: None)
    assert "WRONG_LOGITS" not in str(caught.value)
