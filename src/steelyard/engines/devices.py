"""What an engine computes on, in the words of the product and in those of engines.

`cpu`, or a kind and a number: `cuda:1`. Names of llama.cpp's devices: `GGML_CUDA_NAME` in
ggml-cuda.h (CUDA, ROCm), `GGML_VK_NAME` in ggml-vulkan.h, ggml-metal's own listing (MTL0; Metal in
older builds); `--split-mode`, `--tensor-split`: tools/server/README.md at 00dc8057. Not aware of
what is in this machine: that is `platform.accelerators`.
"""

from __future__ import annotations

from typing import Final

CPU: Final = "cpu"
GPUS: Final = ("cuda", "rocm", "metal", "vulkan")
KINDS: Final = (CPU, *GPUS)
# What llama-server takes for "every layer": more than any model has.
ALL_LAYERS: Final = 999
SPLIT_MODES: Final = ("row", "tensor", "layer")
_LLAMA: Final = {"cuda": "CUDA", "rocm": "ROCm", "vulkan": "Vulkan"}
_READ: Final = {"CUDA": "cuda", "ROCm": "rocm", "HIP": "rocm", "Vulkan": "vulkan", "MTL": "metal"}


def split(device: str) -> tuple[str, int]:
    """Return kind and number."""
    kind, _, number = device.partition(":")
    return kind, int(number or 0)


def llama_flags(
    device: str | None, gpu_layers: int, gpus: int = 1, split_mode: str = "row"
) -> tuple[str, ...]:
    """Return llama-server's words for a device and for how many layers lie on it.

    Several GPUs are those from the named one on, in equal shares: its own default goes by how much
    memory is free, which no run has twice.
    """
    shares: tuple[str, ...] = ()
    if gpus > 1:
        shares = ("--split-mode", split_mode, "--tensor-split", ",".join("1" * gpus))
    layers = ("--n-gpu-layers", str(gpu_layers), *shares)
    if device is None:
        return layers
    kind, number = split(device)
    if kind == CPU:
        return ("--device", "none", "--n-gpu-layers", "0")
    # Apple's one GPU is taken by itself, and its name is not the same in every build.
    if kind == "metal":
        return layers
    names = ",".join(f"{_LLAMA[kind]}{number + each}" for each in range(gpus))
    return ("--device", names, *layers)


def from_llama(name: str) -> str:
    """Return what llama.cpp calls `CUDA0` as `cuda:0`; `cpu` for a name that is no GPU's."""
    if name == "Metal":
        return "metal:0"
    word = name.rstrip("0123456789")
    kind = _READ.get(word, CPU)
    return kind if kind == CPU else f"{kind}:{name[len(word) :] or '0'}"
