"""Will this engine load this format on this device? Known before a byte is fetched.

`verdict` answers for one engine, `anywhere` for all; a refusal carries its reason and the nearest
thing that works. `format_of_config` tells the format of a folder by its config.json. Pure; the
facts and their sources are `engines.preflight_facts`'. Not aware of files, hubs or drivers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from steelyard.domain.errors import UnknownName
from steelyard.engines.preflight_facts import ENGINES, FORMATS, RULES, On, Rule
from steelyard.llamalib.tensor_types import OF_IK, REMOVED

KINDS: Final = ("cpu", "cuda", "rocm", "metal", "vulkan")
_CAPABILITY: Final = re.compile(r"sm_(\d+)(\d)\w?")
_SLOW_I_QUANTS: Final = frozenset({"cpu", "metal", "vulkan"})
_IK: Final = "ik_llamacpp"
_OF_LLAMA: Final = frozenset({"llamacpp", "ollama", "lmstudio", "localai"})
# Rows of several interleaved, of whatever type: `Q4_K_R4`, `IQ4_KS_R4`, `Q8_K_R8`.
_INTERLEAVED: Final = re.compile(r"I?Q\d_\w+_R(4|8|16)")
_MIXED: Final = frozenset({"IQ3_KL", "Q8_KV"})  # mixtures and types that only it writes
# What `quantization_config.quant_method` of a config.json says, in our words.
_METHODS: Final = {
    "awq": "awq",
    "gptq": "gptq",
    "bitsandbytes": "bnb",
    "fp8": "fp8",
    "fbgemm_fp8": "fp8",
    "mxfp4": "mxfp4",
    "exl2": "exl2",
    "exl3": "exl3",
}


@final
@dataclass(frozen=True, slots=True)
class Target:
    """A device as preflight sees it: its kind, and `sm_90`, `gfx942` or `x86_64` if known."""

    kind: str
    architecture: str = ""

    def __str__(self) -> str:
        return f"{self.kind} ({self.architecture})" if self.architecture else self.kind


@final
@dataclass(frozen=True, slots=True)
class Ok:
    """It works, by `source`; `note` is what one should know."""

    source: str
    note: str = ""


@final
@dataclass(frozen=True, slots=True)
class Skip:
    """It does not; why, and the nearest thing that does."""

    reason: str
    nearest: str
    source: str = ""


Verdict: TypeAlias = Ok | Skip


def verdict(engine: str, format_name: str, target: Target, quant: str = "") -> Verdict:
    """Say whether an engine loads a format, and a quant of it, on a device."""
    _require(engine, format_name, target)
    found = _plain(engine, format_name, target, quant)
    if isinstance(found, Ok):
        return found
    return Skip(found.reason, _nearest(engine, format_name, target, quant), found.source)


def of_ik(quant: str) -> bool:
    """Whether a quant is one that ik_llama.cpp alone loads."""
    name = quant.upper()
    return name in OF_IK or name in _MIXED or _INTERLEAVED.fullmatch(name) is not None


def format_of_config(config: Mapping[str, object]) -> str:
    """Tell a folder's format by its config.json; `quantization` is what mlx-lm writes.

    A method that has no name here comes back as it is called: no engine is said to load it.
    """
    if isinstance(config.get("quantization"), dict):
        return "mlx"
    entry = config.get("quantization_config")
    if not isinstance(entry, dict):
        return "safetensors"
    method = str(entry.get("quant_method") or "").lower()
    words = f"{entry.get('quant_algo', '')} {entry.get('format', '')}".lower()
    if method in ("modelopt", "compressed-tensors"):
        four = "nvfp4" if "nvfp4" in words else "mxfp4" if "mxfp4" in words else ""
        eight = "fp8" if "fp8" in words or "float-quantized" in words else ""
        return four or eight or method
    return _METHODS.get(method, method or "safetensors")


def markdown() -> str:
    """Return the text of `docs/reference/compatibility.md`."""
    return "\n".join(_page())


# ── one engine, one format, one device ──────────────────────────────────────────────────────────


def _require(engine: str, format_name: str, target: Target) -> None:
    if engine not in ENGINES:
        raise UnknownName.among("engine that loads files", engine, ENGINES)
    if format_name not in FORMATS:
        raise UnknownName.among("format", format_name, FORMATS)
    if target.kind not in KINDS:
        raise UnknownName.among("device", target.kind, KINDS)


def _plain(engine: str, format_name: str, target: Target, quant: str) -> Verdict:
    rule = _rule(engine, format_name)
    if rule is None:
        loads = ", ".join(each.format for each in RULES if each.engine == engine)
        source = next(each.source for each in RULES if each.engine == engine)
        return Skip(f"{engine} loads {loads}, and no {format_name}", "", source)
    if format_name == "gguf" and quant.upper() in REMOVED.values():
        return Skip(f"llama.cpp has removed the type {quant.upper()}", "", rule.source)
    if format_name == "gguf" and engine != _IK and of_ik(quant):
        return Skip(
            f"{quant.upper()} is a type of ik_llama.cpp, which {engine} does not load",
            "",
            rule.source,
        )
    on = next((each for each in rule.on if each.kind == target.kind), None)
    if on is None:
        kinds = ", ".join(each.kind for each in rule.on)
        return Skip(
            f"{engine} computes {format_name} on {kinds}, not on {target.kind}", "", rule.source
        )
    if target.architecture and not _fits(on, target.architecture):
        return Skip(f"{_needed(engine, format_name, on)}; this is {target}", "", rule.source)
    return Ok(rule.source, "; ".join(_notes(rule, on, target, quant)))


def _rule(engine: str, format_name: str) -> Rule | None:
    return next((r for r in RULES if (r.engine, r.format) == (engine, format_name)), None)


def _fits(on: On, architecture: str) -> bool:
    if not on.needs:
        return True
    if on.kind == "cuda":
        has = _CAPABILITY.fullmatch(architecture)
        return has is None or (int(has[1]), int(has[2])) >= _pair(on.needs[0])
    return architecture.startswith(on.needs)


def _pair(capability: str) -> tuple[int, int]:
    major, _, minor = capability.partition(".")
    return int(major), int(minor)


def _needed(engine: str, format_name: str, on: On) -> str:
    if on.kind == "cuda":
        return f"{engine} needs compute capability {on.needs[0]} for {format_name}"
    return f"{engine} computes {format_name} on {', '.join(on.needs)}"


def _notes(rule: Rule, on: On, target: Target, quant: str) -> Iterator[str]:
    yield from (note for note in (rule.note, on.note) if note)
    if not target.architecture and on.needs:
        yield f"{_needed(rule.engine, rule.format, on)}: this device does not tell what it is"
    slow = rule.engine in _OF_LLAMA and target.kind in _SLOW_I_QUANTS
    if slow and quant.upper().startswith("IQ"):
        yield "i-quants are slower than K-quants of their size here"


def _nearest(engine: str, format_name: str, target: Target, quant: str) -> str:
    """Name another engine for the format, else another format for the engine, else llama.cpp."""
    for other in ENGINES:
        if isinstance(_plain(other, format_name, target, quant), Ok):
            return f"{other} loads {format_name} on {target.kind}"
    for other in FORMATS:
        if isinstance(_plain(engine, other, target, ""), Ok):
            return f"{engine} loads {other} on {target.kind}: take the model in that format"
    return "llamacpp loads gguf on the processor: take the model as GGUF"


# ── the page ────────────────────────────────────────────────────────────────────────────────────

_INTRO: Final = """\
# What loads where

Which engine loads which format on which device. `steelyard engines preflight` answers for this
machine and names the nearest thing that works; a bench or a sweep asks before it starts anything.
Where the documentation of an engine does not list a format, it is taken as not loaded.

This page is generated from the code (`engines/preflight_facts.py`).
"""


def _page() -> Iterator[str]:
    yield _INTRO
    yield "Formats: " + "; ".join(f"`{name}` {words}" for name, words in FORMATS.items()) + "."
    for engine in ENGINES:
        rules = [rule for rule in RULES if rule.engine == engine]
        yield f"\n## {engine}\n"
        yield f"| format | {' | '.join(KINDS)} |"
        yield f"|---|{'---|' * len(KINDS)}"
        for rule in rules:
            cells = " | ".join(_cell(rule, kind) for kind in KINDS)
            yield f"| {rule.format} | {cells} |"
        yield ""
        for rule in rules:
            for note in dict.fromkeys([rule.note, *(on.note for on in rule.on)]):
                if note:
                    yield f"- {rule.format}: {note}."
        yield f"- Source: {'; '.join(dict.fromkeys(rule.source for rule in rules))}."
    yield ""


def _cell(rule: Rule, kind: str) -> str:
    on = next((each for each in rule.on if each.kind == kind), None)
    if on is None:
        return "–"
    if kind == "cuda" and on.needs:
        return f"from {on.needs[0]}"
    return ", ".join(f"{each}…" if each == "gfx1" else each for each in on.needs) or "yes"
