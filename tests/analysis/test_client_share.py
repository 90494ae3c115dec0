"""The client's own share: planted spreads come back, each caution appears and goes at its limit."""

from dataclasses import replace

import pytest
from tests.analysis.benched import QUIET, answered, bench, closed, joined, paced, smeared
from tests.analysis.timed import MS, failed, in_a_row, record, section

from steelyard.analysis import client_share, validity
from steelyard.analysis.client_limits import pauses_s
from steelyard.analysis.level_figures import figures
from steelyard.analysis.metrics.latency import E2E, LATENESS, OUTPUT_TPS, TPOT, TTFT
from steelyard.domain.bench import Figure, Statistic
from steelyard.domain.caution import Caution, quality
from steelyard.domain.instrument import Instrument
from steelyard.domain.load import Closed, Conversations, Load, Open, Trace
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Attempt
from steelyard.domain.task import Mark, Right

UNKNOWN = Instrument()
COARSE = Instrument(gap_error_s=Measured(0.0001, "derived"))


def value(reading: Reading[float]) -> float:
    assert isinstance(reading, Measured), reading
    return reading.value


def share(metric: Metric[Attempt], attempts: list[Attempt], statistic: Statistic = "p50") -> float:
    (found,) = client_share.bracketed([metric], client_share.answers(attempts), QUIET)
    return value(client_share.share(found, statistic))


def gaps(attempts: list[Attempt]) -> client_share.Bracketed:
    return client_share.bracketed_gaps(client_share.answers(attempts), QUIET)


def figure(attempts: list[Attempt], metric: str, statistic: Statistic) -> Figure:
    found = figures(attempts, QUIET, scheduled=False)
    return next(f for f in found if (f.metric, f.statistic) == (metric, statistic))


def seen(run: RunRecord, code: str) -> Caution | None:
    return next((caution for caution in validity.cautions(run) if caution.code == code), None)


def smeared_all(attempts: tuple[Attempt, ...], **spreads: float) -> list[Attempt]:
    return [smeared(attempt, **spreads) for attempt in attempts]


def test_without_spreads_the_clock_alone_is_left() -> None:
    plain = list(closed(8))
    assert share(TTFT, plain) == pytest.approx(0.00002)
    assert share(E2E, plain) == pytest.approx(0.00002)
    # A span of nine gaps is off by one gap's error, whatever it holds.
    assert share(TPOT, plain) == pytest.approx(0.00001 / 9)
    assert share(OUTPUT_TPS, plain) == pytest.approx(100 * 0.00001 / 0.09)


def test_planted_spreads_come_back_as_shares() -> None:
    spread = smeared_all(closed(8), sent_ms=1.0, first_ms=2.0, last_ms=9.0)
    assert share(TTFT, spread) == pytest.approx(0.003 + 0.00002)
    # The span may be 9 ms shorter or 2 ms longer.
    assert share(TPOT, spread) == pytest.approx(0.009 / 9 + 0.00001 / 9)
    assert share(OUTPUT_TPS, spread) == pytest.approx(9 / 0.081 - 100 + 100 * 0.00001 / 0.09)
    # The kernel stamped the last byte of the answer, so only the sending is in doubt.
    assert share(E2E, spread) == pytest.approx(0.001 + 0.00002)
    assert share(LATENESS, spread) == pytest.approx(0.001 + 0.00002)


def test_a_first_token_that_may_have_come_earlier_makes_the_span_longer() -> None:
    spread = smeared_all(closed(8), first_ms=9.0)
    assert share(TPOT, spread) == pytest.approx(0.009 / 9 + 0.00001 / 9)
    assert share(OUTPUT_TPS, spread) == pytest.approx(100 - 9 / 0.099 + 100 * 0.00001 / 0.09)


def test_an_end_that_was_stamped_by_the_reader_is_in_doubt_as_well() -> None:
    spread = [replace(a, stamps="user") for a in smeared_all(closed(8), last_ms=5.0)]
    assert share(E2E, spread) == pytest.approx(0.005 + 0.00002)


def test_a_percentile_moves_only_when_values_beside_it_do() -> None:
    some = [smeared(a, first_ms=20.0 * (n < 3)) for n, a in enumerate(closed(60))]
    assert share(TTFT, some, "p50") == pytest.approx(0.00002)
    assert share(TTFT, some, "mean") == pytest.approx(0.02 * 3 / 60 + 0.00002)


def test_without_a_calibration_there_is_no_share() -> None:
    (found,) = client_share.bracketed([TTFT], client_share.answers(closed(8)), UNKNOWN)
    reading = client_share.share(found, "p50")
    assert isinstance(reading, Missing)
    assert reading.code == "not_calibrated"
    (none,) = client_share.bracketed([TTFT], (), QUIET)
    assert isinstance(client_share.share(none, "p50"), Missing)


def test_the_mean_of_all_gaps_moves_only_with_the_ends() -> None:
    inner = gaps([joined(a) for a in closed(8)])
    assert inner.move("p99") == pytest.approx(0.01)
    assert inner.move("mean") == 0.0
    ends = gaps(smeared_all(closed(8), first_ms=3.0, last_ms=6.0))
    assert ends.move("mean") == pytest.approx(0.006 / 9)


def test_gaps_that_were_read_together_leave_their_percentile_without_a_number() -> None:
    torn = [joined(a) for a in closed(40)]
    withheld = figure(torn, "itl_s", "p95").estimate.value
    assert isinstance(withheld, Missing)
    assert withheld.code == "client_limited"
    assert "10 ms, 50% of it" in withheld.detail
    # Half of the gaps are 10 ms wherever in its bracket each token lies.
    assert value(figure(torn, "itl_s", "p50").estimate.value) == pytest.approx(0.01)
    value(figure(torn, "itl_s", "mean").estimate.value)
    value(figure(torn, "tpot_s", "p50").estimate.value)
    value(figure(list(closed(40)), "itl_s", "p95").estimate.value)


@pytest.mark.parametrize(("first_ms", "withheld"), [(5.9, False), (6.1, True)])
def test_a_figure_is_withheld_when_the_client_may_have_made_over_a_tenth_of_it(
    first_ms: float, withheld: bool
) -> None:
    found = figure(smeared_all(closed(8), first_ms=first_ms), "ttft_s", "p50")
    assert isinstance(found.estimate.value, Missing) == withheld
    assert found.estimate.n == 8
    assert value(found.client_share) == pytest.approx(first_ms / 1000 + 0.00002)


def test_a_share_within_the_clocks_own_error_withholds_nothing() -> None:
    short = [smeared(answered(str(n), 100.0 * n, first_ms=0.1), first_ms=0.015) for n in range(8)]
    assert value(figure(short, "ttft_s", "p50").estimate.value) == pytest.approx(0.0001)


def test_lateness_is_the_clients_own_and_is_never_withheld() -> None:
    late = [smeared(a, sent_ms=1.0) for a in paced(40, late=lambda _: 0.01)]
    found = figures(late, QUIET, scheduled=True)
    lateness = next(f for f in found if (f.metric, f.statistic) == ("lateness_s", "p50"))
    assert value(lateness.estimate.value) == pytest.approx(0.00001)


def test_the_bound_holds_for_nineteen_of_twenty_samples() -> None:
    spread = [smeared(a, first_ms=1.0 if n < 38 else 50.0) for n, a in enumerate(closed(40))]
    found = client_share.bound(spread[:38] + spread[38:39], QUIET)
    assert value(found.ttft_s) == pytest.approx(0.001 + 0.00002)
    assert value(client_share.bound(spread * 1, QUIET).ttft_s) > 0.001 + 0.00002
    # Of 360 gaps, 40 begin with a first token that may have come earlier.
    assert value(found.censored_gaps) == pytest.approx(1 / 9)
    assert found.stamps == "kernel"


def test_the_bound_tells_how_late_a_read_was_and_whose_stamps_they_are() -> None:
    late = [replace(a, late_ns=7 * MS * (n == 3), stamps="user") for n, a in enumerate(closed(8))]
    found = client_share.bound(late, QUIET)
    assert value(found.late_s) == 0.007
    assert found.stamps == "user"


def test_a_bound_takes_a_calibration_and_an_answer() -> None:
    uncalibrated = client_share.bound(list(closed(4)), UNKNOWN)
    assert isinstance(uncalibrated.ttft_s, Missing)
    assert uncalibrated.ttft_s.code == "not_calibrated"
    assert value(uncalibrated.censored_gaps) == 0.0
    nothing = client_share.bound([failed()], QUIET)
    for reading in (nothing.ttft_s, nothing.gap_s, nothing.censored_gaps, nothing.late_s):
        assert isinstance(reading, Missing)
        assert reading.code == "no_requests"


@pytest.mark.parametrize(
    ("width_ms", "instrument", "share_of"),
    [
        *((0.09, QUIET, 0.0), (0.11, QUIET, 1 / 9), (0.09, UNKNOWN, 0.0), (0.11, UNKNOWN, 1 / 9)),
        *((0.29, COARSE, 0.0), (0.31, COARSE, 1 / 9)),
    ],
)
def test_a_gap_is_censored_when_its_bracket_is_wider_than_three_errors_and_a_tenth_of_a_ms(
    width_ms: float, instrument: Instrument, share_of: float
) -> None:
    found = client_share.bound(smeared_all(closed(8), first_ms=width_ms), instrument)
    assert value(found.censored_gaps) == pytest.approx(share_of)


# ── what pollutes ───────────────────────────────────────────────────────────────────────────────


def test_a_quiet_bench_has_no_caution() -> None:
    assert validity.cautions(bench(closed(40, 4), Closed(4))) == ()
    assert validity.cautions(bench(paced(60), Open(20.0))) == ()


@pytest.mark.parametrize(
    ("first_ms", "instrument", "polluted"),
    [
        (5.9, QUIET, False),
        (6.1, QUIET, True),
        (6.1, replace(QUIET, ttft_error_s=Measured(0.0021, "derived")), False),
        (6.1, UNKNOWN, True),
        (5.9, UNKNOWN, False),
    ],
)
def test_a_ttft_that_the_client_moves_by_over_a_tenth_pollutes(
    first_ms: float, instrument: Instrument, polluted: bool
) -> None:
    run = bench(smeared_all(closed(8), first_ms=first_ms), instrument=instrument)
    caution = seen(run, "CLIENT_BOTTLENECK")
    # At these spreads the speed moves as well.
    assert caution is not None
    assert ("first token p50" in caution.seen) == polluted
    if polluted:
        assert "first token p50 by 6.1 ms of 60 ms (10%)" in caution.seen
        assert "--processes 2" in caution.advice
        assert quality([caution]) == "POLLUTED"


@pytest.mark.parametrize(("spread_ms", "polluted"), [(0.99, False), (1.01, True)])
def test_a_wait_that_moves_by_less_than_a_millisecond_pollutes_nothing(
    spread_ms: float, polluted: bool
) -> None:
    quick = [answered(str(n), 48.05 * n, first_ms=2.0, gap_ms=5.0) for n in range(8)]
    run = bench([smeared(a, first_ms=spread_ms) for a in quick])
    assert (seen(run, "CLIENT_BOTTLENECK") is not None) == polluted


@pytest.mark.parametrize(("last_ms", "polluted"), [(4.4, False), (4.6, True)])
def test_a_speed_is_moved_by_the_ends_of_the_span(last_ms: float, polluted: bool) -> None:
    caution = seen(bench(smeared_all(closed(8), last_ms=last_ms)), "CLIENT_BOTTLENECK")
    assert (caution is not None) == polluted
    if caution is not None:
        assert "the span of a median answer by 4.6 ms of 90 ms" in caution.seen


@pytest.mark.parametrize(("sent_ms", "polluted"), [(14.9, False), (15.2, True)])
def test_a_whole_request_is_moved_by_its_sending(sent_ms: float, polluted: bool) -> None:
    slow = [answered(str(n), 400.0 * n, first_ms=60.0) for n in range(8)]
    moved = seen(bench([smeared(a, sent_ms=sent_ms) for a in slow]), "CLIENT_BOTTLENECK")
    assert moved is not None
    assert ("Whole request p50" in moved.seen) == polluted


def test_a_fast_engine_whose_tokens_share_reads_stays_clean() -> None:
    fast = [
        joined(answered(str(n), 24.0 * n, first_ms=4.0, gap_ms=0.3, tokens=64), every=5)
        for n in range(8)
    ]
    # The last token waited for the closing events, one gap later.
    run = bench(smeared_all(tuple(fast), last_ms=0.3))
    assert seen(run, "CLIENT_BOTTLENECK") is None
    late = seen(run, "CLIENT_LATE")
    assert late is not None
    assert quality([late]) == "CLEAN"
    assert "gaps" in late.seen


@pytest.mark.parametrize(("pause_ms", "polluted"), [(7.5, False), (7.6, True)])
def test_a_pause_between_the_requests_of_a_closed_loop_is_the_clients(
    pause_ms: float, polluted: bool
) -> None:
    run = bench(closed(24, 3, pause_ms=pause_ms), Closed(3))
    caution = seen(run, "CLIENT_BOTTLENECK")
    assert (caution is not None) == polluted
    if caution is not None:
        assert "pause before the next request by 7.6 ms of 151 ms" in caution.seen


def test_pauses_are_counted_stream_by_stream_whoever_took_whose_place() -> None:
    pauses = pauses_s(closed(24, 3, pause_ms=2.0), 3)
    assert len(pauses) == 21
    assert pauses == pytest.approx([0.002] * 21)
    assert pauses_s(closed(2), 3) == ()


def test_few_pauses_and_thinking_users_say_nothing() -> None:
    assert seen(bench(closed(5, pause_ms=500.0)), "CLIENT_BOTTLENECK") is None
    assert seen(bench(closed(6, pause_ms=500.0)), "CLIENT_BOTTLENECK") is not None
    thinking = bench(closed(20, pause_ms=500.0), Conversations(1, 4, 0.5))
    assert seen(thinking, "CLIENT_BOTTLENECK") is None


@pytest.mark.parametrize(
    ("load", "late_ms", "polluted"),
    [
        (Open(20.0), 6.6, False),
        (Open(20.0), 6.7, True),
        (Open(20.0, cap=4), 30.0, False),
        (Trace((0.0, 1.0), "ab" * 32), 6.7, True),
        (Closed(1), 30.0, False),
    ],
)
def test_a_schedule_that_is_not_kept_pollutes_unless_a_cap_holds_it_back(
    load: Load, late_ms: float, polluted: bool
) -> None:
    run = bench(
        paced(320, 160.0 if isinstance(load, Closed) else 50.0, late=lambda _: late_ms), load
    )
    caution = seen(run, "CLIENT_BOTTLENECK")
    late = caution is not None and "intended time p99" in caution.seen
    assert late == polluted


def test_a_few_late_sendings_count_only_among_enough_requests() -> None:
    def one_in(n: int) -> float:
        return 30.0 if n % 40 == 0 else 0.0

    assert seen(bench(paced(320, late=one_in), Open(20.0)), "CLIENT_BOTTLENECK") is not None
    assert seen(bench(paced(20, late=one_in), Open(20.0)), "CLIENT_BOTTLENECK") is None


def test_tasks_and_the_canary_are_not_judged_by_their_times() -> None:
    bad = smeared_all(closed(8), first_ms=20.0)
    judged = section(bad, "logic/l1", marks={"0": Mark(Right())})
    canary = section(bad, "canary/p0/o64/c1")
    for each in (judged, canary):
        run = replace(record([each]), instrument=QUIET)
        assert seen(run, "CLIENT_BOTTLENECK") is None
        assert seen(run, "CLIENT_LATE") is None


@pytest.mark.parametrize(("torn", "shown"), [(1, False), (2, True)])
def test_more_than_one_in_a_hundred_censored_samples_are_said(torn: int, shown: bool) -> None:
    attempts = [smeared(a, first_ms=1.0 * (n < torn)) for n, a in enumerate(closed(100))]
    late = [replace(a, late_ns=2 * MS) for a in attempts]
    caution = seen(bench(late), "CLIENT_LATE")
    assert (caution is not None) == shown
    if caution is not None:
        assert "2 of 100 first tokens and 2 of 900 gaps, read up to 2 ms late" in caution.seen


def test_stamps_of_our_own_are_said_where_the_instrument_was_calibrated() -> None:
    own = [replace(a, stamps="user") for a in closed(8)]
    caution = seen(bench(own), "STAMPS_USER")
    assert caution is not None
    assert "8 of 8 answers" in caution.seen
    assert quality([caution]) == "CLEAN"
    assert seen(bench(closed(8)), "STAMPS_USER") is None
    assert seen(record([section(in_a_row(6))]), "STAMPS_USER") is None
