"""What servers can do is tried: a real llama.cpp, a simulation, and servers that pretend."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.engines.foreign import ONE_MODEL, Reply, saying, serving

from steelyard.domain.probe import Probed
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, Place, RunSpec
from steelyard.domain.secret import Secret
from steelyard.engines import attached
from steelyard.engines.calls import Trust
from steelyard.engines.openai_endpoint import OpenAiEndpoint
from steelyard.engines.url import Endpoint
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.probe import _streams, probe

CHAT = "/v1/chat/completions"
KEY = "sk-planted-0123456789"


def tokens_in(asked: Mapping[str, Any]) -> int:
    return 8 + sum(len(str(message["content"]).split()) for message in asked["messages"])


def answer(text: str, prompt: int, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **more}
    usage = {"prompt_tokens": prompt, "completion_tokens": len(text.split())}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"model": "small", "choices": [choice], "usage": usage}


def lump(text: str, prompt: int) -> Reply:
    """A stream that was generated whole and only then cut into events."""
    words = [{"choices": [{"index": 0, "delta": {"content": f"{w} "}}]} for w in text.split()]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": len(words)}}
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in (*words, last, usage))
    return Reply(f"{body}data: [DONE]\n\n".encode(), headers={"Content-Type": "text/event-stream"})


def probed(
    routes: Mapping[str, Any], folder: Path, key: Reading[Secret] = Missing("no_key")
) -> Probed:
    with serving({"/v1/models": ONE_MODEL, **routes}) as server:
        engine = attached.attach(Endpoint.read(server.url()), key=key)
        spec = RunSpec(engine.subject, Controls())
        place = Place((), {}, folder / "run", "127.0.0.1", server.port)
        executor = Executor(Verifier(), lambda _: None)
        with executor.visit(spec, engine, place) as session:
            session.probe()
        record = executor.record(session)
    assert isinstance(record.probe, Measured)
    return record.probe.value


def test_a_server_that_pretends_is_seen_through(tmp_path: Path) -> None:
    number = count()

    def chat(asked: Mapping[str, Any]) -> Any:
        prompt = min(1000, tokens_in(asked))  # cut, and counted afterwards
        if asked.get("stream"):
            return lump("one two three four five six", prompt)
        return answer(f"hello {next(number)}", prompt)

    found = probed({CHAT: chat}, tmp_path)
    said = {finding.name: finding.answered for finding in found.findings}
    (streaming,) = (finding for finding in found.findings if finding.name == "streaming")
    # On a busy machine it may be read too late to tell, and that is said.
    assert streaming.answered == "no" or "ms late" in streaming.seen
    assert said["usage"] == "yes"
    assert said["timings"] == said["exact_length"] == "no"
    assert said["seed"] == "no"
    assert said["json_schema"] == said["grammar"] == said["tool_calls"] == "no"
    assert said["logprobs"] == "no"
    assert said["prompt_logprobs"] == "refused"
    assert said["context_end"] == "no"
    assert isinstance(found.context_tokens, Measured)
    assert 850 <= found.context_tokens.value <= 1000


def test_code_words_that_come_back_show_which_part_of_a_prompt_was_lost(tmp_path: Path) -> None:
    def chat(asked: Mapping[str, Any]) -> Any:
        text = str(asked["messages"][0]["content"])
        kept = " ".join(text.split()[-200:])  # the head is lost, and not counted
        if asked.get("stream"):
            return lump("one two three four", 12)
        return answer(kept, tokens_in(asked))

    found = probed({CHAT: chat}, tmp_path)
    assert found.answered("canary_head") == "no"
    assert found.answered("canary_tail") == "yes"


def test_a_server_that_is_slow_is_not_waited_for(tmp_path: Path) -> None:
    def chat(_: Mapping[str, Any]) -> Any:
        time.sleep(4)
        return answer("late", 5)

    found = probed({CHAT: chat}, tmp_path)
    assert found.elapsed_s < 25  # four seconds for each that it tries would be over a minute
    assert found.answered("images") == "not_tried"


@pytest.mark.full  # its end is asked for what is in force, and drips for half a minute
def test_a_server_that_drips_is_broken_off(tmp_path: Path) -> None:
    drip = [b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", *([b"data: {}\n\n"] * 900)]
    with saying(*drip, pause_s=0.05) as server:
        endpoint = Endpoint.read(server.url())
        manners = attached.Manners(endpoint, Trust(), Missing("no_key"), None)
        engine = attached.AttachedEngine(
            OpenAiEndpoint("small"),
            *("small", manners, Missing("elsewhere"), Missing("x"), Missing("x")),
        )
        spec = RunSpec(engine.subject, Controls())
        place = Place((), {}, tmp_path / "run", "127.0.0.1", server.port)
        with Executor(Verifier(), lambda _: None).visit(spec, engine, place) as session:
            assert session.bench is not None
            found = probe(session.bench, budget_s=1.5)
    assert found.elapsed_s < 4
    assert {finding.answered for finding in found.findings} == {"not_tried"}


def test_a_key_that_a_server_repeats_in_its_refusal_is_not_kept(tmp_path: Path) -> None:
    def chat(_: Mapping[str, Any]) -> Any:
        words = f"the key {KEY} may not do this, nor may Bearer {KEY}"
        return Reply({"error": {"message": words}}, 403)

    found = probed({CHAT: chat}, tmp_path, Measured(Secret(KEY), "client"))
    assert {found.answered("streaming"), found.answered("logprobs")} == {"refused"}
    assert any("may not do this" in finding.seen for finding in found.findings)
    assert KEY not in str(found)
    assert KEY.encode() not in (tmp_path / "run" / "record.json").read_bytes()


def test_a_connection_that_breaks_is_no_refusal(tmp_path: Path) -> None:
    def chat(_: Mapping[str, Any]) -> Any:
        raise ConnectionResetError

    found = probed({CHAT: chat}, tmp_path)
    assert {finding.answered for finding in found.findings} == {"not_tried", "refused"}
    refused = [f.name for f in found.findings if f.answered == "refused"]
    assert refused == ["prompt_logprobs"]  # a route of its own, which says 404
    assert "disconnected" in next(f.seen for f in found.findings if f.name == "seed")
    assert isinstance(found.context_tokens, Missing)


def test_what_a_failed_first_trial_leaves_open_is_said(tmp_path: Path) -> None:
    found = probed({CHAT: lambda _: Reply({"error": "no"}, 400)}, tmp_path)
    said = {finding.name: finding.answered for finding in found.findings}
    assert said["streaming"] == "refused"
    assert said["usage"] == said["timings"] == said["exact_length"] == "not_tried"


def test_a_client_that_read_late_cannot_call_a_stream_a_lump() -> None:
    assert _streams(24, 2, 5_000_000)[0] == "unclear"
    assert _streams(24, 2, 10_000)[0] == "no"
    assert _streams(24, 3, 5_000_000)[0] == "yes"
    assert _streams(2, 1, 0)[0] == "unclear"


@pytest.mark.full
@pytest.mark.alone
def test_llama_cpp_does_what_it_is_known_for(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "steelyard.cli.main", "engines", "probe", "bundled", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    said = {finding["name"]: finding["answered"] for finding in found["findings"]}
    for name in ("streaming", "usage", "timings", "exact_length", "logprobs", "seed"):
        assert said[name] == "yes", name
    assert said["json_schema"] == said["grammar"] == "yes"
    assert said["prompt_logprobs"] == "no"
    assert said["images"] == said["context_end"] == "refused"
    assert 3600 <= found["context_tokens"]["value"] <= 4096
