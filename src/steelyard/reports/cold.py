"""What a cold start costs, as a table for people. Not aware of how it was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from steelyard.domain.cold import ColdStart, Side, Spread
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate

_MIB: Final = 1 << 20
_WIDTH: Final = 34
_HEADS: Final = {
    "cold": "file on disk",
    "warm": "file in memory",
    "theirs": "unloaded, then asked",
}


def table(found: ColdStart) -> str:
    """Return the whole text: a column for each kind of start, then what follows from them."""
    return "\n".join(_lines(found))


def _lines(found: ColdStart) -> Iterator[str]:
    size = found.size_bytes
    bytes_ = f", {size.value / _MIB:,.0f} MiB" if isinstance(size, Measured) else ""
    mark = "  SIMULATED" if found.simulated else ""
    yield f"{found.model}{bytes_} on {found.engine}{mark}"
    yield "Medians [lowest, highest]; seconds unless said otherwise."
    sides = [
        side.value for side in (found.cold, found.warm, found.theirs) if isinstance(side, Measured)
    ]
    if sides:
        yield ""
        heads = [f"{_HEADS[side.cache]} ({side.starts} starts)" for side in sides]
        yield _row("", heads)
        for title, formula in _ROWS:
            cells = [formula(side) for side in sides]
            if any(cells):
                yield _row(title, cells)
    yield ""
    yield from _ends(found)


def _ends(found: ColdStart) -> Iterator[str]:
    ratio = found.cold_over_warm
    if isinstance(ratio.value, Measured):
        yield f"Until ready, file on disk over file in memory: {_estimate(ratio, _times)}"
    for name, side in (("cold", found.cold), ("warm", found.warm)):
        ours = not isinstance(found.theirs, Measured)
        if isinstance(side, Missing) and (ours or name == "cold"):
            yield f"No starts with the {_HEADS[name]}: {side}."
    for start in found.starts:
        if start.failed:
            yield f"A start failed ({start.cache}): {start.failed.splitlines()[0]}"
    blind = [s.blind_s.value for s in found.starts if isinstance(s.blind_s, Measured)]
    if blind:
        yield (
            "Port open and ready were looked for, and may be too late by up to "
            f"{max(blind) * 1e3:.0f} ms."
        )


def _row(title: str, cells: list[str]) -> str:
    return f"{title:<{_WIDTH}}" + "".join(f"{cell or '–':<32}" for cell in cells).rstrip()


def _seconds(spread: Spread) -> str:
    return _spread(spread, lambda value: f"{value:.3f}")


def _spread(spread: Spread, shown: Callable[[float], str]) -> str:
    match spread.median:
        case Missing() as why:
            return f"– {why.code}"
        case Measured(value=value):
            return (
                f"{shown(value)} [{_bound(spread.lowest, shown)}, {_bound(spread.highest, shown)}]"
            )


def _estimate(estimate: Estimate, shown: Callable[[float], str]) -> str:
    match estimate.value:
        case Missing() as why:
            return f"– {why.code}"
        case Measured(value=value):
            low, high = _bound(estimate.low, shown), _bound(estimate.high, shown)
            return f"{shown(value)} [{low}, {high}]"


def _bound(reading: Reading[float], shown: Callable[[float], str]) -> str:
    return shown(reading.value) if isinstance(reading, Measured) else "?"


def _times(value: float) -> str:
    return f"{value:.2f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _mib(value: float) -> str:
    return f"{value / _MIB:,.1f}"


def _rate(value: float) -> str:
    return f"{value:,.0f}"


def _asked_only(side: Side) -> bool:
    return side.cache == "theirs"


def _ours(shown: Callable[[Side], str]) -> Callable[[Side], str]:
    """Leave out what nobody can see of a server that was up before."""
    return lambda side: "" if _asked_only(side) else shown(side)


_ROWS: Final[tuple[tuple[str, Callable[[Side], str]], ...]] = (
    ("of the file in memory before", _ours(lambda side: _spread(side.cached, _percent))),
    ("port open", _ours(lambda side: _seconds(side.port_s))),
    ("ready (load time)", _ours(lambda side: _seconds(side.ready_s))),
    ("read from disk until ready, MiB", _ours(lambda side: _spread(side.read_bytes, _mib))),
    ("  over that time, MB/s", _ours(lambda side: _spread(side.read_mb_per_s, _rate))),
    ("  until the first answer, MiB", _ours(lambda side: _spread(side.fetched_bytes, _mib))),
    ("first request, to first token", lambda side: _seconds(side.first_s)),
    ("later requests, to first token", lambda side: _seconds(side.warm_s)),
    ("first over later (95 %)", lambda side: _estimate(side.first_over_warm, _times)),
    ("first minus later (95 %)", lambda side: _estimate(side.extra_s, _signed)),
    ("start to first token", _ours(lambda side: _seconds(side.whole_s))),
    (
        "load time by the engine's word",
        lambda side: _seconds(side.engine_load_s) if _asked_only(side) else "",
    ),
)
