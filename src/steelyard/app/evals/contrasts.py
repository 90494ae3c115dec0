"""What a comparison of two evaluations says, as plain text. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from steelyard.app.evals import fault_texts, judge_texts
from steelyard.app.evals.texts import (
    interval,
    number,
    percent,
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

_P_FLOOR: Final = 0.001


def contrast_text(found: Contrast) -> str:
    """Return two runs side by side with a verdict for each task and for all."""
    return "\n".join(_contrast(found))


def _contrast(found: Contrast) -> Iterator[str]:
    if found.simulated:
        yield "SIMULATED: a scripted engine with planted answers, nothing here was measured"
    yield f"first   {found.first_name}, run {found.first}"
    yield f"second  {found.second_name}, run {found.second}"
    yield from (f"STOPPED EARLY: {one}" for one in found.stopped)
    yield from (f"Not asked in run {one}" for one in found.left_out)
    yield f"differs {'; '.join(found.differs) or 'nothing: the same again'}"
    yield _aa_row(found)
    heads = ("task", "first", "second", "loss", "interval", "lost", "won", "p", "p (Holm)")
    pairings = [*found.tasks, *([found.overall] if len(found.tasks) > 1 else [])]
    yield table([(*heads, "verdict"), *(_pairing(one) for one in pairings)])
    for one in pairings:
        yield from _told(one)
    if any(isinstance(one.p, Missing) and one.p.code == "sampled" for one in pairings):
        yield "  no p and no interval of odds: samples of an item hang together; go by the interval"
    yield from (f"  not compared: {task}, {why}" for task, why in found.unpaired.items())
    if found.identical is not None and found.identical.n:
        share = f"{percent(found.identical.value)} {interval(found.identical)}"
        yield f"Same text in both, of {found.identical.n} items: {share} (same subject and seed)"
    yield from _formats(found.formats, [one.task for one in pairings])
    yield from judge_texts.contrast_text(found.judged)
    yield from _longer(found.lengths, [one.task for one in pairings])
    yield from _thinking(found, [one.task for one in pairings])
    yield from _sizes(pairings, found.margin)
    if found.explored is not None:
        yield from _explored(found.explored)
    yield from fault_texts.beside({f"run {run}": each for run, each in found.faults.items()})


def _aa_row(found: Contrast) -> str:
    if not found.again:
        return "A/A     none (--again RUN): no loss below the margin is called worse"
    floors = ", ".join(f"{task} {percent(floor)}" for task, floor in found.floors.items())
    return f"A/A     run {found.again}; a loss up to here is no loss shown: {floors}"


def _formats(found: Mapping[str, Graded], tasks: Sequence[str]) -> Iterator[str]:
    told = [(task, found[task]) for task in tasks if _known(found[task].loss)]
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


def _longer(lengths: Mapping[str, Estimate], tasks: Sequence[str]) -> Iterator[str]:
    told = [f"{task} {spread(lengths[task], 2)}" for task in tasks if _known(lengths[task])]
    if told:
        yield f"Output tokens, second by first, thinking included: {', '.join(told)}"


def _thinking(found: Contrast, tasks: Sequence[str]) -> Iterator[str]:
    """Say of both how they think, of each task in which either thinks, is cut or loops."""
    told = [
        f"  {task}, {side}: {said or 'no answer thinks, is cut off or goes round in circles'}"
        for task in tasks
        if (both := [thought(one) for one in found.thinking.get(task, ())]) and any(both)
        for side, said in zip(("first", "second"), both, strict=True)
    ]
    if told:
        yield "How both think"
        yield from told


def _known(found: Estimate) -> bool:
    return isinstance(found.value, Measured)


def _pairing(one: Pairing) -> tuple[str, ...]:
    first = _share(one.first_share, one.first_band)
    second = _share(one.second_share, one.second_band)
    match one.verdict:
        case Missing():
            return (one.task, first, second, *[NOTHING] * 6, NOTHING)
        case Measured(value=verdict):
            return (
                one.task,
                first,
                second,
                f"{verdict.loss:+.1%}",
                f"[{verdict.low:+.1%}, {verdict.high:+.1%}]",
                str(verdict.flips_lost),
                str(verdict.flips_won),
                _p(one.p),
                _p(one.p_adjusted),
                verdict.name,
            )


def _share(share: Estimate, band: Reading[Band]) -> str:
    rated = f" {band.value}" if isinstance(band, Measured) else ""
    return f"{percent(share.value)}{rated}"


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
    if isinstance(one.visible, Measured):
        parts.append(shown_from(verdict.items, one.visible.value))
    if one.left_out:
        parts.append(f"{one.left_out} items were not run on both sides")
    return f"; {'; '.join(parts)}" if parts else ""


def _p(reading: Reading[float]) -> str:
    if isinstance(reading, Missing):
        return NOTHING
    return "<0.001" if reading.value < _P_FLOOR else f"{reading.value:.3f}"


def _sizes(pairings: Sequence[Pairing], margin: float) -> Iterator[str]:
    sized = [(one.task, one.effect.value) for one in pairings if isinstance(one.effect, Measured)]
    if not sized:
        return
    yield "How large it is, beside the verdict"
    heads = ("task", "Cohen's h", "won : lost", "95 %", "all tasks at once", "p, alike")
    yield table([(*heads, f"within ±{margin:.1%}"), *(_size(*one) for one in sized)])
    clustered = [(task, effect) for task, effect in sized if _shares_clusters(effect)]
    if clustered:
        yield "Checked another way, since items share passages or templates"
        names = ("task", "loss, clusters drawn again", "first, beta-binomial")
        yield table([(*names, "second, beta-binomial"), *(_check(*one) for one in clustered)])
        for task, effect in clustered:
            yield from _unchecked(task, effect)


def _size(task: str, effect: Effect) -> tuple[str, ...]:
    return (
        task,
        f"{effect.h:+.2f}",
        _odds(effect.odds.value, NOTHING),
        _odds_range(effect.odds),
        _signed(effect.joint),
        _p(Measured(effect.equivalence.p_adjusted, "derived")),
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
    return (task, _signed(loss) if loss is not None else NOTHING, *sides)


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
            _p(Measured(row.p, "derived")),
            _p(Measured(row.q, "derived")),
            "differs" if row.differs else "",
        )
        for row in flipped
    ]
    if rows:
        yield table([heads, *rows])
    yield f"  {len(found.kinds)} kinds looked at, {len(found.kinds) - len(rows)} without a flip"
    if any(row.differs for row in flipped):
        yield (
            f"  of those that differ about {found.rate:.0%} are luck: before you act, ask again "
            "with other items (eval --seed)"
        )
    yield from (f"  not explored: {task}, {why}" for task, why in found.left_out.items())


def _signed(found: Estimate) -> str:
    if isinstance(found.low, Measured) and isinstance(found.high, Measured):
        return f"[{found.low.value:+.1%}, {found.high.value:+.1%}]"
    return NOTHING


def _odds_range(found: Estimate) -> str:
    if not found.n or isinstance(found.low, Missing):
        return NOTHING
    return f"[{number(found.low, 2)}, {_odds(found.high, '∞')}]"


def _odds(found: Reading[float], otherwise: str) -> str:
    return f"{found.value:,.2f}" if isinstance(found, Measured) else otherwise
