"""Which engines load a format and quant on the devices of this machine: words in, no file needed.

So it can be asked of what still lies on a hub. Not aware of files or of subjects. What is known of
each engine: `engines.preflight_facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.reading import Missing
from steelyard.engines import devices, preflight
from steelyard.engines.preflight import Ok, Skip, Target, Verdict
from steelyard.engines.preflight_facts import ENGINES, FORMATS
from steelyard.models.hub.listing import RemoteVariant
from steelyard.platform import accelerators


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One engine on one device."""

    engine: str
    device: str
    verdict: Verdict


@final
@dataclass(frozen=True, slots=True)
class Loading:
    """The engines that load it here; where none does, why, and the nearest thing that works."""

    engines: tuple[str, ...]
    why: str = ""


def table(
    format_name: str, quant: str, engine: str | None = None, device: str | None = None
) -> tuple[Row, ...]:
    """Return the verdict of one engine or all, on one device or on each of this machine."""
    targets = [target_of(device)] if device else [_seen(each) for each in accelerators.detect()]
    engines = (engine,) if engine else ENGINES
    return tuple(
        Row(each, str(target), preflight.verdict(each, format_name, target, quant))
        for target in targets
        for each in engines
    )


def remote(one: RemoteVariant) -> Loading:
    """Say what will load a variant that is still on a hub, going by what its name claims."""
    scheme = one.claim.label.partition("-")[0].lower()
    format_name = scheme if one.format != "gguf" and scheme in FORMATS else one.format
    quant = "" if isinstance(one.claim.quant, Missing) else one.claim.quant
    rows = table(format_name, quant if format_name == "gguf" else "")
    able = dict.fromkeys(row.engine for row in rows if isinstance(row.verdict, Ok))
    refused = [row.verdict for row in rows if isinstance(row.verdict, Skip)]
    if able or not refused:
        return Loading(tuple(able))
    return Loading((), f"{refused[0].reason}; nearest: {refused[0].nearest}")


def target_of(device: str) -> Target:
    """Read `cuda`, `cuda:1`, `sm_86`, `gfx1100`; one that is here brings its architecture."""
    if device.startswith("sm_"):
        return Target("cuda", device)
    if device.startswith("gfx"):
        return Target("rocm", device)
    kind = device.partition(":")[0]
    if kind not in devices.KINDS:
        raise UnknownName.among("device", device, (*devices.KINDS, "sm_90", "gfx942"))
    wanted = device if ":" in device or kind == devices.CPU else f"{kind}:0"
    here = next((each for each in accelerators.detect() if each.id == wanted), None)
    if here is None and ":" in device:
        raise BadInput(f"there is no {device} here", hint="name a kind alone, such as cuda")
    return Target(kind) if here is None else _seen(here)


def _seen(each: accelerators.Accelerator) -> Target:
    if each.kind == devices.CPU:
        import platform

        return Target(each.kind, platform.machine())
    return Target(each.kind, each.architecture)
