"""What in this machine can compute: CUDA, ROCm, Metal and Vulkan devices, and the processor.

Everything is looked up below `root`, programs in `programs`, so that a test can lay out a machine
of its own. A device that is there and cannot be used says why. Not aware of engines: whether a
build uses what is here, it says itself.

Sources: nvidia-smi --help-query-gpu; the kernel's kfd_topology.c (gfx_target_version, simd_count);
the Vulkan loader's driver manifests (LoaderDriverInterface.md); the kernel's cpuinfo flags.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading

_ROOT: Final = Path("/")
_LIMIT_S: Final = 15.0
_NVIDIA_FIELDS: Final = "index,name,memory.total,compute_cap,driver_version"
_FLAGS: Final = (
    *("sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni"),
    *("avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
_MANIFESTS: Final = ("usr/share/vulkan/icd.d", "etc/vulkan/icd.d", "usr/local/share/vulkan/icd.d")
_SOFTWARE: Final = re.compile(r"llvmpipe|lavapipe|swiftshader|lvp_icd", re.IGNORECASE)
_MIB: Final = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class Accelerator:
    """One device: `cuda:0` and the like. `unusable` says why it cannot be used as it is.

    `architecture` is `sm_90`, `gfx942`, `apple`, or the processor's flags that matter.
    """

    id: str
    name: str
    memory_bytes: Reading[int]
    architecture: str
    driver: str
    found_by: str
    unusable: str = ""

    @property
    def kind(self) -> str:
        """The part before the number."""
        return self.id.partition(":")[0]


def detect(
    root: Path = _ROOT,
    *,
    system: str = platform.system(),
    machine: str = platform.machine(),
) -> tuple[Accelerator, ...]:
    """Return every device, the processor last; of another root also its programs."""
    path = None if root == _ROOT else str(root / "usr/bin")
    return (
        *_cuda(root, path),
        *_rocm(root),
        *_metal(path, system, machine),
        *_vulkan(root, path),
        _cpu(root, machine),
    )


# ── NVIDIA ──────────────────────────────────────────────────────────────────────────────────────


def _cuda(root: Path, path: str | None) -> Iterator[Accelerator]:
    """Ask nvidia-smi; without an answer of it, read the kernel driver's own files."""
    asked = _output(path, "nvidia-smi", f"--query-gpu={_NVIDIA_FIELDS}", "--format=csv,noheader")
    rows = [[cell.strip() for cell in line.split(",")] for line in asked.splitlines()]
    full = [row for row in rows if len(row) == _NVIDIA_FIELDS.count(",") + 1 and row[0].isdigit()]
    for index, name, memory, capability, driver in full:
        architecture = f"sm_{capability.replace('.', '')}" if capability[:1].isdigit() else ""
        size = _mib(memory)
        yield Accelerator(
            f"cuda:{index}", name, size, architecture, f"nvidia {driver}", "nvidia-smi"
        )
    if full:
        return
    version = re.search(r"Module\s+([\d.]+)", _text(root / "proc/driver/nvidia/version"))
    driver = f"nvidia {version[1]}" if version else "nvidia"
    cards = sorted(root.glob("proc/driver/nvidia/gpus/*/information"))
    for number, card in enumerate(cards):
        model = re.search(r"^Model:\s*(.+)$", _text(card), re.MULTILINE)
        nodes = sorted(root.glob("dev/nvidia[0-9]*"))
        why = "nvidia-smi does not answer" if nodes else "there is no /dev/nvidia file for it"
        yield Accelerator(
            f"cuda:{number}",
            model[1].strip() if model else "NVIDIA GPU",
            Missing("not_told", "only nvidia-smi tells the memory"),
            "",
            driver,
            "/proc/driver/nvidia",
            unusable=why,
        )


def _mib(text: str) -> Reading[int]:
    number = re.match(r"(\d+)\s*MiB", text)
    if number is None:
        return Missing("not_told", f"nvidia-smi says {text!r}")
    return Measured(int(number[1]) * _MIB, "client")


# ── AMD ─────────────────────────────────────────────────────────────────────────────────────────


def _rocm(root: Path) -> Iterator[Accelerator]:
    """Read the compute driver's topology: a node with SIMD units is a GPU."""
    nodes = root.glob("sys/class/kfd/kfd/topology/nodes/*/properties")
    gpus = []
    for file in sorted(nodes, key=lambda each: int(each.parent.name)):
        facts = _numbers(file)
        if facts.get("simd_count", 0) > 0:
            gpus.append((file.parent, facts))
    version = _text(root / "sys/module/amdgpu/version")
    usable = (root / "dev/kfd").exists()
    for number, (node, facts) in enumerate(gpus):
        banks = [_numbers(bank) for bank in sorted(node.glob("mem_banks/*/properties"))]
        # Heap types 1 and 2 are memory of its own, visible to the processor or not.
        sizes = [b.get("size_in_bytes", 0) for b in banks if b.get("heap_type") in (1, 2)]
        size: Reading[int] = Missing("not_told", "the driver lists no memory of its own")
        yield Accelerator(
            f"rocm:{number}",
            _text(node / "name") or "AMD GPU",
            Measured(sum(sizes), "client") if sum(sizes) else size,
            _gfx(facts.get("gfx_target_version", 0)),
            f"amdgpu {version}".strip(),
            "/sys/class/kfd",
            unusable="" if usable else "there is no /dev/kfd: the compute driver is not loaded",
        )


def _gfx(version: int) -> str:
    """Return 90402 as gfx942 and 90010 as gfx90a: minor and stepping are one digit each."""
    if not version:
        return ""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def _numbers(file: Path) -> Mapping[str, int]:
    pairs = (line.split() for line in _text(file).splitlines())
    return {p[0]: int(p[1]) for p in pairs if len(p) == 2 and p[1].isdigit()}  # noqa: PLR2004


# ── Apple ───────────────────────────────────────────────────────────────────────────────────────


def _metal(path: str | None, system: str, machine: str) -> Iterator[Accelerator]:
    """Every Mac with Apple's own processor has one, and shares its memory with it."""
    if system != "Darwin" or machine != "arm64":
        return
    brand = _output(path, "sysctl", "-n", "machdep.cpu.brand_string").strip()
    memory = _output(path, "sysctl", "-n", "hw.memsize").strip()
    size: Reading[int] = Missing("not_told", "sysctl does not answer")
    yield Accelerator(
        "metal:0",
        brand or "Apple GPU",
        Measured(int(memory), "client") if memory.isdigit() else size,
        "apple",
        "part of macOS",
        "sysctl",
    )


# ── Vulkan ──────────────────────────────────────────────────────────────────────────────────────


def _vulkan(root: Path, path: str | None) -> Iterator[Accelerator]:
    """Ask vulkaninfo; without it, name the driver manifests. Software renderers are left out."""
    asked = _output(path, "vulkaninfo", "--summary")
    if asked:
        yield from _summarised(asked)
        return
    loader = _loader(root)
    names = [
        _library(manifest)
        for folder in _MANIFESTS
        for manifest in sorted((root / folder).glob("*.json"))
        if not _SOFTWARE.search(manifest.name)
    ]
    cards = sorted(root.glob("dev/dri/renderD*"))
    # Without vulkaninfo nobody says which driver has which card: as many as there are cards.
    for number, name in enumerate(dict.fromkeys(names[: len(cards)])):
        yield Accelerator(
            f"vulkan:{number}",
            name,
            Missing("not_told", "only vulkaninfo tells more"),
            "",
            name,
            "driver manifest",
            unusable="" if loader else "the loader libvulkan.so.1 is not installed",
        )


def _summarised(text: str) -> Iterator[Accelerator]:
    number = 0
    for block in re.split(r"^GPU\d+:", text, flags=re.MULTILINE)[1:]:
        facts = dict(re.findall(r"^\s*(\w+)\s*=\s*(.+?)\s*$", block, re.MULTILINE))
        name = facts.get("deviceName", "GPU")
        if facts.get("deviceType", "").endswith("_CPU") or _SOFTWARE.search(name):
            continue
        driver = f"{facts.get('driverName', '')} {facts.get('driverInfo', '')}".strip()
        none = Missing("not_told", "the summary of vulkaninfo has no memory")
        yield Accelerator(f"vulkan:{number}", name, none, "", driver, "vulkaninfo")
        number += 1


def _library(manifest: Path) -> str:
    try:
        found = json.loads(_text(manifest) or "{}").get("ICD", {}).get("library_path", "")
    except (ValueError, AttributeError):
        found = ""
    return Path(str(found)).name or manifest.stem


def _loader(root: Path) -> bool:
    if root != _ROOT:
        return any(root.glob("usr/lib*/**/libvulkan.so.1"))
    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError:
        return False
    return True


# ── the processor ───────────────────────────────────────────────────────────────────────────────


def _cpu(root: Path, machine: str) -> Accelerator:
    fields: dict[str, str] = {}
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    told = [flag for flag in _FLAGS if flag in flags]
    memory = re.search(r"^MemTotal:\s+(\d+)", _text(root / "proc/meminfo"), re.MULTILINE)
    size: Reading[int] = Missing("not_told", "/proc/meminfo is not there")
    return Accelerator(
        "cpu",
        f"{fields.get('model name') or machine}, {_cores(root)} cores",
        Measured(int(memory[1]) * 1024, "client") if memory else size,
        " ".join(told) or machine,
        "",
        "/proc/cpuinfo" if fields else "the system",
    )


def _cores(root: Path) -> int:
    """Return the cores that we may use; those that are listed, of a machine laid out in a test."""
    if root == _ROOT and hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    listed = re.findall(r"^processor\s*:", _text(root / "proc/cpuinfo"), re.MULTILINE)
    return len(listed) or os.cpu_count() or 1


def _output(path: str | None, program: str, *words: str) -> str:
    """Return what a program prints; nothing where it is not there, fails or hangs."""
    found = shutil.which(program, path=path)
    if found is None:
        return ""
    try:
        ended = subprocess.run(
            [found, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout if ended.returncode == 0 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""
