"""What every engine of somebody else's must keep, over a strict replica of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.places import HERE
from tests.engines.replica import FOLDER, NAMES, OVERHEAD, Manner, Replica, replaying

from steelyard.analysis.validity import REQUIRED_CONTROLS
from steelyard.domain.errors import BadInput, SteelyardError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Attempt, Completed, Failed, Usage
from steelyard.domain.subject import Artifact, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines import meeting
from steelyard.engines.api import Attachable, HttpCall, Served, dialect
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.url import Endpoint

HELLO = GenerationRequest((Message("user", "what did the river do"),), max_tokens=6, seed=3)
MET: dict[str, AttachedEngine] = {}
COUNTING = {"ik_llamacpp", "localai", "sglang", "tabbyapi", "tgi", "vllm"}
ANSWERS_ANY_NAME = {"ik_llamacpp", "tgi"}
SAYS_STOP_AT_THE_LIMIT = {"ik_llamacpp"}
LONG = GenerationRequest((Message("user", "word " * 5000),), max_tokens=6)


@pytest.fixture(scope="module", params=NAMES)
def replica(request: pytest.FixtureRequest) -> Iterator[Replica]:
    with replaying(request.param) as server:
        yield server


def at(replica: Replica, **more: object) -> AttachedEngine:
    """Attach; plainly only once, since what is found out does not change."""
    if not more and replica.url in MET:
        return MET[replica.url]
    found = attach(Endpoint.read(replica.url), **more)  # type: ignore[arg-type]
    return found if more else MET.setdefault(replica.url, found)


def usage(attempt: Attempt) -> Usage:
    assert isinstance(attempt.usage, Measured)
    return attempt.usage.value


def kind(name: str) -> Attachable:
    found = dialect(name)
    assert isinstance(found, Attachable)
    return found


def test_every_engine_that_can_be_attached_has_a_replica() -> None:
    assert {*NAMES} == {*meeting.attachable()} - {"openai", "llamacpp"}


def test_every_transcript_says_where_it_is_from() -> None:
    for path in FOLDER.rglob("*.http"):
        source = path.read_text().partition("\n")[0]
        assert source.startswith("from documentation: "), path


def test_it_is_recognised_by_its_own_word(replica: Replica) -> None:
    engine = at(replica)
    assert engine.dialect.name == replica.name
    assert engine.known == Measured(replica.name, "engine")
    assert engine.subject.engine == replica.name
    assert isinstance(engine.software, Measured)
    assert engine.software.value.startswith(replica.name)


def test_a_name_that_it_contradicts_is_refused_with_what_it_says_it_is(replica: Replica) -> None:
    assert at(replica, engine=replica.name).dialect.name == replica.name
    for other in sorted({*NAMES} - {replica.name})[:2]:
        with pytest.raises(UnsupportedSubject, match=f"says that it is {replica.name}") as caught:
            at(replica, engine=other)
        assert f"--engine {replica.name}" in caught.value.hint


def test_it_can_be_spoken_to_as_any_server_all_the_same(replica: Replica) -> None:
    assert at(replica, engine="openai").dialect.name == "openai"
    replica.refused.clear()  # it is asked how it counts tokens, in words that it may not know


def test_it_answers_with_as_many_tokens_as_it_says(replica: Replica, tmp_path: Path) -> None:
    engine = at(replica)
    (attempt,) = answers(engine, [HELLO], tmp_path)
    assert attempt.outcome == Completed()
    if replica.name in SAYS_STOP_AT_THE_LIMIT:
        assert not engine.dialect.capabilities.tells_limit
    else:
        assert attempt.finish_reason == "length"
    assert (usage(attempt).prompt_tokens, usage(attempt).output_tokens) == (5 + OVERHEAD, 6)
    assert attempt.text == "so then the river ran on"
    assert replica.refused == []


def test_arrivals_come_in_order_and_after_the_sending(replica: Replica, tmp_path: Path) -> None:
    (attempt,) = answers(at(replica), [replace(HELLO, max_tokens=48)], tmp_path)
    stamps = [arrival.at_ns for arrival in attempt.arrivals]
    kinds = [arrival.kind for arrival in attempt.arrivals]
    assert stamps == sorted(stamps)
    assert attempt.intended_ns <= attempt.sent_ns < stamps[0] <= stamps[-1] <= attempt.done_ns
    assert kinds.count("content") == 48
    assert kinds[0] in ("role", "content")
    assert "content" not in kinds[kinds.index("finish") :]
    assert len({a.at_ns for a in attempt.arrivals if a.kind == "content"}) > 1


def test_an_unstreamed_answer_says_the_same(replica: Replica, tmp_path: Path) -> None:
    streamed, whole = answers(at(replica), [HELLO, replace(HELLO, stream=False)], tmp_path)
    assert whole.outcome == Completed()
    assert (whole.text, usage(whole)) == (streamed.text, usage(streamed))


def test_its_answers_carry_one_models_name(replica: Replica, tmp_path: Path) -> None:
    engine = at(replica)
    found = answers(engine, [HELLO, HELLO], tmp_path)
    proof = engine.answered([attempt.model for attempt in found])
    assert proof.passed
    assert str(engine.model) in proof.found


def test_a_prompt_of_tokens_is_taken_as_it_is_or_refused(replica: Replica, tmp_path: Path) -> None:
    engine = at(replica)
    request = GenerationRequest(prompt_tokens=tuple(range(5, 45)), max_tokens=3)
    if not engine.dialect.capabilities.token_prompts:
        with pytest.raises(UnsupportedSubject, match="takes messages"):
            engine.dialect.encode(request)
        return
    (attempt,) = answers(engine, [request], tmp_path)
    assert attempt.outcome == Completed()
    assert (usage(attempt).prompt_tokens, usage(attempt).output_tokens) == (40, 3)
    assert attempt.text == "so then the"


def test_tokens_are_counted_or_it_is_said_that_they_are_not(replica: Replica) -> None:
    engine = at(replica)
    if replica.name in COUNTING:
        assert engine.tokenise("hello there you") == (15, 15, 13)
    else:
        assert not engine.dialect.capabilities.token_prompts
        with pytest.raises(UnsupportedSubject, match="counts tokens"):
            engine.tokenise("hello there you")
    assert replica.refused == []


def test_a_prompt_that_does_not_fit_is_a_context_overflow(replica: Replica, tmp_path: Path) -> None:
    (attempt,) = answers(at(replica), [LONG], tmp_path)
    assert isinstance(attempt.outcome, Failed)
    assert attempt.outcome.why == "context_overflow"


def test_a_model_that_is_not_there_is_named_with_the_nearest(replica: Replica) -> None:
    model = str(at(replica).model)
    with pytest.raises(BadInput, match="there is no model at") as caught:
        at(replica, model=model[:-1] + "x")
    assert f"did you mean {model!r}" in caught.value.hint


def test_a_model_that_has_gone_meanwhile_is_a_missing_model(
    replica: Replica, tmp_path: Path
) -> None:
    engine = at(replica)
    gone = replace(engine, dialect=kind(replica.name).serving(Served("gone")))
    (attempt,) = answers(gone, [HELLO], tmp_path)
    if replica.name in ANSWERS_ANY_NAME:
        assert attempt.outcome == Completed()
        assert attempt.model == engine.model
        return
    assert isinstance(attempt.outcome, Failed)
    assert attempt.outcome.why == "model_missing"
    assert "gone" in attempt.outcome.detail


def test_the_replica_refuses_what_the_server_does_not_know(replica: Replica) -> None:
    engine = at(replica)
    call = engine.dialect.encode(HELLO)
    strange = HttpCall(call.method, call.path, {**call.json, "no_such_field": 1}, call.headers)
    with pytest.raises(SteelyardError, match="no_such_field"):
        engine.ask(strange)
    assert replica.refused.pop().endswith("('no_such_field' was unexpected)")


def test_it_tells_model_and_build(replica: Replica) -> None:
    engine = at(replica)
    claim = engine.identity()
    assert claim.name == Measured(engine.model, "engine")
    assert claim.name.value


def test_every_control_is_recorded_and_nothing_is_claimed_that_was_not_seen(
    replica: Replica,
) -> None:
    engine = at(replica, context_tokens=1024)
    wish = Controls(seed=9, sampling=Sampling(0.5, top_k=20, top_p=0.9, min_p=0.05))
    found = {control.name: control for control in engine.controls(wish)}
    assert {*REQUIRED_CONTROLS, "temperature", "top_k", "top_p", "min_p"} <= found.keys()
    for name in ("seed", "temperature", "top_k", "top_p", "min_p", "threads", "exact_length"):
        assert isinstance(found[name].applied, Missing), name
    cache = found["prefix_cache"].applied
    steered = engine.dialect.capabilities.controls_prefix_cache
    assert isinstance(cache, Missing)
    assert (cache.code == "not_controllable") is not steered


def test_sampling_is_sent_or_said_not_to_be(replica: Replica, tmp_path: Path) -> None:
    engine = at(replica)
    sampling = Sampling(0.5, top_k=20, top_p=0.9, min_p=0.05)
    request = replace(HELLO, sampling=sampling)
    (attempt,) = answers(engine, [request], tmp_path)
    assert attempt.outcome == Completed()
    assert replica.refused == []
    body = json.dumps(dict(engine.dialect.encode(request).json))
    controls = engine.controls(Controls(sampling=sampling))
    for control in controls:
        if control.name in ("seed", "temperature", "top_k", "top_p", "min_p"):
            assert isinstance(control.applied, Missing)
            sent = f'"{control.name}"' in body
            assert (control.applied.code == "not_controllable") is not sent, control.name


def test_length_is_forced_only_where_it_can_be(replica: Replica, tmp_path: Path) -> None:
    engine = at(replica)
    exact = replace(HELLO, exact_tokens=True)
    (attempt,) = answers(engine, [exact], tmp_path)
    assert attempt.outcome == Completed()
    forced = engine.dialect.encode(exact).json != engine.dialect.encode(HELLO).json
    assert forced is engine.dialect.capabilities.exact_tokens
    assert replica.refused == []


def test_its_clock_is_read_where_it_shows_one(replica: Replica, tmp_path: Path) -> None:
    (attempt,) = answers(at(replica), [HELLO], tmp_path)
    if isinstance(attempt.timings, Measured):
        assert at(replica).dialect.capabilities.reports_timings
        clock = attempt.timings.value
        assert isinstance(clock.decode_s, Measured)
        assert 0.001 < clock.decode_s.value < 60


def test_several_streams_are_all_answered_whole(replica: Replica, tmp_path: Path) -> None:
    found = answers(at(replica), [HELLO] * 9, tmp_path, streams=3)
    assert [attempt.outcome for attempt in found] == [Completed()] * 9
    assert {usage(attempt).output_tokens for attempt in found} == {6}
    assert len({attempt.text for attempt in found}) == 1


def test_a_server_that_ends_under_an_answer_is_a_failure_of_that_answer(
    replica: Replica, tmp_path: Path
) -> None:
    with replaying(replica.name, Manner(breaks_after=3)) as server:
        engine = at(server)
        broken, refused = answers(engine, [HELLO, HELLO], tmp_path)
    assert isinstance(broken.outcome, Failed)
    assert broken.outcome.why == "disconnected"
    assert broken.text.startswith("so")
    assert isinstance(refused.outcome, Failed)
    assert refused.outcome.why in ("disconnected", "connection_refused")


def test_nothing_of_it_is_started_here(replica: Replica) -> None:
    if dialect(replica.name).capabilities.formats:  # ik_llama.cpp's server can be
        return
    subject = Subject(Artifact("m.gguf", "gguf", "ab" * 32), replica.name)
    with pytest.raises(UnsupportedSubject, match="starts no server") as caught:
        dialect(replica.name).launch(subject, Controls(), HERE)
    assert "URL" in caught.value.hint
    assert dialect(replica.name).capabilities.formats == frozenset()
