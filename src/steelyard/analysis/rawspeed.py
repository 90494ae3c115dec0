"""The bare engine's speed beside the served one: what a sidecar's tests stand for, and the ratio.

`pp` of N tokens stands beside `prompt_tps` of prompts of N tokens, `tg` behind a depth of D beside
`output_tps` of one stream behind prompts of D tokens; nothing else is put side by side. What the
ratio falls short of 1 is the server's, its settings' and the load's. Pure, and read by no gate, no
verdict and no pick: a sidecar explains. Not aware of how it was measured (`runs.sidecar`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from steelyard.analysis import asked
from steelyard.domain.bench import Level
from steelyard.domain.load import Closed
from steelyard.domain.prompts import Synthetic
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.serverside import RawSpeed, Sidecar, SpeedMetric
from steelyard.domain.summary import Estimate, RawBeside, RawSide, Speed
from steelyard.domain.workload import Workload
from steelyard.stats.means import mean_estimate

# The shortest prompt that a chat can have is no depth to speak of.
NO_DEPTH_TOKENS: Final = 64
_PAIR: Final = 2

# Under which circumstances, in words, and what was served under them.
Served: TypeAlias = tuple[str, Estimate]


def lengths(workload: Workload) -> tuple[int, int] | None:
    """Return the one length of a workload's prompts and of its answers; None where they vary."""
    match workload.prompts:
        case None if workload.prompt_tokens > 0 and not workload.prompt_tokens_max:
            return workload.prompt_tokens, workload.output_tokens
        case Synthetic(input_tokens=tokens, output_tokens=output, input_sd=spread) if not spread:
            return tokens, output
        case _:
            return None


def one_stream(workload: Workload) -> bool:
    """Say whether a workload has one request in flight at a time, as the bare engine has."""
    return workload.load in (None, Closed(1)) and workload.streams == 1


def of_sweep(
    sidecar: Reading[Sidecar], speeds: Sequence[Speed], absent: Missing
) -> Reading[RawSide]:
    """Join a variant's sidecar to its speeds; `absent` says why there are none."""

    def served(raw: RawSpeed) -> Served:
        prompt = raw.tokens if raw.ours == "prompt_tps" else raw.depth
        near = [speed for speed in speeds if speed.metric == raw.ours and speed.streams == 1]
        if raw.ours == "prompt_tps" and raw.depth:
            return "", nothing(Missing("no_such_cell", "no prompt was appended to a long context"))
        found = [speed for speed in near if speed.prompt_tokens == prompt]
        if not found and not prompt:
            shallow = [speed for speed in near if 0 < speed.prompt_tokens <= NO_DEPTH_TOKENS]
            found = sorted(shallow, key=lambda speed: speed.prompt_tokens)
        if not speeds:
            return "", nothing(absent)
        if not found:
            why = Missing("no_such_cell", f"no prompts of {prompt:,} tokens were served one by one")
            return "", nothing(why)
        return f"{found[0].prompt_tokens:,} prompt tokens, one stream", found[0].estimate

    if isinstance(sidecar, Missing):
        return sidecar
    one = sidecar.value
    return Measured(_side(one, [beside(raw, *served(raw)) for raw in one.speeds]), "derived")


def of_bench(
    sidecar: Reading[Sidecar], record: RunRecord, levels: Sequence[Level]
) -> Reading[RawSide]:
    """Join a subject's sidecar to each of its levels, by the lengths that a level's prompts had."""
    if isinstance(sidecar, Missing):
        return sidecar
    one = sidecar.value
    workloads = {
        section.name: asked.workload_of(record, section)
        for section in record.sections
        if section.kind == "workload"
    }
    tests = [
        beside(*pair)
        for level in levels
        for pair in _at_level(one, workloads.get(level.name), level)
    ]
    alone = [beside(raw, "", nothing(Missing("no_level", "no load ended"))) for raw in one.speeds]
    return Measured(_side(one, tests or alone), "derived")


def beside(raw: RawSpeed, where: str, served: Estimate) -> RawBeside:
    """Put one test beside what was served."""
    bare = _bare(raw)
    return RawBeside(
        test=raw.name,
        metric=raw.ours,
        tokens=raw.tokens,
        depth_tokens=raw.depth,
        state=raw.state,
        raw_tps=bare,
        served_tps=served,
        ratio=_ratio(served, bare),
        beside=where,
        detail=raw.detail,
    )


def nothing(why: Missing) -> Estimate:
    """Return an estimate of what is not there."""
    return Estimate(why, why, why, 0)


def _side(sidecar: Sidecar, tests: Sequence[RawBeside]) -> RawSide:
    return RawSide(
        program=sidecar.program,
        build=sidecar.build,
        threads=sidecar.threads,
        repeats=sidecar.repeats,
        state=sidecar.state,
        tests=tuple(tests),
        detail=sidecar.detail,
    )


def _at_level(
    sidecar: Sidecar, workload: Workload | None, level: Level
) -> list[tuple[RawSpeed, str, Estimate]]:
    """Return the test of prefill and that of decoding at a level, each with what was served."""
    figure = level.figure("output_tps", "p50")
    untold = nothing(Missing("not_measured", "this load has no such figure"))
    output = untold if figure is None else figure.estimate
    known = lengths(workload) if workload is not None else None
    flying = level.throughput.in_flight_max
    if known is None:
        vary = "its prompts have no one length at which the bare engine could be timed"
        served = (nothing(Missing("lengths_vary", vary)),) * 2
    elif flying > 1:
        why = f"the bare engine has one stream, and up to {flying:,} requests were in flight"
        served = (nothing(Missing("several_streams", why)),) * 2
    else:
        served = (level.engine.prompt_tps, output)
    prompt = _test(sidecar, "prompt_tps", known and (known[0], 0))
    decoding = _test(sidecar, "output_tps", known and (known[1], known[0]))
    return [
        (raw, level.name, found)
        for raw, found in zip((prompt, decoding), served, strict=True)
        if raw is not None
    ]


def _test(sidecar: Sidecar, ours: SpeedMetric, exact: tuple[int, int] | None) -> RawSpeed | None:
    """Return the test of so many tokens at this depth; any of its kind where no length is known."""
    kind = [raw for raw in sidecar.speeds if raw.ours == ours]
    if exact is not None:
        kind = [raw for raw in kind if (raw.tokens, raw.depth) == exact]
    return kind[0] if kind else None


def _bare(raw: RawSpeed) -> Estimate:
    """Return a test's mean with Student's interval over its repetitions."""
    samples = raw.samples_tps
    if isinstance(raw.mean_tps, Missing):
        return nothing(raw.mean_tps)
    if len(samples) < _PAIR:
        few = Missing("too_few_samples", f"an interval takes 2 repetitions; {len(samples)} told")
        return Estimate(raw.mean_tps, few, few, len(samples))
    found = mean_estimate(samples)
    low = found.low
    if isinstance(low, Measured) and low.value <= 0:
        low = Missing("unbounded", "so few repetitions scatter too much to bound it from below")
    return Estimate(raw.mean_tps, low, found.high, found.n)


def _ratio(served: Estimate, bare: Estimate) -> Estimate:
    match served.value, bare.value:
        case (_, Missing() as why) | (Missing() as why, _):
            return nothing(why)
        case Measured(value=over), Measured(value=under):
            value = Measured(over / under, "derived")
        case _:
            raise AssertionError("a reading is measured or missing")
    match served, bare:
        case (
            Estimate(low=Measured(value=low), high=Measured(value=high)),
            Estimate(low=Measured(value=least), high=Measured(value=most)),
        ):
            ends = Measured(low / most, "derived"), Measured(high / least, "derived")
            return Estimate(value, *ends, served.n)
    few = Missing("no_interval", "one of the two speeds has no interval")
    return Estimate(value, few, few, served.n)
