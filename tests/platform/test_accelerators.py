"""Accelerators, found on machines that are laid out as files and programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.domain.reading import Measured, Missing
from steelyard.platform.accelerators import Accelerator, detect

CPUINFO = """processor\t: 0
model name\t: Some CPU
flags\t\t: fpu sse4_2 avx avx2 f16c fma avx512f avx512_vnni

processor\t: 1
model name\t: Some CPU
"""
SMI = """#!/bin/sh
echo "0, NVIDIA H200, 143771 MiB, 9.0, 570.86"
echo "1, NVIDIA A100, 81920 MiB, 8.0, 570.86"
"""
SUMMARY = """==========
Devices:
========
GPU0:
\tapiVersion         = 1.3.274
\tdeviceType         = PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU
\tdeviceName         = Intel(R) UHD Graphics 770
\tdriverName         = Intel open-source Mesa driver
\tdriverInfo         = Mesa 24.0.9
GPU1:
\tdeviceType         = PHYSICAL_DEVICE_TYPE_CPU
\tdeviceName         = llvmpipe (LLVM 17.0.6, 256 bits)
\tdriverName         = llvmpipe
GPU2:
\tdeviceType         = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
\tdeviceName         = AMD Radeon RX 7900 XTX
\tdriverName         = radv
"""
SYSCTL = """#!/bin/sh
[ "$2" = hw.memsize ] && echo 17179869184 || echo "Apple M3"
"""
NODE = "sys/class/kfd/kfd/topology/nodes"


class Laid:
    """A machine under a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.text("proc/cpuinfo", CPUINFO)
        self.text("proc/meminfo", "MemTotal:       16384 kB\n")

    def text(self, name: str, words: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words)
        return path

    def program(self, name: str, words: str) -> None:
        self.text(f"usr/bin/{name}", words).chmod(0o755)

    def found(self, kind: str) -> list[Accelerator]:
        return [each for each in detect(self.root, system="Linux") if each.kind == kind]


@pytest.fixture
def laid(tmp_path: Path) -> Laid:
    return Laid(tmp_path)


def test_a_machine_without_a_gpu_has_its_processor_with_the_flags_that_matter(laid: Laid) -> None:
    (only,) = detect(laid.root, system="Linux")
    assert only.id == "cpu"
    assert only.name == "Some CPU, 2 cores"
    assert only.architecture == "sse4_2 avx f16c fma avx2 avx512f avx512_vnni"
    assert only.memory_bytes == Measured(16384 * 1024, "client")


def test_nvidia_cards_are_numbered_with_capability_and_memory(laid: Laid) -> None:
    laid.program("nvidia-smi", SMI)
    first, second = laid.found("cuda")
    assert (first.id, first.name, first.architecture) == ("cuda:0", "NVIDIA H200", "sm_90")
    assert first.memory_bytes == Measured(143771 << 20, "client")
    assert (second.id, second.architecture, second.driver) == ("cuda:1", "sm_80", "nvidia 570.86")
    assert not first.unusable


def test_a_driver_that_does_not_answer_leaves_a_card_that_cannot_be_used(laid: Laid) -> None:
    laid.program("nvidia-smi", "#!/bin/sh\necho 'Failed to initialize NVML' >&2\nexit 9\n")
    laid.text("proc/driver/nvidia/version", "NVRM version: x  Kernel Module  535.183.01  Sun\n")
    laid.text("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t NVIDIA L4\nIRQ: 4\n")
    (card,) = laid.found("cuda")
    assert (card.id, card.name, card.driver) == ("cuda:0", "NVIDIA L4", "nvidia 535.183.01")
    assert "no /dev/nvidia" in card.unusable
    laid.text("dev/nvidia0")
    (card,) = laid.found("cuda")
    assert card.unusable == "nvidia-smi does not answer"


def test_a_program_that_says_something_else_names_no_card(laid: Laid) -> None:
    laid.program("nvidia-smi", "#!/bin/sh\necho 'No devices were found'\n")
    assert laid.found("cuda") == []


@pytest.mark.parametrize(
    ("version", "architecture"), [(90402, "gfx942"), (90010, "gfx90a"), (110000, "gfx1100")]
)
def test_an_amd_gpu_is_named_by_its_target(laid: Laid, version: int, architecture: str) -> None:
    laid.text(f"{NODE}/0/properties", "simd_count 0\ncpu_cores_count 8\n")
    laid.text(f"{NODE}/1/properties", f"simd_count 384\ngfx_target_version {version}\n")
    laid.text(f"{NODE}/1/name", "navi31\n")
    laid.text(f"{NODE}/1/mem_banks/0/properties", "heap_type 1\nsize_in_bytes 25753026560\n")
    (gpu,) = laid.found("rocm")
    assert (gpu.id, gpu.name, gpu.architecture) == ("rocm:0", "navi31", architecture)
    assert gpu.memory_bytes == Measured(25753026560, "client")
    assert "no /dev/kfd" in gpu.unusable
    laid.text("dev/kfd")
    assert laid.found("rocm")[0].unusable == ""


def test_nodes_of_the_topology_come_in_the_order_of_their_numbers(laid: Laid) -> None:
    for number in (10, 2):
        laid.text(f"{NODE}/{number}/properties", "simd_count 4\ngfx_target_version 110000\n")
        laid.text(f"{NODE}/{number}/name", f"card {number}\n")
    assert [each.name for each in laid.found("rocm")] == ["card 2", "card 10"]


def test_vulkan_devices_are_those_of_vulkaninfo_without_software(laid: Laid) -> None:
    laid.program("vulkaninfo", f"#!/bin/sh\ncat <<'X'\n{SUMMARY}X\n")
    first, second = laid.found("vulkan")
    assert (first.id, first.name) == ("vulkan:0", "Intel(R) UHD Graphics 770")
    assert (second.id, second.name) == ("vulkan:1", "AMD Radeon RX 7900 XTX")


def test_without_vulkaninfo_the_driver_manifests_are_named(laid: Laid) -> None:
    icd = json.dumps({"ICD": {"library_path": "/usr/lib/libvulkan_radeon.so"}})
    laid.text("usr/share/vulkan/icd.d/radeon_icd.x86_64.json", icd)
    laid.text("usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "{}")
    assert laid.found("vulkan") == []  # a driver without a card
    laid.text("dev/dri/renderD128")
    (gpu,) = laid.found("vulkan")
    assert gpu.name == "libvulkan_radeon.so"
    assert "libvulkan.so.1" in gpu.unusable
    laid.text("usr/lib/x86_64-linux-gnu/libvulkan.so.1")
    assert laid.found("vulkan")[0].unusable == ""


def test_a_manifest_that_is_no_json_is_named_by_its_file(laid: Laid) -> None:
    laid.text("etc/vulkan/icd.d/odd_icd.json", "[1")
    laid.text("dev/dri/renderD128")
    assert [each.name for each in laid.found("vulkan")] == ["odd_icd"]


def test_only_macs_with_apples_processor_have_metal(laid: Laid) -> None:
    laid.program("sysctl", SYSCTL)
    gpu = detect(laid.root, system="Darwin", machine="arm64")[0]
    assert (gpu.id, gpu.name, gpu.architecture) == ("metal:0", "Apple M3", "apple")
    assert gpu.memory_bytes == Measured(1 << 34, "client")
    assert detect(laid.root, system="Darwin", machine="x86_64")[0].id == "cpu"


def test_what_sysctl_does_not_tell_is_missing(laid: Laid) -> None:
    gpu = detect(laid.root, system="Darwin", machine="arm64")[0]
    assert isinstance(gpu.memory_bytes, Missing)


def test_this_machine_has_at_least_its_processor() -> None:
    assert detect()[-1].id == "cpu"
