"""The instrument of this machine: calibrated once, kept, and calibrated anew when it may not hold.

What was found holds on the same device, since the same start of the system, for the same kernel,
Python and Steelyard, and for a day. Its age is told by the monotonic clock, which one start of the
system has one of. Not aware of how errors are found (`runs.calibration`) or of doors.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never, final

from steelyard import __version__
from steelyard.app.results.files import Told
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.instrument import Instrument
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.platform import atomic, clock, hardware, settings
from steelyard.runs import calibration
from steelyard.runs.calibration import Found, Trial

HOLDS_H: Final = 24
_HOLDS_NS: Final = HOLDS_H * 3600 * 10**9
_HOLDS: Final = f"for {HOLDS_H} hours, until a restart or another kernel, Python or Steelyard"
_HOLDS_NOT: Final = "for this once: the system has no name for its start, so that nothing is kept"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@final
@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a calibration rests on: when one of these changes it holds no longer.

    `boot` names this start of the system; without such a name nothing is known to hold.
    """

    device: str
    boot: str
    kernel: str
    python: str
    steelyard: str


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """A calibration as it is kept. `at` is wall time, for people; `at_ns` is monotonic."""

    found: Found
    circumstances: Circumstances
    at: str
    at_ns: int


def path() -> Path:
    """Return where this machine's calibration is kept."""
    return settings.load().calibration


def instrument(emit: Emit, *, fresh: bool = False) -> Instrument:
    """Return the instrument of this machine: the one that is kept, else one calibrated now.

    `fresh` calibrates in any case. One that cannot be kept is used all the same, and a warning says
    so. Raises what kept it from being calibrated.
    """
    here = circumstances()
    kept = None if fresh else _read()
    if kept is not None and holds(kept, here, clock.monotonic_ns()):
        return kept.found.instrument
    now = _calibrated(emit, here)
    try:
        _write(now)
    except BadInput as error:
        emit(Noted(f"the calibration is not kept: {error}", warning=True))
    return now.found.instrument


def calibrate_text(emit: Emit, *, as_json: bool) -> Told:
    """Calibrate anew and keep it; say what was found, or exit 3 with the reason."""
    now = _calibrated(emit, circumstances())
    _write(now)
    return said(now, as_json=as_json)


def said(kept: Kept, *, as_json: bool) -> Told:
    """Say what was found; exit 3 where a bound is missing."""
    text = encode(kept, indent=1) if as_json else _text(kept)
    return Told(text, 0 if _known(kept.found.instrument) else 3)


def circumstances(boot_id: Path = _BOOT_ID) -> Circumstances:
    """Return what a calibration made now would rest on."""
    try:
        boot = boot_id.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return Circumstances(
        device=hardware.device().id,
        boot=boot,
        kernel=platform.release(),
        python=platform.python_version(),
        steelyard=__version__,
    )


def holds(kept: Kept, here: Circumstances, now_ns: int) -> bool:
    """Say whether a calibration still holds. One without its bounds is not worth keeping."""
    same = bool(here.boot) and kept.circumstances == here
    young = 0 <= now_ns - kept.at_ns < _HOLDS_NS
    return same and young and _known(kept.found.instrument)


def _known(found: Instrument) -> bool:
    return isinstance(found.ttft_error_s, Measured) and isinstance(found.gap_error_s, Measured)


def _calibrated(emit: Emit, here: Circumstances) -> Kept:
    at, at_ns = clock.wall_time(), clock.monotonic_ns()
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        found = calibration.measure(Path(folder) / "calibration", emit)
    return Kept(found, here, at, at_ns)


def _read() -> Kept | None:
    """Read what is kept; nothing where there is none, or where another version wrote it."""
    try:
        return decode(Kept, path().read_text(encoding="utf-8"), source=str(path()))
    except (OSError, UnicodeDecodeError, BadInput):
        return None


def _write(kept: Kept) -> None:
    atomic.write(path(), encode(kept, indent=1).encode())


# ── in words ────────────────────────────────────────────────────────────────────────────────────


def _text(kept: Kept) -> str:
    found, trials = kept.found.instrument, kept.found.trials
    first = _where(trials, [trial.ttft_error_s for trial in trials])
    gaps = _where(trials, [trial.gap_error_s for trial in trials])
    rests = f"{found.samples:,} comparisons with the truth, up to {found.streams} streams"
    lines = [
        "The instrument's own error on this machine; 99 % of errors are smaller:",
        f"  first token  {_size(found.ttft_error_s)}{first}",
        f"  gaps         {_size(found.gap_error_s)}{gaps}",
        f"  sent late    {_size(found.lateness_s)}",
        f"  stamps       {_stamps(found)}",
        f"  rests on     {rests}",
        f"  holds        {_HOLDS if kept.circumstances.boot else _HOLDS_NOT}",
        "",
        "What was read late or together is known within a range, which comes on top and is printed",
        "with each figure. Without the ranges, values were off by up to (99 %):",
    ]
    for trial in trials:
        off = f"first token {_size(trial.ttft_off_s)}, gaps {_size(trial.gap_off_s)}"
        lines.append(f"  {trial.name:<24} {off}")
    return "\n".join(lines)


def _where(trials: Sequence[Trial], bounds: Sequence[Reading[float]]) -> str:
    """Name the trial that a bound is from."""
    known = [bound.value for bound in bounds if isinstance(bound, Measured)]
    if not trials or len(known) < len(trials):
        return ""
    return f"  (at its worst with {trials[known.index(max(known))].name})"


def _stamps(found: Instrument) -> str:
    match found.stamps:
        case "kernel":
            return "the kernel's, of the last byte of each read"
        case "user":
            return "our own, when a read returned: this system gave none of the kernel's"
        case _:
            assert_never(found.stamps)


def _size(reading: Reading[float]) -> str:
    match reading:
        case Measured(value=value):
            return f"{1e3 * value:.3f} ms"
        case Missing():
            return f"not known: {reading}"
        case _:
            assert_never(reading)
