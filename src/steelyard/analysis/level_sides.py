"""What surrounds the latencies of a load: throughput, tokens, turns, the server's own side, energy.

Elapsed time runs from the first request sent to the last response ended, block by block. Rates are
of the whole load, warm-up and cool-down included: whoever pays for the machine pays for those too.
What the server or a meter said stands beside the client's numbers. Not aware of latencies'
percentiles or of reports. Energy: `analysis.energy`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, TypeVar

from steelyard.analysis import asked, energy, timing, waves
from steelyard.analysis.asked import Block
from steelyard.analysis.metrics.latency import PROMPT_TPS, TTFT
from steelyard.analysis.metrics.load import measured, output_tokens
from steelyard.domain.bench import EngineSide, ServiceSide, Throughput, Tokens, Turn
from steelyard.domain.counts import counted
from steelyard.domain.load import Load
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import RunRecord
from steelyard.domain.serverside import Meaning, ServerSeries
from steelyard.domain.stream import Attempt, Completed, Usage
from steelyard.domain.summary import Estimate
from steelyard.stats.means import mean
from steelyard.stats.quantiles import quantile_estimate
from steelyard.stats.series import SERIES_MIN, series_estimate

_N = TypeVar("_N", int, float)
# Completions are counted over stretches of so many, at most so many stretches.
_PER_STRETCH: Final = 5
_STRETCHES_MOST: Final = 200
_NO_REQUESTS: Final = Missing("no_requests", "no request was answered whole")
_NO_TIME: Final = Missing("no_time", "a rate takes time to pass")


def throughput(blocks: Sequence[Block], load: Load) -> Throughput:
    """Return the rates of a whole load and how many requests were in flight."""
    elapsed_s = math.fsum(block.elapsed_s for block in blocks)
    flights = [flying for block in blocks for _, flying in in_flight(block.attempts)]
    busy_s = math.fsum(
        (a.done_ns - a.sent_ns) / timing.NS_PER_S for b in blocks for a in b.attempts
    )
    return Throughput(
        elapsed_s=elapsed_s,
        requests_per_s=_requests_per_s(blocks, elapsed_s),
        offered_per_s=_offered(blocks, load),
        system_tps=system_tps(blocks),
        in_flight_mean=Measured(busy_s / elapsed_s, "derived") if elapsed_s > 0 else _NO_TIME,
        in_flight_max=max(flights, default=0),
        idle_share=waves.idle_share(blocks, load),
    )


def system_tps(blocks: Sequence[Block]) -> Reading[float]:
    """Return all output tokens over elapsed time; one uncounted answer leaves no total."""
    done = _completed(blocks)
    elapsed_s = math.fsum(block.elapsed_s for block in blocks)
    if not done:
        return _NO_REQUESTS
    if elapsed_s <= 0:
        return _NO_TIME
    tokens = output_tokens(done)
    if isinstance(tokens, Missing):
        return tokens
    return Measured(tokens.value / elapsed_s, "derived")


def in_flight(attempts: Sequence[Attempt]) -> tuple[tuple[int, int], ...]:
    """Return (moment in ns, requests in flight from then on) at every change.

    One that follows on another in the same instant is not in flight beside it.
    """
    changes = sorted([(a.sent_ns, 1) for a in attempts] + [(a.done_ns, -1) for a in attempts])
    now = 0
    found = []
    for at_ns, change in changes:
        now += change
        found.append((at_ns, now))
    return tuple(found)


def tokens(attempts: Sequence[Attempt]) -> Tokens:
    """Return the token counts of a load by the engine's word."""
    done = [attempt for attempt in attempts if isinstance(attempt.outcome, Completed)]
    met = [
        (attempt.prompt_tokens_wanted, attempt.usage.value.prompt_tokens)
        for attempt in done
        if isinstance(attempt.usage, Measured) and attempt.prompt_tokens_wanted is not None
    ]
    none = Missing("not_stated", "no request stated a length for its prompt, or none was counted")
    return Tokens(
        prompt=_total(done, lambda usage: Measured(usage.prompt_tokens, "engine")),
        output=output_tokens(done) if done else _NO_REQUESTS,
        cached=_total(done, lambda usage: usage.cached_tokens),
        prompt_wanted=Measured(mean([wanted for wanted, _ in met]), "derived") if met else none,
        prompt_came=Measured(mean([came for _, came in met]), "engine") if met else none,
        cost_usd=_billed(attempts),
    )


def _billed(attempts: Sequence[Attempt]) -> Reading[float]:
    """Return what all requests cost together; one answer without a price leaves the sum unknown.

    A request that failed may have been billed too: it counts where that was said.
    """
    costs = [attempt.cost.value for attempt in attempts if isinstance(attempt.cost, Measured)]
    if not costs:
        return Missing("not_billed", "no request was billed")
    unknown = sum(
        isinstance(attempt.outcome, Completed) and isinstance(attempt.cost, Missing)
        for attempt in attempts
    )
    if unknown:
        return Missing(
            "not_priced", f"{unknown} of {counted(len(attempts), 'answer')} came without a price"
        )
    return Measured(sum(costs), "engine")


def service_side(attempts: Sequence[Attempt]) -> Reading[ServiceSide]:
    """Return what a hosted service says of its answers; Missing where none is asked for any."""
    known = [attempt for attempt in attempts if attempt.answer_id is not None]
    if not known:
        return Missing("no_account", "no service keeps accounts of these")
    told = [a.account.value for a in known if isinstance(a.account, Measured)]
    if not told:
        why = next(a.account for a in known if isinstance(a.account, Missing))
        return Missing(why.code, f"none of {counted(len(known), 'answer')} has an account: {why}")
    providers = Counter(a.provider.value for a in told if isinstance(a.provider, Measured))
    return Measured(
        ServiceSide(
            answers=len(known),
            accounts=len(told),
            providers=dict(sorted(providers.items())),
            prompt_tokens=derived(_every([a.prompt_tokens for a in told]), sum),
            output_tokens=derived(_every([a.output_tokens for a in told]), sum),
            latency_s=derived(_every([a.latency_s for a in told]), median),
            generation_s=derived(_every([a.generation_s for a in told]), median),
            cost_usd=derived(_every([a.cost_usd for a in told]), math.fsum),
            upstream_usd=derived(_every([a.upstream_usd for a in told]), math.fsum),
        ),
        "engine",
    )


def _every(readings: Sequence[Reading[_N]]) -> Reading[list[_N]]:
    """Return all values; one that is missing leaves the whole unknown."""
    for reading in readings:
        if isinstance(reading, Missing):
            return reading
    return Measured([r.value for r in readings if isinstance(r, Measured)], "engine")


def turns(attempts: Sequence[Attempt], per_conversation: int) -> tuple[Turn, ...]:
    """Return each turn of a conversation, counted from 1, over all users.

    A sample is `user/turn`, its turn counted through all of that user's conversations.
    """
    by_turn: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        place = attempt.sample.rpartition("/")[2]
        if isinstance(attempt.outcome, Completed) and place.isdecimal():
            by_turn.setdefault(int(place) % per_conversation, []).append(attempt)
    return tuple(_turn(number + 1, found) for number, found in sorted(by_turn.items()))


def engine_side(record: RunRecord, blocks: Sequence[Block]) -> EngineSide:
    """Return what the server and a meter said while a load went on."""
    done = _completed(blocks)
    total, per_token, above_idle = _energy(record, blocks)
    return EngineSide(
        running_max=_highest(record.server, blocks, "requests_running"),
        waiting_max=_highest(record.server, blocks, "requests_waiting"),
        kv_usage_max=_highest(record.server, blocks, "kv_cache_usage"),
        prompt_tps=_prompt_tps(done),
        energy_j=total,
        j_per_output_token=per_token,
        j_per_output_token_above_idle=above_idle,
    )


def _completed(blocks: Sequence[Block]) -> list[Attempt]:
    return [a for block in blocks for a in block.attempts if isinstance(a.outcome, Completed)]


def _requests_per_s(blocks: Sequence[Block], elapsed_s: float) -> Estimate:
    done = len(_completed(blocks))
    if elapsed_s <= 0:
        return Estimate(_NO_TIME, _NO_TIME, _NO_TIME, done)
    value = Measured(done / elapsed_s, "derived")
    rates = [rate for block in blocks for rate in _rates(block)]
    if len(rates) < SERIES_MIN:
        takes = _PER_STRETCH * SERIES_MIN
        few = Missing(
            "too_few_samples",
            f"a rate's interval takes {takes} answered requests; there are {done}",
        )
        return Estimate(value, few, few, done)
    bounds = series_estimate(rates, "mean", seed=0)
    return Estimate(value, bounds.low, bounds.high, done)


def _rates(block: Block) -> list[float]:
    """Return completions a second over equal stretches of a block."""
    done = sorted(a.done_ns for a in block.attempts if isinstance(a.outcome, Completed))
    count = min(len(done) // _PER_STRETCH, _STRETCHES_MOST)
    if not count:
        return []
    start_ns, end_ns = block.span_ns
    length_ns = (end_ns - start_ns) / count
    places = [bisect_right(done, start_ns + length_ns * edge) for edge in range(1, count)]
    edges = [0, *places, len(done)]
    return [(after - before) / length_ns * timing.NS_PER_S for before, after in pairwise(edges)]


def _offered(blocks: Sequence[Block], load: Load) -> Reading[float]:
    """Return the rate at which requests were to be sent: of the schedule, not of what came.

    A block of n moments has n - 1 times between them. Requests that an early end kept from being
    sent have left no moment: the rate is that of the part of the schedule which was played.
    """
    if not asked.scheduled(load):
        return Missing("no_schedule", "requests were sent when answers made room for them")
    between = gone_ns = 0
    for block in blocks:
        moments = [attempt.intended_ns for attempt in block.attempts]
        if moments:
            between += len(moments) - 1
            gone_ns += max(moments) - min(moments)
    if not between:
        return Missing("too_few_requests", "a rate takes two requests of one schedule")
    if gone_ns <= 0:
        return _NO_TIME
    return Measured(between / gone_ns * timing.NS_PER_S, "derived")


def _total(done: Sequence[Attempt], read: Callable[[Usage], Reading[int]]) -> Reading[int]:
    total = 0
    for attempt in done:
        if isinstance(attempt.usage, Missing):
            return attempt.usage
        found = read(attempt.usage.value)
        if isinstance(found, Missing):
            return found
        total += found.value
    return Measured(total, "engine") if done else _NO_REQUESTS


def _turn(number: int, attempts: Sequence[Attempt]) -> Turn:
    usages = [a.usage.value for a in attempts if isinstance(a.usage, Measured)]
    cached = [u.cached_tokens.value for u in usages if isinstance(u.cached_tokens, Measured)]
    none = Missing("not_reported", "the engine sent no such count")
    return Turn(
        number=number,
        requests=len(attempts),
        ttft_p50_s=quantile_estimate(measured(TTFT.formula, attempts), 0.5).value,
        prompt_tokens_mean=_mean([usage.prompt_tokens for usage in usages], none),
        cached_tokens_mean=_mean(cached, none),
    )


def _mean(values: Sequence[int], none: Missing) -> Reading[float]:
    return Measured(mean(values), "engine") if values else none


def _highest(
    server: Reading[ServerSeries], blocks: Sequence[Block], meaning: Meaning
) -> Reading[float]:
    if isinstance(server, Missing):
        return server
    why: Missing = _NO_REQUESTS
    found: list[float] = []
    for block in blocks:
        column = server.value.within(*block.span_ns).find(meaning)
        highest = column if isinstance(column, Missing) else column.value.highest()
        if isinstance(highest, Missing):
            why = highest
        else:
            found.append(highest.value)
    return Measured(max(found), "engine") if found else why


def _prompt_tps(done: Sequence[Attempt]) -> Estimate:
    readings = [PROMPT_TPS.formula(attempt) for attempt in done]
    values = [reading.value for reading in readings if isinstance(reading, Measured)]
    if not values:
        why = next((r for r in readings if isinstance(r, Missing)), _NO_REQUESTS)
        return Estimate(why, why, why, 0)
    return series_estimate(values, 0.5, seed=0)


def _energy(
    record: RunRecord, blocks: Sequence[Block]
) -> tuple[Reading[float], Reading[float], Reading[float]]:
    """Return joules of the load, for each output token, and that without what idling draws."""
    done = _completed(blocks)
    if isinstance(record.power, Measured) and (len(blocks) > 1 or not done):
        turns_taken = Missing("interleaved", "its blocks took turns with those of another load")
        why = turns_taken if done else _NO_REQUESTS
        return why, why, why
    counted = output_tokens(done)
    used = energy.use(
        record.power,
        load=blocks[0].span_ns,
        idle=record.idle.value if isinstance(record.idle, Measured) else (0, 0),
        busy=[(a.sent_ns, a.done_ns) for a in blocks[0].attempts],
        tokens=counted.value if isinstance(counted, Measured) else 1,
        requests=len(done),
    )
    if isinstance(counted, Missing):
        unless_missing: Reading[float] = counted
        return used.total_j, unless_missing, unless_missing
    above = used.j_per_token_above_idle
    if isinstance(record.power, Measured) and isinstance(record.idle, Missing):
        above = record.idle
    return used.total_j, used.j_per_token, above
