"""One row of the summary: everything that is known of one variant, from the runs that count.

Verdicts are passed in, since all candidates are judged at once. Speeds and times are brought to
the campaign's common machine state by the drift's factor. Not aware of other rows, save the
reference that adherence is paired with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, final

from steelyard.analysis import by_family, gates, graded, marks, rawspeed, timing
from steelyard.analysis.answer_worth import busy_s
from steelyard.analysis.drift import Drift
from steelyard.analysis.metrics.load import completed, measured
from steelyard.analysis.metrics.registry import AnyMetric
from steelyard.analysis.metrics.speeds import speeds
from steelyard.analysis.metrics.worth import joules_per_right, seconds_per_right, tokens_per_right
from steelyard.analysis.optimisation import signals
from steelyard.analysis.roster import Entrant
from steelyard.analysis.thinking import ledger, length_ratio
from steelyard.analysis.verdict import Marked
from steelyard.domain.campaign import Sweep
from steelyard.domain.caution import Caution
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.serverside import Sidecar
from steelyard.domain.subject import ReferenceKind, ServedFacts, Variant
from steelyard.domain.summary import (
    NO_SIDECAR,
    BaselineStatus,
    Estimate,
    Fidelity,
    Gate,
    Marks,
    Optimisation,
    RawSide,
    Speed,
    Thinking,
    Throughput,
    VariantRow,
    Verdict,
)
from steelyard.domain.task import Mark
from steelyard.domain.workload import Workload
from steelyard.stats.means import mean

IS_REFERENCE: Final = Missing("is_reference", "the reference is what the others are compared with")
_SHARED: Final = Missing("shared_server", "the server's process holds every model that it loaded")
_NO_FILE: Final = Missing("not_here", "the server gives no probabilities to compare, nor its file")
_OTHER_FORMAT: Final = Missing("not_measured", "only GGUF files are compared by probabilities")


@final
@dataclass(frozen=True, slots=True)
class Setting:
    """What every row of one summary shares."""

    sweep: Sweep
    reference: Entrant
    drift: Drift
    rated: Mapping[str, AnyMetric]
    fidelity: Mapping[str, Reading[Fidelity]]
    raw: Mapping[str, Reading[Sidecar]] = field(default_factory=dict)

    @property
    def confidence(self) -> float:
        """The sweep's own confidence, for every interval."""
        return self.sweep.gates.confidence


def build(entrant: Entrant, verdict: Reading[Verdict], setting: Setting) -> VariantRow:
    """Return the row of one entrant; sentences and the frontier come when all rows are there."""
    here = replace(entrant.variant, label=label_of(entrant), reference=_reference_kind(entrant))
    marked = entrant.marked
    gated = _gates(entrant, verdict, setting)
    worth = _throughput(entrant, setting)
    return VariantRow(
        variant=here,
        role=_role(entrant),
        quality=entrant.quality,
        outcome=entrant.outcome,
        outcome_reason="" if entrant.included else str(entrant.absent()),
        memory_bytes=_memory(entrant),
        load_s=_load(entrant),
        speeds=(taken := _speeds(entrant.included, setting.sweep.workloads, setting)),
        marks=_marks(marked, entrant, setting.confidence),
        family_marks=_families(entrant, setting.confidence),
        adherence=marks.adherence(marked.marks, marked.clusters, setting.confidence),
        verdict=verdict,
        fidelity=_fidelity(entrant, setting),
        throughput=worth,
        gates=gated,
        on_frontier=False,
        cautions=_cautions(entrant.runs),
        run_ids=tuple(run.id for run in entrant.used),
        optimisation=(found := _optimisation(entrant, verdict, setting)),
        vibe_delta=found.vibe_delta,
        raw=_raw(entrant, taken, setting),
        thinking=_thinking(entrant, setting.confidence),
        length_ratio=_length_ratio(entrant, setting),
    )


def label_of(entrant: Entrant) -> str:
    """Return the row's name: the A/A row is the reference's with a mark."""
    label = entrant.variant.label
    return f"{label} A/A" if entrant.role == "aa" else label


def _role(entrant: Entrant) -> Literal["reference", "aa", "candidate"]:
    if entrant.role == "aa":
        return "aa"
    return "reference" if entrant.role == "reference" else "candidate"


def _gates(entrant: Entrant, verdict: Reading[Verdict], setting: Setting) -> tuple[Gate, ...]:
    """Latency gates hold at the first interactive workload, or at the first one there is."""
    loads = setting.sweep.workloads
    at = next((w for w in loads if w.shape == "interactive"), loads[0] if loads else None)
    taken = _speeds(entrant.included, (at,), setting) if at else ()
    by_name = {speed.metric: speed.estimate for speed in taken}
    why = entrant.absent() if not entrant.included else Missing("no_workload", "nothing was timed")
    nothing = Estimate(why, why, why, 0)
    marked = entrant.marked
    is_reference = entrant.role == "reference"
    asked = setting.reference.marked.marks.values()
    formats = any(mark.constraints.keys() - marks.CONTENT for mark in asked)
    return gates.judge(
        gates.Found(
            verdict=verdict,
            is_reference=is_reference and bool(entrant.tasks),
            adherence=marks.adherence(marked.marks, marked.clusters, setting.confidence),
            adherence_loss=None
            if is_reference
            else graded.adherence_loss(setting.reference.marked, marked, setting.confidence),
            formats=formats,
            ttft_s=by_name.get("ttft_s", nothing),
            output_tps=by_name.get("output_tps", nothing),
            taken_at=f"at {at.prompt_tokens:,} prompt tokens" if at and taken else "",
        ),
        setting.sweep.gates,
    )


def _speeds(
    runs: Sequence[RunRecord], loads: Sequence[Workload], setting: Setting
) -> tuple[Speed, ...]:
    """Return all speeds, those at the shallowest depth first: tables lead with them."""
    order = sorted(loads, key=lambda load: (load.shape != "depth", load.prompt_tokens))
    sections = [
        section
        for load in order
        for run in runs
        for section in run.sections
        if section.kind == "workload" and section.name == load.name
    ]
    factors = [setting.drift.factor(_middle(section)) for section in sections]
    return speeds(sections, factors, setting.rated)


def _throughput(entrant: Entrant, setting: Setting) -> Throughput:
    """Tasks run at the suite's own load: time is that with at least one request in flight."""
    tasks = entrant.tasks
    run = entrant.task_run
    if run is None or not tasks:
        why = entrant.unanswered
        nothing = Estimate(why, why, why, 0)
        return Throughput(nothing, nothing, nothing, why, why)
    tokens = tokens_per_right(tasks, setting.confidence)
    if (why_not := entrant.untimed) is not None:
        nothing = Estimate(why_not, why_not, why_not, 0)
        return Throughput(nothing, tokens, nothing, why_not, why_not)
    factor = setting.drift.factor(mean([_middle(section) for section in tasks]))
    per_right = _scaled(seconds_per_right(tasks, setting.confidence), 1 / factor)
    seconds = busy_s(tasks) / factor
    marked = entrant.marked
    right = marks.count(marked.marks, marked.clusters).right
    adherence = marks.adherence(marked.marks, marked.clusters).value
    joules = joules_per_right(replace(run, sections=tasks))
    few = Missing("one_sample", "the energy of a run is one number")
    return Throughput(
        seconds_per_right=per_right,
        tokens_per_right=tokens,
        joules_per_right=Estimate(joules, few, few, 1 if isinstance(joules, Measured) else 0),
        right_per_second=_ratio(right, seconds),
        adherence_per_latency=adherence
        if isinstance(adherence, Missing)
        else _ratio(adherence.value, seconds),
    )


def _ratio(above: float, seconds: float) -> Reading[float]:
    if seconds <= 0:
        return Missing("no_time", "the task's requests carry no times")
    return Measured(above / seconds, "derived")


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    def times(reading: Reading[float]) -> Reading[float]:
        return derived(reading, lambda value: value * factor)

    return Estimate(times(estimate.value), times(estimate.low), times(estimate.high), estimate.n)


def _optimisation(entrant: Entrant, verdict: Reading[Verdict], setting: Setting) -> Optimisation:
    loads = [w for w in setting.sweep.workloads if w.shape == "interactive"]
    names = {load.name for load in loads[:1]}
    sections = [s for run in entrant.included for s in run.sections]
    answered = [s for run in entrant.counting("answers") for s in run.sections]
    latencies = [
        seconds
        for section in sections
        if section.name in names
        for seconds in measured(timing.e2e_s, completed(section))
    ]
    retries = sum(a.tries > 0 for section in answered for a in section.attempts)
    saved = _saved(setting.sweep.reference, entrant.variant)
    loss = derived(verdict, lambda found: found.loss)
    status: BaselineStatus = "OK" if setting.reference.tasks else "NO_BASELINE"
    return signals(latencies, retries, loss, saved, status)


def _saved(reference: Variant, variant: Variant) -> Reading[int]:
    """Return how many bytes a file is smaller than the reference's."""
    whole, own = reference.file_bytes, variant.file_bytes
    if isinstance(own, Missing):
        return own
    return derived(whole, lambda size: size - own.value)


def _marks(marked: Marked, entrant: Entrant, confidence: float) -> Marks:
    counts = marks.count(marked.marks, marked.clusters, confidence)
    if entrant.tasks:
        return counts
    why = entrant.unanswered
    return replace(counts, right_share=Estimate(why, why, why, 0), worst_share=why, best_share=why)


def _families(entrant: Entrant, confidence: float) -> dict[str, Marks]:
    families: dict[str, tuple[dict[str, Mark], dict[str, str]]] = {}
    marked = entrant.marked
    for item, mark in marked.marks.items():
        family = by_family.family_of(item)
        found, clusters = families.setdefault(family, ({}, {}))
        found[item] = mark
        clusters[item] = marked.clusters.get(item, item)
    return {name: marks.count(*families[name], confidence) for name in sorted(families)}


def _fidelity(entrant: Entrant, setting: Setting) -> Reading[Fidelity]:
    if entrant.role == "aa":
        return Missing("is_aa_row", "the A/A row is the reference's own file")
    absent = Missing("not_measured", "its probabilities were not compared")
    if entrant.variant.file is None:
        absent = _NO_FILE
    elif entrant.variant.artifact.format != "gguf":
        absent = _OTHER_FORMAT
    if entrant.role == "reference":
        absent = IS_REFERENCE
    return setting.fidelity.get(entrant.variant.label, absent)


def _raw(entrant: Entrant, speeds: Sequence[Speed], setting: Setting) -> Reading[RawSide]:
    """Join the file's bare speeds; no gate reads them, since they come after all is judged."""
    sidecar = setting.raw.get(entrant.variant.label, NO_SIDECAR)
    absent = Missing("nothing_timed", "no workload was timed")
    return rawspeed.of_sweep(sidecar, speeds, absent if entrant.included else entrant.absent())


def _thinking(entrant: Entrant, confidence: float) -> Reading[Thinking]:
    if entrant.tasks:
        return Measured(ledger(entrant.tasks, confidence), "derived")
    return entrant.unanswered


def _length_ratio(entrant: Entrant, setting: Setting) -> Estimate:
    why = IS_REFERENCE if entrant.role == "reference" else None
    if not entrant.tasks:
        why = entrant.unanswered
    elif not setting.reference.tasks:
        why = Missing("no_reference", "the reference has no answers to set these against")
    if why is not None:
        return Estimate(why, why, why, 0)
    return length_ratio(setting.reference.tasks, entrant.tasks, setting.confidence)


def _memory(entrant: Entrant) -> Reading[int]:
    """Return the most memory that any run which counts needed."""
    facts = entrant.variant.facts
    if isinstance(facts, ServedFacts) and not facts.alone:
        return _SHARED
    found = [
        run.vitals if isinstance(run.vitals, Missing) else run.vitals.value.peak_memory_bytes
        for run in entrant.counting("memory")
    ]
    known = [reading.value for reading in found if isinstance(reading, Measured)]
    if known:
        return Measured(max(known), "client")
    return next((r for r in found if isinstance(r, Missing)), entrant.absent("memory"))


def _load(entrant: Entrant) -> Reading[float]:
    """Return the mean time to load; reading a file is not what a drift slows down."""
    known = [run.load_s.value for run in entrant.included if isinstance(run.load_s, Measured)]
    if known:
        return Measured(mean(known), "derived")
    reasons = [run.load_s for run in entrant.included if isinstance(run.load_s, Missing)]
    return reasons[0] if reasons else entrant.absent()


def _cautions(runs: Sequence[RunRecord]) -> tuple[Caution, ...]:
    found = {caution for run in runs for caution in run.cautions}
    return tuple(sorted(found, key=lambda caution: (caution.code, caution.seen)))


def _middle(section: Section) -> float:
    return (section.started_ns + section.ended_ns) / 2


def _reference_kind(entrant: Entrant) -> ReferenceKind | None:
    return entrant.variant.reference if entrant.role == "reference" else None
