"""The bare engine's speeds beside the served ones, as rows of text that every format shares.

Nothing here is coloured, ranked or rated: a sidecar explains and decides nothing. A sweep and a
bench show the same rows. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.bench import BenchSummary
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import NO_SIDECAR, Estimate, RawBeside, RawSide, VariantRow
from steelyard.reports import bench_story
from steelyard.reports.figures import NOTHING, said, significant

TITLE: Final = "Raw speed of the bare engine"
ABOUT: Final = (
    "pp: prefill alone, beside the prompt speed; tg: decoding alone, beside the output speed of one"
    " stream. Tokens a second, without server, HTTP, tokenising and sampling. In brackets the 95 %"
    " interval. It decides nothing."
)
HEADS: Final = ("test", "raw tok/s", "served tok/s", "served / raw", "state")
_DIGITS: Final = 3
_NEAR_PROMPT: Final = 512
_NEAR_DEPTH: Final = 2048


@final
@dataclass(frozen=True, slots=True)
class RawLine:
    """One test as text: `texts` stand under `HEADS`; `why` says what a dash is for."""

    texts: tuple[str, ...]
    why: str = ""


@final
@dataclass(frozen=True, slots=True)
class RawTable:
    """The tests of one model file; `why` stands in place of lines where there is no sidecar."""

    name: str
    lines: tuple[RawLine, ...]
    why: str = ""


def of_sweep(rows: Sequence[VariantRow], *, brief: bool = False) -> tuple[RawTable, ...]:
    """Return one table a file; the A/A row is the reference's own. `brief`: the leading tests."""
    files = [row for row in rows if row.role != "aa"]
    if not any(_asked(row.raw) for row in files):
        return ()
    return tuple(_table(row.variant.label, row.raw, {}, brief=brief) for row in files)


def of_bench(summary: BenchSummary) -> tuple[RawTable, ...]:
    """Return one table a subject, its lines by level."""
    if not any(_asked(one.raw) for one in summary.measurements):
        return ()
    return tuple(
        _table(
            bench_story.name_of(summary, place),
            one.raw,
            {level.name: level.load for level in one.levels},
        )
        for place, one in enumerate(summary.measurements)
    )


def made_by(found: Sequence[Reading[RawSide]]) -> str:
    """Say by what, with which build and how often raw speed was taken."""
    sides = [side.value for side in found if isinstance(side, Measured)]
    told = dict.fromkeys(
        f"{side.program} ({side.build}), {counted(side.threads, 'thread')},"
        f" {counted(side.repeats, 'repetition')}"
        for side in sides
    )
    return "; ".join(told)


def notes(table: RawTable) -> tuple[str, ...]:
    """Return why numbers are absent, each reason once with the tests that it is for."""
    if table.why:
        return (f"{NOTHING} {table.name}: {table.why}",)
    reasons: dict[str, list[str]] = {}
    for line in table.lines:
        if line.why:
            reasons.setdefault(line.why, []).append(line.texts[0])
    return tuple(
        f"{NOTHING} {table.name}, {', '.join(tests)}: {why}" for why, tests in reasons.items()
    )


def _asked(raw: Reading[RawSide]) -> bool:
    """Whether there is anything to say: nobody asked for most sidecars that are not there."""
    return isinstance(raw, Measured) or raw.code != NO_SIDECAR.code


def _table(
    name: str, raw: Reading[RawSide], loads: Mapping[str, str], *, brief: bool = False
) -> RawTable:
    match raw:
        case Missing():
            return RawTable(name, (), str(raw))
        case Measured(value=side):
            tests = _leading(side.tests) if brief else side.tests
            return RawTable(name, tuple(_line(test, loads) for test in tests))


def _leading(tests: Sequence[RawBeside]) -> tuple[RawBeside, ...]:
    """Return the prefill nearest to 512 tokens, the shallowest decoding and that at about 2k."""
    prefill = [test for test in tests if test.metric == "prompt_tps"]
    decoding = sorted(
        (test for test in tests if test.metric == "output_tps"), key=lambda test: test.depth_tokens
    )
    chosen = sorted(prefill, key=lambda test: abs(test.tokens - _NEAR_PROMPT))[:1]
    chosen += decoding[:1]
    deep = sorted(decoding[1:], key=lambda test: abs(test.depth_tokens - _NEAR_DEPTH))
    return (*chosen, *deep[:1])


def _line(test: RawBeside, loads: Mapping[str, str]) -> RawLine:
    load = loads.get(test.beside, "")
    texts = (
        f"{test.test}, {load}" if load else test.test,
        _with_interval(test.raw_tps, _speed),
        _with_interval(test.served_tps, _speed),
        _with_interval(test.ratio, "{:.2f}".format),
        test.state,
    )
    return RawLine(texts, "; ".join(dict.fromkeys(_reasons(test))))


def _reasons(test: RawBeside) -> Iterator[str]:
    for value in (test.raw_tps.value, test.served_tps.value):
        if isinstance(value, Missing):
            yield value.detail or value.code
    if isinstance(test.raw_tps.value, Measured) and test.detail:
        yield test.detail


def _with_interval(found: Estimate, write: Callable[[float], str]) -> str:
    match found:
        case Estimate(value=Missing()):
            return NOTHING
        case Estimate(value=value, low=Measured(value=low), high=Measured(value=high)):
            return f"{said(value, write)} [{write(low)}, {write(high)}]"
        case Estimate(value=value):
            return said(value, write)


def _speed(value: float) -> str:
    return significant(value, _DIGITS)
