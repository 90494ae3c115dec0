"""Stored runs as plain text: lists, one run, two runs side by side.

Counts by the rules of `analysis`; has none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

from steelyard.analysis import retrieval
from steelyard.analysis.judge_scores import judged_by
from steelyard.analysis.marks import adherence, by_constraint, count
from steelyard.analysis.metrics.registry import METRICS, OF_RUN
from steelyard.analysis.metrics.speeds import speeds
from steelyard.app.evals import depths, judge_texts, rag_texts, wording
from steelyard.app.evals.texts import counted
from steelyard.app.proxying.texts import harness_text
from steelyard.app.results import forms
from steelyard.app.results.comparison import CONFIDENCE, Comparison, PairedRight
from steelyard.domain.campaign import (
    AA_REPLICA,
    CANARY_REPLICA,
    SENTINEL_REPLICA,
    SOAK_REPLICA,
)
from steelyard.domain.caution import quality
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.subject import EngineProfile
from steelyard.domain.summary import Estimate, Marks, Speed
from steelyard.reports.figures import LEAST_P
from steelyard.store.query import RunRow

_PURPOSES: Final = {
    AA_REPLICA: "A/A",
    SENTINEL_REPLICA: "sentinel",
    CANARY_REPLICA: "canary",
    SOAK_REPLICA: "soak",
}
_PERCENT: Final = 100.0


def list_table(rows: Sequence[RunRow], *, simulated: bool) -> str:
    """Return one line a run under a heading that says which kind of run it is."""
    title = "Simulated runs (scripted engine, not measured)" if simulated else "Measured runs"
    if not rows:
        return f"{title}: none stored" + ("" if simulated else "; `steelyard sweep` makes some")
    heads = ("run", "started", "what", "engine", "work", "outcome", "quality")
    cells = [
        (
            row.id,
            row.started_at[:16].replace("T", " "),
            _what(row),
            row.engine,
            _work(row.sections),
            row.outcome,
            " ".join([row.quality, *row.quality_reasons]),
        )
        for row in rows
    ]
    return f"{title}\n{_table([heads, *cells])}"


def record_text(record: RunRecord) -> str:
    """Return one run in words: identity, proofs, numbers with n and interval, cautions."""
    return "\n".join(_record_lines(record))


def comparison_text(found: Comparison) -> str:
    """Return two runs side by side, the second against the first."""
    return "\n".join(_comparison_lines(found))


def _record_lines(record: RunRecord) -> Iterator[str]:
    subject = record.spec.subject
    if record.simulated:
        yield "SIMULATED: a scripted engine with planted numbers, nothing here was measured"
    yield f"run       {record.id}   {record.started_at}"
    yield f"file      {subject.artifact.name}   sha256 {subject.artifact.sha256}"
    yield f"engine    {subject.engine}, runtime {subject.runtime}"
    yield f"profile   {record.engine_profile or 'none by name'}: {_settings(subject.profile)}"
    yield f"device    {record.device.cpu}, {record.device.cores} cores, {record.device.system}"
    yield f"outcome   {record.outcome}{_because(record.reason)}, {quality(record.cautions)}"
    yield f"spec      {record.spec.id}, repeat {record.spec.repeat}, replica {record.spec.replica}"
    for proof in record.proofs:
        yield f"proof     {proof.name}: {'passed' if proof.passed else 'FAILED'}, {proof.found}"
    for control in record.controls:
        over = "" if control.overrides is None else f" (engine profile: {control.overrides})"
        yield (
            f"control   {control.name}: asked {control.asked}{over}, "
            f"in force {_word(control.applied)}"
        )
    for metric in OF_RUN:
        reading = metric.formula(record)
        yield f"{metric.name:<30} {_amount(reading, metric)}"
    if record.harness is not None:
        yield ""
        yield harness_text(record.harness)
    yield from wording.guard_text(record).splitlines()
    for section in record.sections:
        yield ""
        yield from _section_lines(section)
        yield from _form_lines(record, section)
    if (by := judged_by(record)) is not None:
        yield ""
        yield from judge_texts.who(by)
    if by_length := depths.lengths(record):
        yield ""
        yield depths.text(by_length)
    for caution in record.cautions:
        yield f"caution   {caution.code}: {caution.seen} → {caution.advice}"


def _settings(profile: EngineProfile) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(profile).items() if value)


def _section_lines(section: Section) -> Iterator[str]:
    yield f"{section.kind} {section.name}: {section.outcome}{_because(section.reason)}"
    failed = sum(attempt.outcome.kind == "failed" for attempt in section.attempts)
    yield f"  attempts {len(section.attempts)}, failed {failed}"
    if section.kind == "task":
        yield f"  {_marks(count(section.marks, section.clusters, CONFIDENCE))}"
        held = adherence(section.marks, section.clusters, CONFIDENCE)
        yield f"  adherence {_estimate(held, 1, '%', _PERCENT)}"
        parts = by_constraint(section.marks, section.clusters, CONFIDENCE)
        if len(parts) > 1:
            for name, part in parts.items():
                yield f"    {name:<18} {_estimate(part, 1, '%', _PERCENT)}"
        if (found := retrieval.score(section)) is not None:
            yield from rag_texts.retrieval_text([found], kinds=True).splitlines()
    for speed in speeds((section,)):
        yield f"  {speed.metric:<20} {_speed(speed)}   {_at(speed)}"


def forms_text(record: RunRecord) -> str:
    """Return how much the form of a prompt mattered, where a run asked that."""
    return "\n".join(line for s in record.sections for line in _form_lines(record, s))


def _form_lines(record: RunRecord, section: Section) -> Iterator[str]:
    found = forms.of_section(record, section)
    if found is None:
        return
    if isinstance(found, str):
        yield f"  forms — ({found})"
        return
    heads = ("  form", "right", "same mark", "pairs", "lost", "won")
    rows = [
        (f"  {each.form}", _estimate(each.right, 1, "%", _PERCENT), _share(each.agreement),
         str(each.pairs), str(each.lost), str(each.won))
        for each in found.forms
    ]  # fmt: skip
    yield _table([heads, *rows])
    match found.spread:
        case Measured(value=value):
            yield f"  spread {value * _PERCENT:.1f} points between the best and the worst form"
        case Missing():
            yield f"  spread — ({found.spread})"
    yield f"  worst case, right in every form {_estimate(found.worst_case, 1, '%', _PERCENT)}"
    yield f"  flip rate against the clean item {_estimate(found.flip_rate, 1, '%', _PERCENT)}"


def _share(found: Reading[float]) -> str:
    return f"{found.value * _PERCENT:.1f} %" if isinstance(found, Measured) else "—"


def _comparison_lines(found: Comparison) -> Iterator[str]:
    if found.simulated:
        yield "SIMULATED: scripted engines with planted numbers, nothing here was measured"
    yield f"first     {found.first_name}   {found.first_id}"
    yield f"second    {found.second_name}   {found.second_id}"
    yield f"differs   {found.differs}"
    if found.polluted:
        yield f"POLLUTED runs are compared, as asked: {', '.join(found.polluted)}"
    yield ""
    match found.right:
        case Measured(value=right):
            yield from _right_lines(right)
        case Missing():
            yield f"right answers: {found.right}"
    if found.speeds:
        yield ""
        heads = ("speed", "first", "second", "at")
        rows = [
            (pair.first.metric, _speed(pair.first), _speed(pair.second), _at(pair.first))
            for pair in found.speeds
        ]
        yield _table([heads, *rows])
    if found.untimed:
        yield ""
        yield f"speeds: not compared, since the clock is in doubt: {found.untimed}"
        yield "  compare runs of a quiet machine, or say --include-polluted"
    yield ""
    yield (
        "One run against another: no A/A floor, no correction for several comparisons and no "
        "guard against drift. A sweep has all three."
    )


def _right_lines(right: PairedRight) -> Iterator[str]:
    loss = right.loss
    yield f"right answers, first:  {_marks(right.first)}"
    yield f"right answers, second: {_marks(right.second)}"
    low, high = loss.low * _PERCENT, loss.high * _PERCENT
    p = f"p < {LEAST_P}" if right.p < LEAST_P else f"p = {right.p:.3f}"
    yield (
        f"loss of the second: {loss.loss * _PERCENT:.1f} points [{low:.1f}, {high:.1f}] "
        f"({CONFIDENCE:.0%}, {loss.items} paired items, design effect {loss.design_effect:.2f})"
    )
    yield f"flips: {loss.lost} lost, {loss.won} won; McNemar, exact: {p}"
    if right.left_out:
        yield f"{counted(right.left_out)} not run on both sides and left out"


def _marks(marks: Marks) -> str:
    share = _estimate(marks.right_share, 1, "%", _PERCENT)
    counts = f"{marks.right} right, {marks.wrong} wrong, {marks.invalid} invalid"
    return f"{share} ({counts}, {marks.not_run} not run)"


def _speed(speed: Speed) -> str:
    metric = METRICS[speed.metric]
    unit = metric.display_unit or speed.unit
    return _estimate(speed.estimate, metric.digits, unit, metric.scale)


def _at(speed: Speed) -> str:
    cached = (
        f"{speed.cached_tokens.value} cached"
        if isinstance(speed.cached_tokens, Measured)
        else "cache unknown"
    )
    streams = f"{speed.streams} at a time"
    return f"prompt {speed.prompt_tokens}, depth {speed.depth_tokens}, {cached}, {streams}"


def _estimate(estimate: Estimate, digits: int, unit: str, scale: float) -> str:
    match estimate.value:
        case Missing():
            return f"— ({estimate.value})"
        case Measured(value=value):
            text = f"{value * scale:.{digits}f} {unit}".rstrip()
    low, high = estimate.low, estimate.high
    if isinstance(low, Measured) and isinstance(high, Measured):
        text += f" [{low.value * scale:.{digits}f}, {high.value * scale:.{digits}f}]"
    return f"{text} n={estimate.n}"


def _amount(reading: Reading[float], metric: Metric[RunRecord]) -> str:
    match reading:
        case Measured(value=value):
            unit = metric.display_unit or metric.unit
            return f"{value * metric.scale:,.{metric.digits}f} {unit}".rstrip()
        case Missing():
            return f"— ({reading})"


def _word(reading: Reading[str]) -> str:
    return reading.value if isinstance(reading, Measured) else f"— ({reading})"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _what(row: RunRow) -> str:
    """Name the variant, its file, and why it was run where that is not to weigh it."""
    purpose = _PURPOSES.get(row.replica)
    named = row.label if row.label == row.artifact else f"{row.label} ({row.artifact})"
    return f"{named}, {purpose}" if purpose else named


def _work(sections: Sequence[str]) -> str:
    names = list(dict.fromkeys(sections))
    return ", ".join(names) if len(names) <= 2 else f"{names[0]}, {names[1]} +{len(names) - 2}"  # noqa: PLR2004


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
