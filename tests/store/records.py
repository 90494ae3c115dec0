"""Records for the store's tests: one real-looking, and a strategy for every shape there can be."""

from __future__ import annotations

import dataclasses
import random
from typing import Any, TypeVar

from hypothesis import strategies as st

from steelyard.domain.arrivals import KINDS
from steelyard.domain.caution import Caution
from steelyard.domain.harness import HarnessRun, HarnessScore
from steelyard.domain.instrument import Instrument
from steelyard.domain.judging import Judging
from steelyard.domain.load import Open
from steelyard.domain.probe import Finding, Probed
from steelyard.domain.prompts import FromFile
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.retrieval import Indexed, Retrieval, Retrieved
from steelyard.domain.run import (
    SCHEMA_VERSION,
    AppliedControl,
    Controls,
    Device,
    Environment,
    Proof,
    RunRecord,
    RunSpec,
    Section,
    Stopped,
)
from steelyard.domain.serverside import PowerSeries, ServerColumn, ServerSeries
from steelyard.domain.startup import Startup
from steelyard.domain.stream import (
    Account,
    Arrival,
    Attempt,
    Completed,
    EngineTimings,
    Failed,
    Usage,
)
from steelyard.domain.subject import (
    Artifact,
    ArtifactFacts,
    EngineProfile,
    LayerCache,
    MemoryFacts,
    Subject,
)
from steelyard.domain.task import Call, Invalid, Mark, NotRun, Right, Source, Task, Wrong
from steelyard.domain.vitals import Vitals, VitalSample
from steelyard.domain.workload import Sampling, Workload

T = TypeVar("T")
DEVICE = Device("Linux 6", "Some CPU", 2, 8 << 30, "x86_64")
ENVIRONMENT = Environment("6.1.0", "3.11.7", {"numpy": "2.4.6"})


def subject(name: str = "tiny-Q4_K_M.gguf", sha256: str = "ab" * 32) -> Subject:
    return Subject(Artifact(name, "gguf", sha256, 1000), engine="llamacpp")


def stream(rng: random.Random, start: int, tokens: int) -> tuple[Arrival, ...]:
    at, end, events = start + 50_000_000, 0, [Arrival(start + 50_000_000, "role", 0)]
    for _ in range(tokens):
        at += int(rng.gauss(2e7, 1e6))
        end += rng.randint(1, 8)
        events.append(Arrival(at, "content", end))
    return (*events, Arrival(at + 40_000, "finish", end), Arrival(at + 90_000, "usage", end))


def attempt(rng: random.Random, sample: str, start: int, tokens: int) -> Attempt:
    arrivals = stream(rng, start, tokens)
    return Attempt(
        sample=sample,
        intended_ns=start,
        sent_ns=start + 1000,
        done_ns=arrivals[-1].at_ns,
        arrivals=arrivals,
        text="an answer with a \x00 and an ü",
        reasoning="",
        finish_reason="stop",
        usage=Measured(Usage(30, tokens), "engine"),
        timings=Missing("not_reported"),
        outcome=Completed(),
    )


def record(
    run_id: str = "run-1",
    *,
    of: Subject | None = None,
    items: int = 20,
    wrong: frozenset[int] = frozenset(),
    simulated: bool = False,
    cautions: tuple[Caution, ...] = (),
    device: Device = DEVICE,
    started_at: str = "2026-11-21T10:00:00+00:00",
    tokens: int = 12,
) -> RunRecord:
    rng = random.Random(run_id)
    task, load = Task("reading", items=items), Workload("interactive", 32, tokens, 3)
    start = 5 * 10**14
    names = [f"item-{n:03}" for n in range(items)]
    answered = tuple(attempt(rng, n, start + i * 10**9, tokens) for i, n in enumerate(names))
    marks = {n: Mark(Wrong() if i in wrong else Right()) for i, n in enumerate(names)}
    timed = tuple(attempt(rng, f"request-{n}", start + n * 10**9, tokens) for n in range(3))
    end = start + items * 10**9
    return RunRecord(
        id=run_id,
        spec=RunSpec(of or subject(), workloads=(load,), tasks=(task,)),
        outcome="completed",
        reason="",
        started_at=started_at,
        device=device,
        environment=ENVIRONMENT,
        controls=(AppliedControl("threads", "2", Measured("2", "engine")),),
        proofs=(Proof("identity", passed=True, found="sha256 matches"),),
        load_s=Measured(0.5, "client"),
        first_request_s=Missing("not_measured"),
        sections=(
            Section(load.name, "workload", "completed", start, end, timed),
            Section(
                task.family,
                "task",
                "completed",
                start,
                end,
                answered,
                marks,
                {n: f"c{i // 4}" for i, n in enumerate(names)},
                streams=2,
            ),
        ),
        vitals=Missing("not_sampled"),
        cautions=cautions,
        simulated=simulated,
    )


_words = st.text(max_size=8)
_keys = st.text(max_size=5)
_counts = st.integers(0, 2**40)
_ns = st.integers(-(2**63), 2**63 - 1)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_missing = st.builds(Missing, _words, _words)


def readings(values: st.SearchStrategy[T]) -> st.SearchStrategy[Measured[T] | Missing]:
    sources = st.sampled_from(["client", "engine", "derived", "estimated"])
    return st.one_of(st.builds(Measured, values, sources), _missing)


_rates = st.floats(0.001, 1e6)
_many = st.lists(_counts, max_size=3).map(tuple)
_columns = st.builds(ServerColumn, _words, st.just("other"), _many, st.just((1.0, 2.5)))
_series = st.builds(ServerSeries, _many, _many, st.lists(_columns, max_size=2).map(tuple))
_BY_ANNOTATION: dict[str, st.SearchStrategy[Any]] = {
    "str": _words,
    "int": st.integers(0, 2**31 - 1),
    "bool": st.booleans(),
    "float": _floats,
    "str | None": st.none() | _words,
    "int | None": st.none() | st.integers(0, 2**31),
    "float | None": st.none() | _floats,
    "tuple[int, ...] | None": st.none() | st.lists(_counts, max_size=3).map(tuple),
    "tuple[str, ...]": st.lists(_words, max_size=3).map(tuple),
    "Reading[int]": readings(_counts),
    "Reading[float]": readings(_floats),
    "Reading[str]": readings(_words),
    "Load | None": st.none() | st.builds(Open, _rates, st.just("gamma"), _rates),
    "PromptSource | None": st.none() | st.builds(FromFile, _words, _counts, st.just("csv")),
    "Instrument": st.builds(Instrument, readings(_rates), streams=_counts),
    "Reading[ServerSeries]": readings(_series),
    "Reading[PowerSeries]": readings(
        st.builds(PowerSeries, _words, st.just("watts"), _many, st.lists(_rates).map(tuple))
    ),
    "Reading[tuple[int, int]]": readings(st.tuples(_counts, _counts)),
    "Reading[Probed]": readings(
        st.builds(Probed, st.just((Finding("seed", "yes", "seen"),)), readings(_counts), _rates)
    ),
    "Stamps": st.sampled_from(["kernel", "user"]),
    "Source | None": st.none()
    | st.builds(
        Source,
        _words,
        _words,
        _words,
        st.lists(st.tuples(_words, _words), max_size=2).map(tuple),
    ),
    "tuple[Call, ...]": st.lists(st.builds(Call, _words, _words, _words), max_size=2).map(tuple),
    "Mapping[str, str]": st.dictionaries(_keys, _words, max_size=3),
    "tuple[tuple[str, str], ...]": st.lists(st.tuples(_words, _words), max_size=2).map(tuple),
    "Unit": st.sampled_from(["tokens", "words"]),
}
_by_type = st.dictionaries(_keys, _counts, max_size=3)
_cached = st.builds(LayerCache, _counts, _counts, _counts, _counts)
_facts = st.builds(
    ArtifactFacts,
    type_elements=_by_type,
    memory=st.none()
    | st.builds(
        MemoryFacts,
        caches=st.lists(_cached, max_size=2).map(tuple),
        matrix_elements=_by_type,
        read_elements=_by_type,
    ),
    **dict.fromkeys(
        (
            *("parameters", "tensor_bytes", "active_bytes", "layers", "embedding_length"),
            *("kv_heads", "head_dim", "context_tokens", "vocabulary"),
        ),
        _counts,
    ),
    **dict.fromkeys(("architecture", "quant"), _words),
    **dict.fromkeys(("file_bpw", "body_bpw"), _floats),
)
_BY_ANNOTATION["ArtifactFacts | None"] = st.none() | _facts
_BY_ANNOTATION["Reading[Startup]"] = readings(
    st.builds(Startup, _floats, _floats, _floats, readings(_counts))
)
_score = st.builds(
    HarnessScore, _words, _words, readings(_floats), readings(_floats), readings(_counts), _words
)
_BY_ANNOTATION["HarnessRun | None"] = st.none() | st.builds(
    HarnessRun,
    _words,
    _words,
    st.lists(_words, max_size=2).map(tuple),
    _counts,
    st.lists(_score, max_size=2).map(tuple),
)


def built(kind: type[T], /, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """Build a domain type with every field drawn: a new field is covered without a change here."""
    assert dataclasses.is_dataclass(kind)
    drawn = {
        f.name: given[f.name] if f.name in given else _BY_ANNOTATION[str(f.type)]
        for f in dataclasses.fields(kind)
    }
    return st.builds(kind, **drawn)


_BY_ANNOTATION["Mapping[str, Indexed]"] = st.dictionaries(_keys, built(Indexed), max_size=2)
_BY_ANNOTATION["Mapping[str, Retrieved]"] = st.dictionaries(_keys, built(Retrieved), max_size=2)
_BY_ANNOTATION["Retrieval | None"] = st.none() | built(Retrieval)
_BY_ANNOTATION["Stopped | None"] = st.none() | built(Stopped)


_lengths = st.integers(0, 2**32 - 1)
_arrivals = st.lists(
    st.builds(Arrival, _ns, st.sampled_from(KINDS), _lengths, _ns), max_size=6
).map(tuple)
_outcomes = st.sampled_from(["completed", "failed", "skipped", "cancelled"])
_attempts = built(
    Attempt,
    intended_ns=_ns,
    sent_ns=_ns,
    done_ns=_ns,
    arrivals=_arrivals,
    usage=readings(built(Usage)),
    timings=readings(built(EngineTimings)),
    account=readings(built(Account)),
    outcome=st.just(Completed()) | st.builds(Failed, _words, _words),
)
_marks = st.builds(
    Mark,
    st.sampled_from([Right(), Wrong(), Invalid("truncated"), Invalid("refused")])
    | st.builds(NotRun, _words),
    st.dictionaries(_keys, st.none() | _words, max_size=2),
    st.dictionaries(_keys, st.booleans(), max_size=2),
    st.none() | readings(_floats),
)
_sections = built(
    Section,
    kind=st.sampled_from(["workload", "task"]),
    outcome=_outcomes,
    started_ns=_ns,
    ended_ns=_ns,
    attempts=st.lists(_attempts, max_size=3).map(tuple),
    marks=st.dictionaries(_keys, _marks, max_size=3),
    clusters=st.dictionaries(_keys, _words, max_size=3),
)
_shapes = st.sampled_from(["interactive", "depth", "documents", "concurrency"])
_specs = built(
    RunSpec,
    subject=built(Subject, artifact=built(Artifact), profile=built(EngineProfile)),
    controls=built(Controls, sampling=built(Sampling), profile=st.just(Controls().profile)),
    workloads=st.lists(built(Workload, shape=_shapes), max_size=2).map(tuple),
    tasks=st.lists(built(Task, split=st.sampled_from(["train", "held_out"])), max_size=2).map(
        tuple
    ),
)
_some = st.lists(_attempts, max_size=2).map(tuple)
_judgings = built(
    Judging,
    judge=built(Subject, artifact=built(Artifact), profile=built(EngineProfile)),
    bound=st.sampled_from(["schema with lengths", "schema", "words"]),
    trial=_some,
    attempts=st.dictionaries(_keys, _some, max_size=2),
    pass_marks=st.dictionaries(_keys, _floats, max_size=2),
)
run_records = built(
    RunRecord,
    judging=st.none() | _judgings,
    id=st.uuids().map(str),
    spec=_specs,
    outcome=_outcomes,
    device=built(Device),
    environment=built(Environment),
    controls=st.lists(built(AppliedControl), max_size=2).map(tuple),
    proofs=st.lists(built(Proof), max_size=2).map(tuple),
    sections=st.lists(_sections, max_size=2).map(tuple),
    vitals=readings(
        built(Vitals, samples=st.lists(built(VitalSample, at_ns=_ns), max_size=2).map(tuple))
    ),
    cautions=st.lists(built(Caution), max_size=2).map(tuple),
    schema_version=st.just(SCHEMA_VERSION),
)
