"""This machine, and machines laid out as files: what is stable is told from what may change."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.domain.reading import Measured, Missing
from steelyard.platform import hardware

BOARD = {
    "etc/os-release": 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\n\n',
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n",
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/meminfo": "MemTotal:        8245000 kB\n",
    "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t NVIDIA Thing\nIRQ: 4\n",
    "sys/class/drm/card1/device/mem_info_vram_total": "17179869184\n",
    "sys/module/amdgpu/version": "6.8\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
}


def laid_out(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_board_is_told_by_its_files(tmp_path: Path) -> None:
    found = hardware.device(laid_out(tmp_path, BOARD))
    assert found.system == "Debian GNU/Linux 12"
    assert found.cpu == "Raspberry Pi 5 Model B Rev 1.0"
    assert 7 << 30 < found.memory_bytes < 8245000 * 1024
    assert any("NVIDIA" in gpu for gpu in found.gpus)


def test_a_board_is_allowed_less_heat_than_a_machine_with_a_fan(tmp_path: Path) -> None:
    assert hardware.temperature_limit_c(tmp_path) == 95.0
    assert hardware.temperature_limit_c(laid_out(tmp_path, BOARD)) == 90.0


def test_memory_that_the_kernel_keeps_for_itself_does_not_change_the_device(tmp_path: Path) -> None:
    root = laid_out(tmp_path, BOARD)
    before = hardware.device(root).id
    laid_out(root, {"proc/meminfo": "MemTotal:        8244000 kB\n"})
    assert hardware.device(root).id == before


def test_an_amd_card_is_told_by_its_memory(tmp_path: Path) -> None:
    found = hardware.gpus(laid_out(tmp_path, BOARD))
    if not hardware.gpus(Path("/nowhere")):  # where nvidia-smi answers, it is asked alone
        assert found[-1] == "AMD GPU, 16384 MiB"


def test_what_may_change_stands_apart(tmp_path: Path) -> None:
    found = hardware.environment(laid_out(tmp_path, BOARD), checkout=tmp_path)
    assert found.kernel == platform.release()
    assert found.governor == Measured("ondemand, performance", "client")
    assert isinstance(found.driver, Measured)
    assert found.commit == Missing("not_a_checkout", "installed from a package")


def test_a_bare_machine_says_what_it_does_not_show(tmp_path: Path) -> None:
    found = hardware.environment(tmp_path, checkout=tmp_path)
    assert isinstance(found.governor, Missing)
    bare = hardware.device(tmp_path)
    assert bare.memory_bytes > 0
    assert bare.system.startswith(platform.system())


def test_this_machine_is_itself_twice() -> None:
    here = hardware.device()
    assert here == hardware.device()
    assert here.cores == os.cpu_count()
    assert here.cpu


def test_the_commit_is_named_and_a_change_to_it_shows(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@x", *words],
            check=True,
            capture_output=True,
        )

    git("init")
    assert isinstance(hardware.environment(checkout=tmp_path).commit, Missing)
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "one")
    clean = hardware.environment(checkout=tmp_path).commit
    assert isinstance(clean, Measured)
    (tmp_path / "a").write_text("2")
    assert hardware.environment(checkout=tmp_path).commit == Measured(
        f"{clean.value}-dirty", "client"
    )


ASK = """
from pathlib import Path
from steelyard.platform import hardware
print(hardware.gpus(Path("/nowhere")), hardware.environment().driver)
"""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo 'NVIDIA H200, 143771 MiB'", "('NVIDIA H200, 143771 MiB',) Measured("),
        ("exit 9", "() "),
    ],
)
def test_a_gpu_is_what_its_driver_says(tmp_path: Path, answer: str, said: str) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(said)
