"""The scripted engine as a process: what was planted is what comes out at the other end."""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app import served_stage
from tests.engines.drive import attempts, exchanges
from tests.llamalib import tiny

from steelyard.domain.errors import EngineError, WrongModel
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, Place
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import host, identity
from steelyard.engines.api import dialect
from steelyard.models import artifacts
from steelyard.scripted import header, truth
from steelyard.scripted import plan as plans
from steelyard.scripted.plan import Fault, FaultKind, Plan, prompt_key

MS = 1_000_000
ASK = GenerationRequest((Message("user", "hi"),), max_tokens=8, exact_tokens=True)
QUICK = Plan(ttft_s=0.02, gap_s=0.005)


@contextmanager
def running(
    plan: Plan,
    folder: Path,
    *,
    name: str = "m-Q4_K_M.gguf",
    slots: int = 1,
    context_tokens: int = 1024,
) -> Iterator[host.RunningEngine]:
    model = folder / name
    model.write_bytes(b"a stand-in")
    program = (sys.executable, "-m", "steelyard.scripted", "--plan")
    file = plans.write(plan, folder / "plan.json")
    place = Place((*program, str(file)), {"ab" * 32: model}, folder)
    profile = EngineProfile(context_tokens=context_tokens, slots=slots)
    subject = Subject(Artifact(name, "gguf", "ab" * 32), "scripted", profile=profile)
    with host.start(dialect("scripted"), subject, Controls(), place) as engine:
        yield engine


def one(plan: Plan, folder: Path, request: GenerationRequest = ASK) -> Attempt:
    # Only what is planned to be silent is not waited for: a busy machine is silent, too.
    silent = any(fault.kind == "stall" for fault in plan.faults)
    with running(plan, folder) as engine:
        (attempt,) = attempts(engine, [request], folder, stall_ns=(300 if silent else 5_000) * MS)
    return attempt


def tokens_at(attempt: Attempt) -> list[int]:
    return [arrival.at_ns for arrival in attempt.arrivals if arrival.kind == "content"]


def test_planted_times_come_back(tmp_path: Path) -> None:
    with running(Plan(ttft_s=0.1, gap_s=0.02), tmp_path) as engine:
        found = attempts(engine, [ASK] * 8, tmp_path)
    assert {len(tokens_at(attempt)) for attempt in found} == {8}
    firsts = [(tokens_at(attempt)[0] - attempt.sent_ns) / MS for attempt in found]
    lasts = [(tokens_at(attempt)[-1] - attempt.sent_ns) / MS for attempt in found]
    # Nothing comes early; that something comes late is the machine's doing if it is not always so.
    assert min(firsts) >= 100
    assert min(lasts) >= 240
    assert min(firsts) < 120
    spans = [last - first for first, last in zip(firsts, lasts, strict=True)]
    assert min(abs(span - 140) for span in spans) < 15


def test_several_models_behind_one_address_have_truths_of_their_own(tmp_path: Path) -> None:
    planned = Plan(ttft_s=0.3, variants={"fast": {"speed": 30.0}})
    with served_stage.serving(
        tmp_path, plans.write(planned, tmp_path / "plan.json"), "slow", "fast"
    ) as up:
        took = {name: _took(up.port, name) for name in ("slow", "fast")}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            _took(up.port, "another")
    assert took["fast"] < 0.3 < took["slow"]


def _took(port: int, model: str) -> float:
    """Return how long one token of a model takes."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    began = time.monotonic()
    with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=10) as answer:
        assert json.loads(answer.read())["model"] == model
    return time.monotonic() - began


def test_the_client_is_close_to_the_truth_log(tmp_path: Path) -> None:
    with running(QUICK, tmp_path, slots=4) as engine:
        found = exchanges(engine, [ASK] * 8, tmp_path, streams=4)
    log = truth.read(tmp_path / "truth.jsonl")
    assert len(log) == 8
    errors = [truth.error(exchange, log) for exchange in found]
    late = sorted(error.ttft_ns for error in errors if error is not None)
    assert len(late) == 8
    assert late[0] > 0
    assert late[4] < 5 * MS
    for exchange in found:
        sent = log[truth.number_of(exchange) or 0]
        assert exchange.sent_ns < sent.received_ns <= sent.started_ns < sent.sends_ns[0]


def test_several_tokens_an_event_are_counted_by_usage_not_by_events(tmp_path: Path) -> None:
    attempt = one(replace(QUICK, tokens_per_event=4), tmp_path)
    assert len(tokens_at(attempt)) == 2
    assert isinstance(attempt.usage, Measured)
    assert attempt.usage.value.output_tokens == 8


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("zero_tokens", "zero_tokens"),
        ("error_in_stream", "error_in_stream"),
        ("stall", "stalled"),
        ("disconnect", "disconnected"),
        ("truncated", "truncated_stream"),
        ("http_error", "http_500"),
        ("die", "disconnected"),
    ],
)
def test_a_planted_fault_is_named(tmp_path: Path, fault: FaultKind, why: str) -> None:
    outcome = one(replace(QUICK, faults=(Fault(fault),)), tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == why


def test_gaps_in_the_metadata_are_reasons(tmp_path: Path) -> None:
    kinds: tuple[FaultKind, ...] = ("missing_usage", "missing_timings", "partial_metadata")
    plan = replace(QUICK, faults=tuple(Fault(k, requests=(n,)) for n, k in enumerate(kinds)))
    with running(plan, tmp_path) as engine:
        no_usage, no_timings, partial, whole = attempts(engine, [ASK] * 4, tmp_path)
    assert isinstance(no_usage.usage, Missing)
    assert isinstance(no_usage.timings, Measured)
    assert isinstance(no_timings.timings, Missing)
    assert isinstance(partial.usage, Missing)
    assert isinstance(partial.timings, Measured)
    assert isinstance(partial.timings.value.decode_s, Missing)
    assert isinstance(whole.usage, Measured)
    assert [a.outcome for a in (no_usage, no_timings, partial, whole)] == [Completed()] * 4


@pytest.mark.parametrize("fault", ["reasoning", "think_tags"])
def test_thinking_arrives_before_the_answer(tmp_path: Path, fault: FaultKind) -> None:
    attempt = one(replace(QUICK, faults=(Fault(fault),)), tmp_path)
    kinds = [arrival.kind for arrival in attempt.arrivals]
    assert attempt.reasoning
    assert "<" not in attempt.text
    assert kinds.index("reasoning") < kinds.index("content")


def test_a_name_that_is_not_the_served_one_is_caught(tmp_path: Path) -> None:
    with running(replace(QUICK, faults=(Fault("wrong_name"),)), tmp_path) as engine:
        claim = engine.identity()
        (attempt,) = attempts(engine, [ASK], tmp_path)
    with pytest.raises(WrongModel, match=r"'another-model\.gguf' answered"):
        identity.verify_answers(claim, [attempt.model])


def test_a_server_with_another_model_is_caught(tmp_path: Path) -> None:
    with running(replace(QUICK, faults=(Fault("wrong_model"),)), tmp_path) as engine:
        profile = EngineProfile(context_tokens=1024)
        subject = Subject(Artifact("m-Q4_K_M.gguf", "gguf", "ab" * 32), profile=profile)
        with pytest.raises(WrongModel, match=r"m-Q4_K_M\.gguf and is .*another-model\.gguf"):
            identity.verify(engine.identity(), subject, None, tmp_path / "m-Q4_K_M.gguf")


def test_known_prompts_are_answered_and_wrong_at_the_planted_rate(tmp_path: Path) -> None:
    prompts = [f"what is {n}?" for n in range(60)]
    answers = {prompt_key([("user", p)]): (p[8:-1], "no idea") for p in prompts}
    plan = Plan(0.0, gap_s=0.0, answers=answers, variants={"*Q2_K*": {"wrong_rate": 0.5}})
    asked = [GenerationRequest((Message("user", p),), max_tokens=20) for p in prompts]
    right = {}
    for name in ("m-Q8_0.gguf", "m-Q2_K.gguf"):
        (folder := tmp_path / name).mkdir()
        with running(plan, folder, name=name) as engine:
            found = attempts(engine, asked, folder)
        right[name] = sum(a.text == p[8:-1] for a, p in zip(found, prompts, strict=True))
        assert {a.finish_reason for a in found} == {"stop"}
    assert right["m-Q8_0.gguf"] == 60
    assert 18 <= right["m-Q2_K.gguf"] <= 42


def test_heat_slows_it_down(tmp_path: Path) -> None:
    plan = Plan(ttft_s=0.01, gap_s=0.01, heat_per_minute=600.0)
    with running(plan, tmp_path) as engine:
        (early,) = attempts(engine, [ASK], tmp_path)
        time.sleep(1.0)
        (late,) = attempts(engine, [ASK], tmp_path)
    spans = [tokens_at(attempt)[-1] - tokens_at(attempt)[0] for attempt in (early, late)]
    assert spans[1] > 1.3 * spans[0]


def test_a_whole_answer_is_in_the_log_of_an_engine_that_is_ended_at_once(tmp_path: Path) -> None:
    with running(Plan(ttft_s=0.2, gap_s=0.0), tmp_path, context_tokens=200_000) as engine:
        where = (engine.host, engine.port)
        with socket.create_connection(where) as first, socket.create_connection(where) as second:
            first.sendall(_post(1))
            time.sleep(0.1)
            second.sendall(_post(100_000))  # long made ready, once the first one's slot is free
            while b'"usage"' not in first.recv(65_536):
                pass
            engine.stop()
    assert 0 in truth.read(tmp_path / "truth.jsonl")


def _post(max_tokens: int) -> bytes:
    """Return a request of so many tokens, as it goes over the wire."""
    asked = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": max_tokens}
    body = json.dumps(asked).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_more_requests_than_slots_wait_their_turn(tmp_path: Path) -> None:
    with running(Plan(ttft_s=0.1, gap_s=0.0), tmp_path, slots=1) as engine:
        exchanges(engine, [ASK] * 3, tmp_path, streams=3)
    starts = [one.started_ns for one in truth.read(tmp_path / "truth.jsonl").values()]
    assert starts[2] - starts[0] >= 200 * MS


def test_loading_takes_its_planted_time_and_can_fail(tmp_path: Path) -> None:
    with running(replace(QUICK, load_s=0.4), tmp_path) as engine:
        assert engine.load_s >= 0.4
    failing = Plan(load_failure="llama_model_load: error loading model")
    with pytest.raises(EngineError, match="error loading model"), running(failing, tmp_path):
        pass


def test_a_plan_that_is_wrong_is_the_engines_last_word(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps({"gap": 1}))
    program = (sys.executable, "-m", "steelyard.scripted", "--plan", str(tmp_path / "bad.json"))
    (tmp_path / "m.gguf").write_bytes(b"x")
    place = Place(program, {"ab" * 32: tmp_path / "m.gguf"}, tmp_path)
    subject = Subject(Artifact("m.gguf", "gguf", "ab" * 32), "scripted")
    with pytest.raises(EngineError, match="did you mean 'gap_s'"):
        host.start(dialect("scripted"), subject, Controls(), place)


def test_a_real_file_is_described_as_its_reader_describes_it(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "tiny.gguf")
    facts = artifacts.inspect(model)
    assert header.meta(model) == {
        "n_params": facts.parameters,
        "size": facts.tensor_bytes,
        "n_vocab": facts.vocabulary,
    }
