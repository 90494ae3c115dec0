"""The order of quality in a fit frontier: KL divergence where all cells have one, else bits.

Weighing each pair of quant and cache takes time, of which a share of the budget is the most; where
that is too little, or the weights are random, the order is that of bits per weight, and then of the
cache. Which it is, is always said. Neither decides what a model is worth: that is a sweep's. Not
aware of how cells are run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, final

from steelyard.app.frontier.ground import Ground
from steelyard.campaigns.cells import Cell, Kv
from steelyard.domain.errors import SteelyardError
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import Variant
from steelyard.domain.summary import Fidelity
from steelyard.models import memory
from steelyard.platform import clock
from steelyard.runs import fidelity
from steelyard.runs.cache_fidelity import Scale, Weighed

SHARE: Final = 0.3
MUST: Final = 0.6  # where a limit rests on it
_WINDOWS: Final = (9, 2)  # as many as a quick sweep has, and the fewest that say something
_PHASE: Final = "fidelity"
_EXACT: Final = "f16"
_NS_PER_S: Final = 1e9

Pair: TypeAlias = tuple[str, Kv]


@final
@dataclass(frozen=True, slots=True)
class Quality:
    """What the order rests on: fidelity by quant and cache, or the reason that there is none."""

    found: Reading[Mapping[Pair, Fidelity]]
    reference: Pair = ("", Kv("f16", "f16"))
    positions: int = 0
    failed: Mapping[Pair, str] = field(default_factory=dict)

    def rank(self, cell: Cell, bpw: float) -> tuple[float, ...]:
        """Return a cell's place: lower is better."""
        divergence = self.divergence(cell)
        if isinstance(self.found, Missing):
            return (-bpw, -cell.kv.bits)
        if isinstance(divergence, Measured):
            return (divergence.value, -bpw)
        return (float("inf"), -bpw)

    def divergence(self, cell: Cell) -> Reading[float]:
        """Return a cell's KL divergence in nats."""
        match self.found:
            case Missing() as why:
                return why
            case Measured(value=known):
                pair = cell.quant, cell.kv
                if pair == self.reference:
                    return Measured(0.0, "derived")  # its distance to itself
                if pair in known:
                    return known[pair].kl_divergence.value
                why_not = self.failed.get(pair, "it was ruled out before")
                return Missing("not_weighed", why_not)

    def fidelity(self, cell: Cell) -> Fidelity | None:
        """Return all that was measured of a cell's pair, None where nothing was."""
        known = self.found.value if isinstance(self.found, Measured) else {}
        return known.get((cell.quant, cell.kv))

    @property
    def words(self) -> str:
        """Say what the order rests on."""
        match self.found:
            case Missing() as why:
                return f"bits per weight, then those of the cache ({why})"
            case Measured():
                return (
                    f"KL divergence from the reference with an exact cache, over {self.positions:,}"
                    " positions"
                )


@final
@dataclass(frozen=True, slots=True)
class File:
    """A verified file of one label."""

    variant: Variant
    path: Path


def by_bits(why: Missing) -> Quality:
    """Return the order by bits, and why there is no better one."""
    return Quality(why)


def weigh(
    ground: Ground,
    files: Mapping[str, File],
    pairs: Sequence[Pair],
    seconds: float,
    emit: Emit,
) -> Quality:
    """Weigh the pairs within so many seconds; by bits where that cannot be done for want of it."""
    reference = files[next(iter(files))]
    facts = reference.variant.require_file()
    if any(file.variant.require_file().synthetic for file in files.values()):
        return by_bits(Missing("synthetic", "what random weights answer means nothing"))
    if facts.tensor_bytes > memory.available_bytes():
        return by_bits(Missing("too_little_room", "the reference does not fit into memory"))
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted(_PHASE, len(pairs) + 1, reference.variant.label))
    try:
        return _weighed(_Work(ground, files, reference, started_ns, emit), pairs, seconds)
    except SteelyardError as error:
        return by_bits(Missing("fidelity_failed", f"fidelity could not be measured: {error}"))
    finally:
        emit(PhaseEnded(_PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))


@final
@dataclass(frozen=True, slots=True)
class _Work:
    """What weighing has in common."""

    ground: Ground
    files: Mapping[str, File]
    reference: File
    started_ns: int
    emit: Emit

    def weighed(self, file: File, kv: Kv) -> Weighed:
        """Say how a file is weighed with a cache."""
        attention = Cell("", kv).profile(self.ground.base, None).flash_attention
        sha256 = file.variant.artifact.sha256
        return Weighed(file.path, sha256, kv.keys, kv.values, attention, self.ground.threads)

    def scale(self, windows: int) -> Scale:
        """Return the scale of so many windows."""
        exact = self.weighed(self.reference, Kv(_EXACT, _EXACT))
        words = self.reference.variant.require_file().vocabulary
        folder = self.ground.folder / "fidelity"
        return Scale(exact, words, windows * fidelity.SCORED, folder)

    def elapsed_s(self) -> float:
        """Seconds since weighing began."""
        return (clock.monotonic_ns() - self.started_ns) / _NS_PER_S

    def show(self, done: int, what: str) -> None:
        """Tell that so many are done."""
        self.emit(Advanced(_PHASE, done, what))


def _weighed(work: _Work, pairs: Sequence[Pair], seconds: float) -> Quality:
    exact = next(iter(work.files)), Kv(_EXACT, _EXACT)
    others = [pair for pair in pairs if pair != exact]
    most, least = _WINDOWS
    scale = work.scale(most)
    try:
        scale.begin(_silent)
        each_s = work.elapsed_s()
        windows = int(most * max(0.0, seconds - each_s) / max(1e-9, each_s * (len(others) + 1)))
        if windows < least:
            whole = each_s * len(others)
            why = f"weighing {len(others)} pairs of quant and cache would take about {whole:.0f} s"
            return by_bits(Missing("no_time", why))
        if windows < most and each_s * len(others) > seconds - each_s:
            scale = work.scale(windows)
            scale.begin(_silent)
        return _all(work, scale, others, exact)
    finally:
        scale.close()


def _all(work: _Work, scale: Scale, others: Sequence[Pair], exact: Pair) -> Quality:
    found: dict[Pair, Fidelity] = {}
    failed: dict[Pair, str] = {}
    for number, (label, kv) in enumerate(others):
        name = Cell(label, kv).name
        work.show(number + 1, name)
        try:
            found[label, kv] = scale.weigh(work.weighed(work.files[label], kv), _silent)
        except SteelyardError as error:
            failed[label, kv] = str(error)
            work.emit(Noted(f"fidelity of {name}: {error}", warning=True))
    work.show(len(others) + 1, "")
    return Quality(Measured(found, "derived"), exact, scale.positions, failed)


def _silent(_done: int, _total: int) -> None:
    """Show nothing: a pair is one step."""
