"""What machine this is (`Device`) and what may change on it (`Environment`).

The device holds only what a reboot or an update leaves alone, since results are compared within
one device. Every file is read below `root`, so that a test can lay out a machine of its own. Not
aware of runs; the engine's build is added by whoever asked the engine.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import ControlProfile, Device, Environment

PACKAGES: Final = ("steelyard", "xllamacpp", "gguf", "numpy")
# The kernel keeps a little memory for itself, and not always the same; whole sixteenths of a
# GiB stay put from one kernel to the next.
_MEMORY_STEP: Final = 1 << 26
_TIMEOUT_S: Final = 10.0
_BOARD_LIMIT_C: Final = 90.0
_ROOT: Final = Path("/")
_CHECKOUT: Final = Path(__file__).resolve().parents[3]


def device(root: Path = _ROOT) -> Device:
    """Return the stable identity of this machine (asks the GPU driver, up to seconds)."""
    return Device(
        system=_system(root),
        cpu=_cpu(root),
        cores=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(root) // _MEMORY_STEP * _MEMORY_STEP,
        architecture=platform.machine(),
        gpus=gpus(root),
    )


def environment(root: Path = _ROOT, checkout: Path = _CHECKOUT) -> Environment:
    """Return what may change on this machine; `checkout` is where our own sources lie."""
    return Environment(
        kernel=platform.release(),
        python=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        governor=_governor(root),
        commit=_commit(checkout),
        driver=_driver(root),
    )


def temperature_limit_c(root: Path = _ROOT) -> float:
    """Return above what a long load is ended: boards have less to cool them with.

    A board is a machine that describes itself by a device tree.
    """
    board = bool(_text(root / "proc/device-tree/model"))
    return _BOARD_LIMIT_C if board else ControlProfile().temperature_max_c


def gpus(root: Path = _ROOT) -> tuple[str, ...]:
    """Return name and memory of each GPU, as its driver tells; empty where there is none."""
    listed = _nvidia_smi("name,memory.total")
    if listed:
        return tuple(listed)
    nvidia = [
        line.split(":", 1)[1].strip()
        for path in sorted(root.glob("proc/driver/nvidia/gpus/*/information"))
        for line in _text(path).splitlines()
        if line.startswith("Model:")
    ]
    amd = [
        f"{_text(card / 'product_name') or 'AMD GPU'}, {int(total) >> 20} MiB"
        for card in sorted(root.glob("sys/class/drm/card[0-9]*/device"))
        if (total := _text(card / "mem_info_vram_total")).isdigit()
    ]
    return tuple(nvidia + amd)


def _nvidia_smi(fields: str) -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode != 0:
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _system(root: Path) -> str:
    """Return OS family and version, such as `Debian GNU/Linux 12`."""
    lines = _text(root / "etc/os-release").splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    name = fields.get("NAME", "").strip('"')
    version = fields.get("VERSION_ID", "").strip('"')
    return f"{name} {version}".strip() or f"{platform.system()} {platform.release()}"


def _cpu(root: Path) -> str:
    """Return the CPU's model: x86 names it in cpuinfo, boards in the device tree."""
    fields: dict[str, str] = {}
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    board = _text(root / "proc/device-tree/model").strip("\0")
    return fields.get("model name") or board or fields.get("Model") or platform.processor()


def _memory_bytes(root: Path) -> int:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _governor(root: Path) -> Reading[str]:
    found = {
        _text(path)
        for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    }
    found.discard("")
    if not found:
        return Missing("not_exposed", "this machine shows no frequency governor")
    return Measured(", ".join(sorted(found)), "client")


def _driver(root: Path) -> Reading[str]:
    listed = _nvidia_smi("driver_version")
    if listed:
        return Measured(f"nvidia {listed[0]}", "client")
    amd = _text(root / "sys/module/amdgpu/version")
    return Measured(f"amdgpu {amd}", "client") if amd else Missing("no_gpu", "no GPU driver found")


def _commit(checkout: Path) -> Reading[str]:
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return Missing("not_a_checkout", "installed from a package")
    done = subprocess.run(
        ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        return Missing("no_commit", done.stderr.strip())
    return Measured(done.stdout.strip(), "client")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
