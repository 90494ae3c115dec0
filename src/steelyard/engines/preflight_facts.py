"""Which engine loads which format on what: the facts behind `engines.preflight`, with sources.

Each rule is what an engine's own documentation (or, for those that were run here, the trial) says
at the version that stands beside it. Where documentation names a least compute capability or the
architectures, they stand in `needs`; a format that an engine's documentation does not list is
taken as not loaded. Not aware of machines or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

FORMATS: Final[Mapping[str, str]] = {
    "gguf": "GGUF files",
    "safetensors": "unquantised safetensors folders",
    "mlx": "folders that mlx-lm quantised",
    "exl2": "ExLlamaV2 quants",
    "exl3": "ExLlamaV3 quants",
    "awq": "AWQ quants",
    "gptq": "GPTQ quants",
    "fp8": "8-bit floating point quants",
    "nvfp4": "NVIDIA's 4-bit floating point quants",
    "mxfp4": "4-bit floating point quants with shared exponents (gpt-oss)",
    "bnb": "bitsandbytes quants",
}


@final
@dataclass(frozen=True, slots=True)
class On:
    """A kind of device, what it must be, and what is to be known about it.

    `needs` is a least compute capability for `cuda` (`7.5`), architectures for `rocm` (`gfx942`)
    or for `cpu` (`x86_64`), each a beginning that is enough; none is any.
    """

    kind: str
    needs: tuple[str, ...] = ()
    note: str = ""


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """One engine and one format: where it works, and who says so."""

    engine: str
    format: str
    on: tuple[On, ...]
    source: str
    note: str = ""


_LLAMACPP: Final = "llama.cpp: feature matrix of its wiki, 2025-07, and docs/build.md"
_OLLAMA: Final = "Ollama: docs/gpu.mdx and docs/import.mdx at 06da019"
_LMSTUDIO: Final = (
    "LM Studio on the hub's documentation, 2026-10: llama.cpp, and MLX on Apple silicon"
)
_VLLM: Final = "vLLM: quantization and GPU installation pages, latest of 2026-11 (0.32)"
_SGLANG: Final = "SGLang: docs/advanced_features/quantization.md at 0f4513c"
_TGI: Final = "text-generation-inference: conceptual/quantization, 3.3.5"
_TABBY: Final = "TabbyAPI: README at 03c843a"
_EXL3: Final = "ExLlamaV3 1.6.5: README and the targets of its build workflow; TabbyAPI's README"
_MLX: Final = "MLX: install page, 2026-10; mlx-lm 0.32.2, tried here on Linux"
_TRANSFORMERS: Final = "transformers: quantization/overview, 5.x"
_FINEGRAINED: Final = "transformers: quantization/finegrained_fp8, 4.51"
_FP_QUANT: Final = "transformers: quantization/fp_quant, 5.x"
_AWQ: Final = f"{_TRANSFORMERS}; AutoAWQ's README"
_MXFP4: Final = "transformers: quantizers/quantizer_mxfp4.py, 5.x"
_BNB: Final = "bitsandbytes: installation page, 0.50.2"
_IK: Final = "ik_llama.cpp: README at 075234f"
_LOCALAI: Final = "LocalAI: its llama-cpp back end, which is llama.cpp"

_CPU, _METAL, _VULKAN, _ROCM = On("cpu"), On("metal"), On("vulkan"), On("rocm")
_CDNA: Final = ("gfx90a", "gfx942", "gfx950")
_OLLAMA_AMD: Final = (
    *("gfx908", *_CDNA, "gfx1010", "gfx1012", "gfx1030", "gfx1100", "gfx1101", "gfx1102"),
    *("gfx1103", "gfx1150", "gfx1151", "gfx1200", "gfx1201"),
)
_VLLM_AMD: Final = (*_CDNA, "gfx1100", "gfx1101", "gfx1150", "gfx1151", "gfx1200", "gfx1201")
_X86: Final = ("x86_64",)
_CUDA: Final = On("cuda")
_EVERYWHERE: Final = (_CPU, _CUDA, _ROCM, _METAL, _VULKAN)


def _cuda(least: str, note: str = "") -> On:
    return On("cuda", (least,), note)


_MARLIN: Final = "below 8.9 the weights alone are 8-bit: computed in 16 bits"
_MARLIN4: Final = "below 10.0 the weights alone are 4-bit: computed in 16 bits"
_GGUF_PLUGIN: Final = "needs vllm-gguf-plugin; experimental by its own words"

RULES: Final[tuple[Rule, ...]] = (
    Rule("llamacpp", "gguf", _EVERYWHERE, _LLAMACPP),
    Rule(
        "ollama",
        "gguf",
        (_CPU, On("cuda", ("5.0",)), On("rocm", _OLLAMA_AMD), _METAL, _VULKAN),
        _OLLAMA,
    ),
    Rule(
        "ollama",
        "safetensors",
        (_CPU, On("cuda", ("5.0",)), On("rocm", _OLLAMA_AMD), _METAL, _VULKAN),
        _OLLAMA,
        note="`ollama create` converts it to GGUF first",
    ),
    Rule("lmstudio", "gguf", _EVERYWHERE, _LMSTUDIO),
    Rule("lmstudio", "mlx", (_METAL,), _LMSTUDIO),
    Rule("localai", "gguf", _EVERYWHERE, _LOCALAI),
    Rule("mlx", "mlx", (_CPU, _cuda("7.5"), _METAL), _MLX),
    Rule("mlx", "safetensors", (_CPU, _cuda("7.5"), _METAL), _MLX),
    Rule("transformers", "safetensors", (_CPU, _CUDA, _ROCM, _METAL), _TRANSFORMERS),
    Rule("transformers", "awq", (_CPU, _cuda("7.5"), _ROCM), _AWQ),
    Rule("transformers", "gptq", (_CUDA, _ROCM), _TRANSFORMERS),
    Rule("transformers", "fp8", (_cuda("9.0"),), _FINEGRAINED),
    Rule("transformers", "nvfp4", (_cuda("10.0"),), _FP_QUANT),
    Rule("transformers", "mxfp4", (_cuda("7.5"),), _MXFP4),
    Rule("transformers", "bnb", (_CPU, _cuda("6.0"), _ROCM, _METAL), _BNB),
    Rule("vllm", "safetensors", (On("cpu", _X86), _cuda("7.5"), On("rocm", _VLLM_AMD)), _VLLM),
    Rule("vllm", "awq", (On("cpu", _X86), _cuda("7.5")), _VLLM),
    Rule("vllm", "gptq", (On("cpu", _X86), _cuda("7.5")), _VLLM),
    Rule("vllm", "fp8", (_cuda("7.5", _MARLIN), On("rocm", _VLLM_AMD)), _VLLM),
    Rule("vllm", "nvfp4", (_cuda("7.5", _MARLIN4),), _VLLM),
    Rule("vllm", "mxfp4", (_cuda("7.5", _MARLIN4),), _VLLM),
    Rule("vllm", "bnb", (_cuda("7.5"),), _VLLM),
    Rule("vllm", "gguf", (_cuda("7.5"), On("rocm", _VLLM_AMD)), _VLLM, note=_GGUF_PLUGIN),
    Rule("sglang", "safetensors", (_CUDA, On("rocm", _CDNA)), _SGLANG),
    Rule("sglang", "awq", (_CUDA, On("rocm", _CDNA)), _SGLANG),
    Rule("sglang", "gptq", (_CUDA, On("rocm", _CDNA)), _SGLANG),
    Rule("sglang", "fp8", (_CUDA, On("rocm", ("gfx942", "gfx950"))), _SGLANG),
    Rule("sglang", "nvfp4", (_cuda("10.0"), On("rocm", ("gfx90a", "gfx942"))), _SGLANG),
    Rule("sglang", "mxfp4", (_CUDA, On("rocm", ("gfx942", "gfx950"))), _SGLANG),
    Rule("sglang", "gguf", (_CUDA,), _SGLANG),
    Rule(
        "sglang",
        "bnb",
        (_CUDA, On("rocm", _CDNA, "experimental by its own words")),
        _SGLANG,
    ),
    Rule("tgi", "safetensors", (_CUDA, On("rocm", ("gfx90a", "gfx942"))), _TGI),
    Rule("tgi", "awq", (_CUDA,), _TGI),
    Rule("tgi", "gptq", (_CUDA,), _TGI),
    Rule("tgi", "exl2", (_CUDA,), _TGI),
    Rule("tgi", "fp8", (_CUDA,), _TGI),
    Rule("tgi", "bnb", (_CUDA,), _TGI),
    Rule("tabbyapi", "safetensors", (_CUDA,), _TABBY, note="in 16 bits"),
    Rule("tabbyapi", "exl2", (_CUDA, _ROCM), _TABBY),
    Rule("tabbyapi", "exl3", (_cuda("7.5"), On("rocm", ("gfx1",))), _EXL3),
    Rule("tabbyapi", "gptq", (_CUDA, _ROCM), _TABBY),
    Rule(
        "ik_llamacpp",
        "gguf",
        (On("cpu", ("x86_64", "aarch64", "arm64")), _cuda("7.5")),
        _IK,
        note="its own types too (IQ4_KS, IQ3_K, …), which no other engine loads",
    ),
)
ENGINES: Final = tuple(dict.fromkeys(rule.engine for rule in RULES))
