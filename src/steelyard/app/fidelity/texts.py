"""What `fidelity` prints: a pack that was made, a check that was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from steelyard.domain.ids import plain
from steelyard.domain.pack import PackCheck, PackFacts
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.store.packs import Pack

# Mean divergence of quants of Watt-Tool-8B by their published logs.
_SCALE: Final = (("Q8_0", 0.00024), ("Q5_K_M", 0.0047), ("Q3_K_M", 0.051), ("Q3_K_S", 0.164))


def pack_plain(pack: Pack, path: Path) -> dict[str, Any]:
    """Return what is in a pack as JSON values."""
    return {
        "file": str(path),
        "bytes": pack.size_bytes,
        "sha256": pack.sha256,
        "facts": plain(pack.facts),
    }


def pack_text(pack: Pack, path: Path) -> str:
    """Return what is in a pack as lines."""
    facts = pack.facts
    rest = float(pack.rows.tail.mean())
    return "\n".join(
        (
            f"{path}  {pack.size_bytes:,} bytes  sha256 {pack.sha256[:16]}",
            *_of(facts),
            _line(
                "kept",
                f"{facts.top} most probable tokens a position, and {facts.drawn} drawn of the rest "
                f"({rest:.2%} of the probability)",
            ),
            _floor(facts),
        )
    )


def check_text(found: PackCheck) -> str:
    """Return what was found of a subject as lines."""
    return "\n".join(_lines(found))


def _lines(found: PackCheck) -> Iterator[str]:
    facts = found.facts
    yield f"{found.subject} against the reference pack {found.pack_sha256[:16]}"
    yield from _of(facts)
    least = "" if found.way == "library" else "at least "
    yield _line("KL divergence", f"{least}{_nats(found.divergence)} nats a position")
    yield _line("on the scale", _scale(found.divergence.value))
    yield _line("99 %", _nats(found.p99))
    yield _line("99.9 %", _nats(found.p999))
    yield _line("same top token", _share(found.same_top))
    silent = f", and {found.silent:,} that the server said nothing at" if found.silent else ""
    yield _line("positions", f"{found.positions:,}{silent}")
    yield _line("the rest", _rest(found))
    yield _floor(facts)


def _scale(found: Reading[float]) -> str:
    """Say between which quants of a model of 8B whose logs are public a divergence lies."""
    marks = ", ".join(f"{name} {nats:g}" for name, nats in _SCALE)
    if isinstance(found, Missing):
        return f"of an 8B model: {marks}"
    below = [name for name, nats in _SCALE if nats <= found.value]
    above = [name for name, nats in _SCALE if nats > found.value]
    match below, above:
        case [], _:
            where = f"less than {above[0]} loses there"
        case _, []:
            where = f"more than {below[-1]} loses there"
        case _:
            where = f"as between {below[-1]} and {above[0]} there"
    return f"{where} (of an 8B model: {marks}; smaller ones lose more); it screens, never decides"


def _rest(found: PackCheck) -> str:
    if found.way == "library":
        return (
            f"{found.rest_mass:.2%} of the probability, outside the {found.facts.top} kept tokens: "
            f"estimated from {found.facts.drawn} drawn ones a position, without bias"
        )
    return (
        f"{found.rest_mass:.2%} of the probability in one bin ({_count(found.told)} tokens told a "
        f"position): a lower bound; allow for {_value(found.left_out)} nats more"
    )


def _of(facts: PackFacts) -> Iterator[str]:
    yield _line("reference", f"{facts.model} ({facts.quant}, sha256 {facts.model_sha256[:16]})")
    yield _line(
        "text",
        f"{facts.text} (sha256 {facts.text_sha256[:16]}): {facts.positions:,} positions in "
        f"{facts.windows} windows of {facts.window_tokens}",
    )
    yield _line("computed by", f"{facts.engine}, {facts.made_by}")


def _line(name: str, words: str) -> str:
    return f"  {name:<15} {words}"


def _floor(facts: PackFacts) -> str:
    return _line(
        "noise floor", f"{facts.floor:.2g} nats: the reference's own divergence from its pack"
    )


def _nats(found: Estimate) -> str:
    match found.value:
        case Missing(detail=detail):
            return f"not given: {detail}"
        case Measured(value=value):
            return f"{value:.4g}{_bounds(found, '.4g')}"


def _share(found: Estimate) -> str:
    match found.value:
        case Missing(detail=detail):
            return f"not given: {detail}"
        case Measured(value=value):
            return f"{value:.2%}{_bounds(found, '.2%')}"


def _bounds(found: Estimate, form: str) -> str:
    if isinstance(found.low, Measured) and isinstance(found.high, Measured):
        return f" [{found.low.value:{form}}, {found.high.value:{form}}]"
    return ""


def _value(found: Reading[float]) -> str:
    return f"{found.value:.2g}" if isinstance(found, Measured) else f"unknown ({found.detail})"


def _count(found: Reading[int]) -> str:
    return f"{found.value:,}" if isinstance(found, Measured) else "all"
