"""What a comparison of two evaluations says, as plain text. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis.bands import OVERALL, WITHHELD
from steelyard.analysis.verdict import CANNOT_DECIDE
from steelyard.app.evals import ceilings, family_texts, fault_texts, judge_texts
from steelyard.app.evals.texts import (
    SIMULATED,
    counted,
    interval,
    number,
    p_value,
    percent,
    row_names,
    shown_from,
    spread,
    table,
    thought,
)
from steelyard.domain.evaluation import Contrast, Effect, Explored, Graded, Pairing
from steelyard.domain.metric import Band
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Verdict
from steelyard.reports.figures import NOTHING, duration

_LONG: Final = 10
_VERDICT_HEADS: Final = ("", "first", "second", "loss", "interval", "lost", "won", "verdict")


def contrast_text(found: Contrast, *, by_level: bool = False) -> str:
    """Return two runs side by side with a verdict for each family and for all.

    With `by_level` each task stands below, too.
    """
    return "\n".join(_contrast(found, by_level=by_level))


def _contrast(found: Contrast, *, by_level: bool) -> Iterator[str]:
    yield from _who(found)
    names = row_names({family: one.tasks for family, one in found.pooled.items()})
    rows = [replace(one, task=names.get(one.task, one.task)) for one in found.families]
    rows += [found.overall] if len(found.tasks) > 1 else []
    told = {names.get(key, key): key for key in (*found.pooled, OVERALL)}
    by_level = by_level and len(found.tasks) > len(found.families)
    if by_level:
        told = {one.task: one.task for one in found.tasks} | told
    yield table([_VERDICT_HEADS, *(_pairing(one) for one in rows)])
    for one in rows:
        yield from _told(one)
    yield from (f"  {said}" for said in ceilings.of_contrast(found))
    yield from family_texts.levels(found)
    if any(isinstance(one.p, Missing) and one.p.code == "sampled" for one in rows):
        yield "  no p and no interval of odds: samples of an item hang together; go by the interval"
    yield from (f"  not compared: {task}, {why}" for task, why in found.unpaired.items())
    yield from _ratings(rows)
    if found.identical is not None and found.identical.n:
        share = f"{percent(found.identical.value)} {interval(found.identical)}"
        of = counted(found.identical.n)
        yield f"Same text in both, of {of}: {share} (same subject and seed)"
    yield from _formats(found.formats, told)
    yield from judge_texts.contrast_text(found.judged)
    yield from _longer(found.lengths, told)
    yield from _thinking(found, told)
    yield from _sizes(rows, found.margin)
    if by_level:
        yield from _by_level(found.tasks, found.margin)
    if found.explored is not None:
        yield from _explored(found.explored)
    yield from fault_texts.beside({f"run {run}": each for run, each in found.faults.items()})


def _who(found: Contrast) -> Iterator[str]:
    if found.simulated:
        yield SIMULATED
    yield f"first   {found.first_name}, run {found.first}"
    yield f"second  {found.second_name}, run {found.second}"
    yield from (f"STOPPED EARLY: {one}" for one in found.stopped)
    yield from (f"Not asked in run {one}" for one in found.left_out)
    yield f"differs {'; '.join(found.differs) or 'nothing: the same again'}"
    yield _aa_row(found)


def _by_level(tasks: Sequence[Pairing], margin: float) -> Iterator[str]:
    rows = "this row" if len(tasks) == 1 else f"these {len(tasks)} rows"
    yield (
        f"By level, a second look: corrected over {rows}; nothing rests on it "
        "unless a family's levels do not lose alike"
    )
    yield table([_VERDICT_HEADS, *(_pairing(one) for one in tasks)])
    for one in tasks:
        yield from _told(one)
    yield from _ratings(tasks)
    yield from _sizes(tasks, margin)


def _aa_row(found: Contrast) -> str:
    if not found.again:
        return "A/A     none (--again RUN): no loss below the margin is called worse"
    rows = [*(one.task for one in found.families), OVERALL]
    floors = ", ".join(f"{row} {_floor(found.floors[row])}" for row in rows)
    return f"A/A     run {found.again}; only a loss above its floor is called worse: {floors}"


def _floor(found: Reading[float]) -> str:
    if isinstance(found, Measured):
        return f"{found.value:.1%}"
    return f"the margin, since {found.detail or found.code}"


def _formats(found: Mapping[str, Graded], rows: Mapping[str, str]) -> Iterator[str]:
    told = [(name, found[row]) for name, row in rows.items() if _known(found[row].loss)]
    if told:
        yield "Demanded forms lost, second against first, points"
        heads = ("task", "lost", "95 %", "forms", "Cohen's d")
        yield table([heads, *(_format(task, each) for task, each in told)])


def _format(task: str, each: Graded) -> tuple[str, ...]:
    value, low, high = (
        f"{100 * one.value:+.1f}" if isinstance(one, Measured) else NOTHING
        for one in (each.loss.value, each.loss.low, each.loss.high)
    )
    d = f"{each.d.value:+.2f}" if isinstance(each.d, Measured) else NOTHING
    return task, value, f"[{low}, {high}]", str(each.loss.n), d


def _longer(lengths: Mapping[str, Estimate], rows: Mapping[str, str]) -> Iterator[str]:
    told = [
        f"{name} {spread(lengths[row], 2)}" for name, row in rows.items() if _known(lengths[row])
    ]
    if told:
        yield f"Output tokens, second by first, thinking included: {', '.join(told)}"


def _thinking(found: Contrast, rows: Mapping[str, str]) -> Iterator[str]:
    """Say of both how they think, of each row in which either thinks, is cut or loops."""
    told = [
        f"  {name}, {side}: {said or 'no answer thinks, is cut off or goes round in circles'}"
        for name, row in rows.items()
        if (both := [thought(one) for one in found.thinking.get(row, ())]) and any(both)
        for side, said in zip(("first", "second"), both, strict=True)
    ]
    if told:
        yield "How both think"
        yield from told


def _known(found: Estimate) -> bool:
    return isinstance(found.value, Measured)


def _pairing(one: Pairing) -> tuple[str, ...]:
    shares = percent(one.first_share.value), percent(one.second_share.value)
    match one.verdict:
        case Missing():
            return (one.task, *shares, *[NOTHING] * 4, NOTHING)
        case Measured(value=verdict):
            return (
                one.task,
                *shares,
                f"{verdict.loss:+.1%}",
                _points(verdict.low, verdict.high),
                str(verdict.flips_lost),
                str(verdict.flips_won),
                verdict.name,
            )


def _points(low: float, high: float) -> str:
    return f"[{100 * low:+.1f}, {100 * high:+.1f}]"


def _ratings(rows: Sequence[Pairing]) -> Iterator[str]:
    yield "How each is rated, and whether flips go one way (McNemar, exact)"
    yield table([("", "first", "second", "p", "p (Holm)", ""), *map(_rated, rows)])
    yield from _unrated(rows)


def _rated(one: Pairing) -> tuple[str, ...]:
    bands = _rating(one.first_band), _rating(one.second_band)
    return (one.task, *bands, p_value(one.p), p_value(one.p_adjusted), "")


def _rating(band: Reading[Band]) -> str:
    return band.value if isinstance(band, Measured) else NOTHING


def _unrated(pairings: Sequence[Pairing]) -> Iterator[str]:
    """Say of which sides a band is withheld, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for one in pairings:
        for side, band in (("first", one.first_band), ("second", one.second_band)):
            if isinstance(band, Missing) and band.code in WITHHELD:
                by_reason.setdefault(band.detail, []).append(f"{one.task} {side}")
    yield from (f"  no band of {', '.join(of)}: {why}" for why, of in by_reason.items())


def _told(one: Pairing) -> Iterator[str]:
    match one.verdict:
        case Missing() as why:
            yield f"  {one.task}: {why}"
        case Measured(value=verdict):
            yield f"  {one.task}: {verdict.reason}{_more(verdict, one)}"


def _more(verdict: Verdict, one: Pairing) -> str:
    parts = []
    if verdict.name == "undecided" and isinstance(verdict.to_decide_items, Measured):
        more = f"about {verdict.to_decide_items.value:,} items would decide it"
        if isinstance(one.more_s, Measured):
            more += f", {duration(one.more_s.value)} more for both"
        parts.append(more)
    elif verdict.to_decide_items == CANNOT_DECIDE:
        parts.append(str(CANNOT_DECIDE))
    # Beside a loss that is shown, the one that could be foreseen would seem to deny it.
    if isinstance(one.visible, Measured) and verdict.low <= 0:
        parts.append(shown_from(verdict.items, one.visible.value))
    if one.left_out:
        were = "was" if one.left_out == 1 else "were"
        parts.append(f"{counted(one.left_out)} {were} not run on both sides")
    return f"; {'; '.join(parts)}" if parts else ""


def _sizes(pairings: Sequence[Pairing], margin: float) -> Iterator[str]:
    sized = [(one.task, one.effect.value) for one in pairings if isinstance(one.effect, Measured)]
    if not sized:
        return
    yield "How large it is, beside the verdict: Cohen's h, and the odds of flips, won to lost"
    heads = ("", "h", "odds", "95 %", "all at once", "p alike")
    yield table([(*heads, f"±{margin:.1%}"), *(_size(*one) for one in sized)])
    yield from _likely(sized)
    clustered = [(task, effect) for task, effect in sized if _shares_clusters(effect)]
    if clustered:
        yield "Checked another way, since items share passages or templates"
        names = ("", "clusters drawn again", "first, beta-binomial")
        yield table([(*names, "second, beta-binomial", ""), *(_check(*one) for one in clustered)])
        for task, effect in clustered:
            yield from _unchecked(task, effect)


def _likely(sized: Sequence[tuple[str, Effect]]) -> Iterator[str]:
    yield "What is likely lost, 95 %; a verdict takes the stricter interval above"
    heads = ("", "loss", "likely", "all at once")
    rows = [
        (task, _net(one.likely.value), _signed(one.likely), _signed(one.likely_joint))
        for task, one in sized
    ]
    # One row alone is all of them.
    columns = len(heads) if len(sized) > 1 else len(heads) - 1
    yield table([row[:columns] for row in (heads, *rows)])


def _net(loss: Reading[float]) -> str:
    return f"{loss.value:+.1%}" if isinstance(loss, Measured) else NOTHING


def _size(task: str, effect: Effect) -> tuple[str, ...]:
    return (
        task,
        f"{effect.h:+.2f}",
        _odds(effect.odds.value, NOTHING),
        _odds_range(effect.odds),
        _signed(effect.joint),
        p_value(Measured(effect.equivalence.p_adjusted, "derived")),
        "shown" if effect.equivalence.shown else "not shown",
    )


def _shares_clusters(effect: Effect) -> bool:
    return isinstance(effect.resampled, Measured)


def _check(task: str, effect: Effect) -> tuple[str, ...]:
    loss = effect.resampled.value if isinstance(effect.resampled, Measured) else None
    sides = [
        f"{percent(side.value.value)} {interval(side.value)}"
        if isinstance(side, Measured)
        else NOTHING
        for side in (effect.first_share, effect.second_share)
    ]
    return (task, _signed(loss) if loss is not None else NOTHING, *sides, "")


def _unchecked(task: str, effect: Effect) -> Iterator[str]:
    for found in (effect.resampled, effect.first_share):
        if isinstance(found, Measured) and isinstance(found.value.low, Missing):
            yield f"  {task}: {found.value.low}"


def _explored(found: Explored) -> Iterator[str]:
    yield "EXPLORED, not a verdict: kinds of items of which any flipped, the most unlike first"
    flipped = [row for row in found.kinds if row.lost or row.won]
    heads = ("task", "kind", "items", "lost", "won", "p", "q", "")
    rows = [
        (
            row.task,
            row.kind,
            str(row.items),
            str(row.lost),
            str(row.won),
            p_value(Measured(row.p, "derived")),
            p_value(Measured(row.q, "derived")),
            "differs" if row.differs else "",
        )
        for row in flipped
    ]
    if rows:
        yield table([heads, *rows])
    kinds = counted(len(found.kinds), "kind")
    yield f"  {kinds} looked at, {len(found.kinds) - len(rows)} without a flip"
    if any(row.differs for row in flipped):
        yield (
            f"  of those that differ about {found.rate:.0%} are luck: before you act, ask again "
            "with other items (eval --seed)"
        )
    yield from (f"  not explored: {task}, {why}" for task, why in found.left_out.items())


def _signed(found: Estimate) -> str:
    if isinstance(found.low, Measured) and isinstance(found.high, Measured):
        return _points(found.low.value, found.high.value)
    return NOTHING


def _odds_range(found: Estimate) -> str:
    if not found.n or isinstance(found.low, Missing):
        return NOTHING
    return f"[{number(found.low, 2)}, {_odds(found.high, '∞')}]"


def _odds(found: Reading[float], otherwise: str) -> str:
    if isinstance(found, Missing):
        return otherwise
    return f"{found.value:,.{2 if found.value < _LONG else 0}f}"
