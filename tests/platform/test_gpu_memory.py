"""Memory in use on GPUs, of machines that are laid out as files and programs."""

from __future__ import annotations

from pathlib import Path

from steelyard.domain.reading import Measured, Missing
from steelyard.platform.gpu_memory import used_bytes


def laid(root: Path, name: str, words: str, mode: int = 0o644) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words)
    path.chmod(mode)


def test_all_nvidia_cards_are_added_up(tmp_path: Path) -> None:
    laid(tmp_path, "usr/bin/nvidia-smi", "#!/bin/sh\necho 1024\necho 3\n", 0o755)
    assert used_bytes(tmp_path) == Measured(1027 << 20, "client")


def test_an_amd_card_tells_it_in_a_file(tmp_path: Path) -> None:
    laid(tmp_path, "sys/class/drm/card0/device/mem_info_vram_used", "12345\n")
    laid(tmp_path, "sys/class/drm/card1/device/vendor", "0x1002\n")
    assert used_bytes(tmp_path) == Measured(12345, "client")


def test_a_driver_that_does_not_tell_is_no_zero(tmp_path: Path) -> None:
    assert isinstance(used_bytes(tmp_path), Missing)
    laid(tmp_path, "usr/bin/nvidia-smi", "#!/bin/sh\necho '[N/A]'\n", 0o755)
    assert isinstance(used_bytes(tmp_path), Missing)
    laid(tmp_path, "usr/bin/nvidia-smi", "#!/bin/sh\necho 5\nexit 9\n", 0o755)
    assert isinstance(used_bytes(tmp_path), Missing)
