"""What a sweep says in words: picks, losses, proofs, noise and gaps, for every format alike.

Words are DESIGN's. Nothing is decided here; the sentences restate the summary's numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis import recommend
from steelyard.analysis.bands import OVERALL, STARVED
from steelyard.analysis.sentences import loss_words
from steelyard.analysis.sizing import assumed
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import ServedFacts
from steelyard.domain.summary import Estimate, Pick, SweepSummary, VariantRow, Verdict
from steelyard.reports.columns import Column
from steelyard.reports.figures import NOTHING, Display, duration, percent, said, size

PICK_TITLES: Final = {
    "best_value_quant": "Best value",
    "minimum_viable_quant": "Minimum viable",
}
# Words that lead a sentence of a report, in capitals.
LEADS: Final = frozenset(
    {
        "USE",
        "SMALLEST",
        "AVOID",
        "UNDECIDED",
        "WARNING",
        "EASY",
        "HARD",
        "POLLUTED",
        "DRIFT",
        "MIXED",
    }
)
NO_VERDICT: Final = "none"
_LISTED: Final = 3
_MORE_ROOM: Final = "; `--thinking 4096` gives an answer so many tokens more"
_NOISE_WORDS: Final = {
    "clock error, first token": "how far the client's own stamp of a first token is off, at most",
    "clock error, gaps": "how far the client's own stamp of a gap between tokens is off, at most",
    "engine noise": "scatter of one fixed cell, run again and again: standard deviation by mean",
    "smallest speed difference": "a speed difference below this is no difference",
    "A/A flips": "answers that changed when the reference ran against itself",
    "A/A same text": "of the items, how many texts the reference gave again, run against itself",
    "A/A same mark": "of the items, how many marks the reference got again",
    "A/A floor": "no variant may be called worse for a loss below this",
    "drift": "how far the sentinel cell moved from the first to the last block",
}


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """One pick with the row it names, or without one."""

    title: str
    pick: Pick
    row: VariantRow | None

    @property
    def label(self) -> str:
        """The variant's label, or that there is none."""
        return self.pick.label or self.none

    @property
    def none(self) -> str:
        """What stands in the place of a label: which it is cannot be told, or there is none."""
        value = self.pick.utility_value
        unknown = isinstance(value, Missing) and value.code == recommend.NO_SIZES
        return "not known" if unknown else "nothing qualifies"


@final
@dataclass(frozen=True, slots=True)
class Line:
    """A name, what was found, and what the name means."""

    name: str
    found: str
    meaning: str = ""


@final
@dataclass(frozen=True, slots=True)
class Gap:
    """A number that is absent: of which variants, and why."""

    what: str
    labels: tuple[str, ...]
    why: str


def choices(summary: SweepSummary) -> tuple[Choice, ...]:
    """Return the picks, best value first: it answers what to use."""
    order = list(PICK_TITLES)
    picks = sorted(summary.recommendation, key=lambda pick: order.index(pick.name))
    rows = {row.variant.label: row for row in summary.per_quant if row.role != "aa"}
    return tuple(Choice(PICK_TITLES[p.name], p, rows.get(p.label or "")) for p in picks)


def tenths(share: float) -> str:
    """Return a share in points, without a sign."""
    return f"{share * 100:.1f}"


def interval(low: float, high: float) -> str:
    """Return an interval of a loss in points."""
    return Display("points", 100, 1, signed=True).interval(low, high)


def floor_words(verdict: Verdict) -> str:
    """Return the A/A floor in points; a dash with the reason where none was measured."""
    return f"— ({verdict.no_floor})" if verdict.no_floor else tenths(verdict.floor)


def costs(row: VariantRow, reference: str, confidence: float) -> str:
    """Say what one variant loses against the reference."""
    match row.verdict:
        case Missing():
            if row.role == "reference":
                return f"{row.variant.label} is the reference itself: it loses nothing"
            return f"What {row.variant.label} loses is not known: {row.verdict}"
        case Measured(value=verdict):
            return (
                f"{row.variant.label}: {loss_words(verdict, reference, confidence)}:"
                f" {verdict.name} (margin {tenths(verdict.margin)},"
                f" A/A floor {floor_words(verdict)},"
                f" {verdict.flips_lost} lost and {verdict.flips_won} won)"
            )


def costs_of_picks(summary: SweepSummary) -> tuple[str, ...]:
    """Say what each picked variant loses, each once; of all candidates where none is picked."""
    rows = [choice.row for choice in choices(summary) if choice.row is not None]
    judged = [
        row
        for row in summary.per_quant
        if row.role == "candidate" and isinstance(row.verdict, Measured)
    ]
    said_once = dict.fromkeys(
        costs(row, summary.reference_label, summary.confidence) for row in rows or judged
    )
    return tuple(said_once)


def sentences(summary: SweepSummary) -> tuple[str, ...]:
    """Return the advice, for whoever shows the picks above it: why there is none stands there."""
    return tuple(text for text in summary.sentences if not lead(text)[1].startswith("none."))


def no_pick(choice: Choice) -> str:
    """Say why nothing was picked."""
    gate = choice.pick.binding_gate
    return f"{choice.pick.reason} (binding gate: {gate})" if gate else choice.pick.reason


def lead(text: str) -> tuple[str, str]:
    """Part a sentence from the word that leads it, in capitals; ("", text) where none does."""
    word, _, rest = text.partition(" ")
    bare = word.rstrip(":")
    return (bare, rest) if bare in LEADS else ("", text)


def level(row: VariantRow) -> str:
    """Return how good a row's right answers are in themselves, or a dash."""
    return row.bands.get("overall", NOTHING)


def utility(pick: Pick) -> str:
    """Say the number by which it was chosen, in words."""
    words = recommend.WORDS[pick.utility]
    if isinstance(pick.utility_value, Missing):
        return f"{words}: {said(pick.utility_value, str)}"
    return f"{pick.utility_value.value:,.3g} {words}"


def noise_lines(summary: SweepSummary) -> tuple[Line, ...]:
    """Say what instrument, engine and machine contribute of themselves."""
    noise = summary.noise
    corrected = "; speeds are corrected for it" if summary.drift_corrected else ""
    found = {
        "clock error, first token": said(noise.client_error_ttft_s, duration),
        "clock error, gaps": said(noise.client_error_gap_s, duration),
        "engine noise": f"{said(noise.canary_cv.value, percent)}, n = {noise.canary_cv.n}",
        "smallest speed difference": said(noise.smallest_speed_difference, percent),
        "A/A flips": said(noise.aa_flips, lambda flips: f"{flips:,}"),
        "A/A same text": _same(noise.aa_same_text),
        "A/A same mark": _same(noise.aa_same_mark),
        "A/A floor": said(noise.aa_floor, lambda floor: f"{tenths(floor)} points"),
        "drift": said(noise.drift_share, percent) + corrected,
    }
    return tuple(Line(name, text, _NOISE_WORDS[name]) for name, text in found.items())


def _same(share: Estimate) -> str:
    return said(share.value, lambda value: f"{percent(value)} of {counted(share.n, 'item')}")


def facts(summary: SweepSummary) -> tuple[Line, ...]:
    """Say where, how long and on what the sweep ran."""
    device, environment = summary.device, summary.environment
    found = {
        _machine(
            summary
        ): f"{device.cpu}, {counted(device.cores, 'core')}, {size(device.memory_bytes)}",
        "system": f"{device.system} {environment.kernel}, {device.architecture}",
        "engine": said(environment.engine_build, same),
        "reference": f"{summary.reference_label} ({summary.reference_kind})",
        "suite": f"{summary.suite}, {counted(summary.items, 'item')}",
        "margin": f"{tenths(summary.margin)} points; a loss under"
        f" {tenths(summary.smallest_visible_loss)} may go unseen"
        f" ({assumed(summary.design_effect)})",
        "duration": took(summary),
        "campaign": summary.campaign_id,
    }
    if device.gpus:
        found["GPU"] = ", ".join(device.gpus)
    return tuple(Line(name, text) for name, text in found.items())


def _machine(summary: SweepSummary) -> str:
    """Return whose machine is described: of somebody else's server only the client's is known."""
    return "client's machine" if served(summary) else "device"


def served(summary: SweepSummary) -> bool:
    """Say whether a server of somebody else's was swept, so that no file was seen."""
    return any(row.variant.file is None for row in summary.per_quant)


def _by_word(summary: SweepSummary) -> str:
    """Say what stands in the place of files that nobody here has seen."""
    told = {
        word
        for row in summary.per_quant
        if isinstance(row.variant.facts, ServedFacts)
        for word, reading in (
            ("quant", row.variant.facts.quant),
            ("number of weights", row.variant.facts.parameters),
            ("size", row.variant.facts.tensor_bytes),
            ("digest", row.variant.facts.digest),
        )
        if isinstance(reading, Measured)
    }
    known = f"{', '.join(sorted(told))} by the server's word" if told else "nothing but their names"
    return f"No file was seen here: of the models is known {known}."


def took(summary: SweepSummary) -> str:
    """Say how long the sweep took, and each of its phases, the longest first."""
    phases = sorted(summary.phases_s.items(), key=lambda pair: (-pair[1], pair[0]))
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in phases)
    return f"{said(summary.elapsed_s, duration)}{f': {parts}' if parts else ''}"


def warnings(summary: SweepSummary) -> tuple[str, ...]:
    """Say what a reader must know before any number."""
    found = []
    if summary.simulated:
        found.append("Simulated data: a scripted engine answered, no model was weighed.")
    if summary.include_polluted:
        found.append("Polluted runs are included, because --include-polluted was given.")
    if served(summary):
        found.append(_by_word(summary))
    reference = next((r.variant for r in summary.per_quant if r.role == "reference"), None)
    if summary.reference_kind == "lossy" and reference is not None and not reference.quant:
        found.append(
            f"How the reference {summary.reference_label} is quantised is not known: losses are"
            " counted from there, not from the model as published."
        )
    elif summary.reference_kind == "lossy":
        found.append(
            f"The reference {summary.reference_label} is itself quantised (lossy):"
            " losses are counted from there, not from the model as published."
        )
    found += [f"Not proved: {p.name}: {p.found}." for p in summary.proofs if not p.passed]
    return tuple(found)


def gaps(summary: SweepSummary, found: Sequence[Column]) -> tuple[Gap, ...]:
    """Gather the empty cells of all columns by measure and reason.

    What `summary.not_measured` already explains is not said again.
    """
    explained = {one.why for one in summary.not_measured}
    gathered: dict[tuple[str, str], list[str]] = {}
    for column in found:
        for row, cell in zip(summary.per_quant, column.cells, strict=True):
            if cell.why is None or _says_itself(row, cell.why) or str(cell.why) in explained:
                continue
            key = (_measure_name(column), str(cell.why))
            gathered.setdefault(key, []).append(row.variant.label)
    for row in summary.per_quant:
        for task, why in row.unrated.items():
            of = "" if task == OVERALL else f" in {task.replace('_', ' ')}"
            gathered.setdefault((f"level{of}", _advised(why)), []).append(row.variant.label)
    return tuple(merged(gathered))


def _advised(why: Missing) -> str:
    return f"{why}{_MORE_ROOM if why.code == STARVED else ''}"


def sentence(text: str) -> str:
    """Return text with a large first letter and one full stop; the rest stays as it is."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def same(text: str) -> str:
    """Return a text reading as it stands."""
    return text


def verdict_word(reading: Reading[Verdict], role: str) -> str:
    """Return the verdict's name, or what stands in its place."""
    match reading:
        case Measured(value=verdict):
            return verdict.name
        case Missing():
            return "reference" if role == "reference" else NO_VERDICT


def _says_itself(row: VariantRow, why: Missing) -> bool:
    """Whether an absence follows from the row being the reference or its twin."""
    return (row.role == "reference" and why == row.verdict) or (
        row.role != "candidate" and why == row.fidelity
    )


def _measure_name(column: Column) -> str:
    return f"{column.title} ({column.at.text})" if column.at else column.title


def merged(gathered: dict[tuple[str, str], list[str]]) -> Iterator[Gap]:
    """Join the measures that are absent of the same rows for the same reason."""
    joined: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (measure, why), labels in gathered.items():
        joined.setdefault((why, tuple(labels)), []).append(measure)
    for (why, names), measures in joined.items():
        yield Gap(_listed(measures), names, why)


def _listed(measures: Sequence[str]) -> str:
    """Write a list, a long one only in part."""
    if len(measures) <= _LISTED:
        return ", ".join(measures)
    return f"{', '.join(measures[:_LISTED])} and {len(measures) - _LISTED} more"
