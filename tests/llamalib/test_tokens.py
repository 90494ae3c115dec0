"""Text to tokens in a child process."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.domain.errors import UnreadableModel
from steelyard.llamalib.tokens import tokenise


def test_the_child_gives_the_models_own_tokens(tiny_model: Path) -> None:
    assert tokenise(tiny_model, "ab") == (257,)
    assert len(tokenise(tiny_model, "é\n")) == 3


def test_a_model_that_does_not_load_is_the_childs_error(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    with pytest.raises(UnreadableModel, match="could not load"):
        tokenise(tmp_path / "broken.gguf", "ab")
