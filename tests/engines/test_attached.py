"""Servers that somebody else runs: found out about, never trusted blindly, left running."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import ports
from tests.engines.foreign import ONE_MODEL, Reply, certificate, saying, serving

from steelyard.domain.errors import BadInput, DialectError, EngineError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import AppliedControl, Controls
from steelyard.domain.secret import Secret
from steelyard.domain.stream import Completed
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import transcript
from steelyard.engines.api import HttpCall
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.calls import Caller, Trust
from steelyard.engines.http1 import prepare_for
from steelyard.engines.keys import api_key
from steelyard.engines.listener import listening_pid
from steelyard.engines.url import Endpoint
from steelyard.loadgen.client import Client
from steelyard.platform import process

__all__ = ["certificate"]

KEY = "sk-planted-0123456789"
MODELS = "/v1/models"
CALL = HttpCall("GET", MODELS)


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), **more)  # type: ignore[arg-type]


def wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"nobody came up on port {port}")


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[process.Child, int]]:
    log, port = tmp_path_factory.mktemp("scripted") / "log", ports.free()
    argv = (sys.executable, "-m", "steelyard.scripted", "--port", str(port), "--parallel", "2")
    with process.start(argv, log=log) as child:
        wait_for(port)
        yield child, port


def told(controls: tuple[AppliedControl, ...]) -> dict[str, str]:
    return {
        control.name: control.applied.value
        for control in controls
        if isinstance(control.applied, Measured)
    }


def test_a_running_server_is_measured_by_its_url_and_left_running(
    scripted: tuple[process.Child, int], tmp_path: Path
) -> None:
    child, port = scripted
    ask = GenerationRequest((Message("user", "hello"),), max_tokens=7, exact_tokens=True)
    with at(f"http://localhost:{port}/v1") as engine:
        with Client(engine.host, engine.port, tmp_path / "spool.bin") as client:
            client.submit("0", engine.prepare(engine.dialect.encode(ask)))
            (exchange,) = client.drain()
        attempt = transcript.read(exchange, engine.dialect, sample="0")
        assert attempt.outcome == Completed()
        assert isinstance(attempt.usage, Measured)
        assert attempt.usage.value.output_tokens == 7
        assert isinstance(attempt.timings, Measured)
        assert engine.answered([attempt.model]).passed
        assert len(engine.tokenise("hello there")) > 1
        assert engine.dialect.capabilities.simulated
    assert child.returncode() is None
    assert engine.alive()


def test_the_process_on_this_machine_is_found_so_that_it_can_be_sampled(
    scripted: tuple[process.Child, int],
) -> None:
    child, port = scripted
    engine = at(f"http://127.0.0.1:{port}")
    assert engine.pid == Measured(child.pid, "client")
    controls = told(engine.controls(Controls()))
    assert controls["affinity"] == ",".join(map(str, sorted(os.sched_getaffinity(child.pid))))
    assert (controls["slots"], controls["context_tokens"]) == ("2", "2048")


def test_a_forwarder_is_not_taken_for_the_server(tmp_path: Path) -> None:
    program, port = tmp_path / "socat", ports.free()
    shutil.copy(Path(sys.executable).resolve(), program)
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    env = {"PYTHONHOME": sys.base_prefix}
    with process.start((str(program), "-S", "-c", code), log=tmp_path / "log", env=env):
        wait_for(port)
        found = listening_pid(port)
    assert isinstance(found, Missing)
    assert (found.code, "socat" in found.detail) == ("forwarded", True)


def test_a_server_inside_this_process_is_not_apart_from_the_measuring_one() -> None:
    with serving({MODELS: ONE_MODEL}) as server:
        pid = at(server.url()).pid
    assert isinstance(pid, Missing)
    assert pid.code == "not_apart"


def test_a_server_that_has_gone_is_not_alive() -> None:
    with serving({MODELS: ONE_MODEL}) as server:
        engine = at(server.url())
        assert engine.alive()
    assert not engine.alive()
    with pytest.raises(EngineError, match="nobody listens at http://127.0.0.1"):
        engine.ask(CALL)


def test_of_several_models_one_must_be_chosen_and_is_then_named_in_every_request() -> None:
    two = {"data": [{"id": "small"}, {"id": "large"}]}
    with serving({MODELS: two}) as server:
        with pytest.raises(BadInput, match="serves 2 models") as caught:
            at(server.url())
        assert "--model: large, small" in caught.value.hint
        with pytest.raises(BadInput, match="'lagre'") as caught:
            at(server.url(), model="lagre")
        assert "did you mean 'large'" in caught.value.hint
        large, small = (at(server.url(), model=name) for name in ("large", "small"))
    body = large.prepare(large.dialect.encode(GenerationRequest())).split(b"\r\n\r\n")[1]
    assert json.loads(body)["model"] == "large"
    assert large.subject.artifact.name == "large"
    assert large.subject.id != small.subject.id


def test_a_server_without_a_list_is_taken_at_the_users_word() -> None:
    with serving({}) as server:
        engine = at(server.url(), model="mine")
        assert isinstance(engine.identity().name, Missing)
        with pytest.raises(BadInput, match=r"/v1/models does not exist") as caught:
            at(server.url())
    assert engine.subject.artifact.name == "mine"
    assert "/chat/completions" in caught.value.hint


def vllm_tokens(wish: dict[str, object]) -> object:
    if "prompt" not in wish:
        return Reply({"error": "prompt is missing"}, 400)
    return {"count": 3, "max_model_len": 4096, "tokens": [5, 6, 7]}


def test_vllm_is_known_by_its_own_routes() -> None:
    listing = {"data": [{"id": "qwen", "owned_by": "vllm", "max_model_len": 4096}]}
    routes = {MODELS: listing, "/version": {"version": "0.11"}, "/tokenize": vllm_tokens}
    with serving(routes, header="uvicorn") as server:
        engine = at(server.url("/v1"))
        claim = engine.identity()
        assert engine.tokenise("any") == (5, 6, 7)
    assert (claim.build, claim.context_tokens) == (
        Measured("0.11", "engine"),
        Measured(4096, "engine"),
    )
    assert engine.software == Measured("vllm 0.11", "engine")


def test_what_an_unknown_server_cannot_tell_is_missing_with_a_reason() -> None:
    with serving({MODELS: ONE_MODEL}) as server:
        engine = at(server.url())
        with pytest.raises(UnsupportedSubject, match="counts tokens"):
            engine.tokenise("any")
    assert engine.software == Measured("foreign/1", "engine")
    assert isinstance(engine.load_s, Missing)
    assert "whoever runs the server" in str(engine.log_path)


def test_no_answer_or_several_names_are_not_one_model() -> None:
    with serving({MODELS: ONE_MODEL}) as server:
        engine = at(server.url())
    assert engine.answered(["small-2026-01-01", None]).passed
    assert not engine.answered(["small", "large"]).passed
    assert not engine.answered([None]).passed


def test_a_base_path_and_the_key_go_into_every_request() -> None:
    with serving({"/gate/v1/models": ONE_MODEL}) as server:
        engine = at(server.url("/gate/v1"), key=Measured(Secret(KEY), "client"))
        headers, _ = server.last("/gate/v1/models")
        others = [path for _, path, _, _ in server.asked]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert {path.split("/")[1] for path in others} == {"gate"}
    head = engine.prepare(engine.dialect.encode(GenerationRequest())).split(b"\r\n\r\n")[0]
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /gate/v1/chat/completions HTTP/1.1"
    assert lines[1] == f"Host: 127.0.0.1:{server.port}"
    assert f"Authorization: Bearer {KEY}" in lines
    assert "Accept: text/event-stream, application/json" in lines
    assert "Accept-Encoding: identity" in lines


def test_the_schemes_own_port_is_left_out_of_the_host() -> None:
    endpoint = Endpoint.read("https://[::1]/v1")
    assert prepare_for(CALL, endpoint, {}).split(b"\r\n")[1] == b"Host: [::1]"


def test_the_key_is_seen_nowhere_but_on_the_wire() -> None:
    with serving({MODELS: ONE_MODEL}) as server:
        engine = at(server.url(), key=Measured(Secret(KEY), "client"))
    shown = f"{engine} {engine!r} {engine.headers} {engine.manners} {engine.connection()}"
    assert KEY not in shown
    assert told(engine.connection())["api_key"] == "sent"


def test_words_of_the_server_are_covered_however_the_key_was_written() -> None:
    key = 'sk-a/b"c'
    with serving({MODELS: ONE_MODEL}) as server:
        engine = at(server.url(), key=Measured(Secret(key), "client"))
        open_to_all = at(server.url())
    ways = (f"Bearer {key}", json.dumps({"error": key}), json.dumps([key]).replace("/", "\\/"))
    for words in ways:
        assert "a/b" not in engine.cover(words).replace("\\", "")
        assert "***" in engine.cover(words)
        assert open_to_all.cover(words) == words


def test_a_server_that_repeats_the_key_in_its_refusal_is_not_quoted_with_it() -> None:
    # Long enough that a cut through the middle of the key would leave most of it.
    words = "x" * 250 + f" wrong key: Bearer {KEY}; {KEY}"
    with serving({MODELS: Reply({"error": words}, 401)}) as server:
        with pytest.raises(
            BadInput, match=r"does not let us in \(401\), the key was refused"
        ) as no:
            at(server.url(), key=Measured(Secret(KEY), "client"))
        with pytest.raises(BadInput, match="no key was sent"):
            at(server.url())
    assert KEY[:8] not in str(no.value)
    assert "--api-key-env" in no.value.hint


def test_a_redirect_is_named_and_not_followed() -> None:
    with serving({MODELS: ONE_MODEL}) as target:
        to = f"http://me:hunter2@127.0.0.1:{target.port}/v1/models?token=hunter2"
        with (
            serving({MODELS: Reply(b"", 307, {"Location": to})}) as server,
            pytest.raises(BadInput, match=r"points elsewhere \(307\)") as caught,
        ):
            at(server.url(), key=Measured(Secret(KEY), "client"))
        assert target.asked == []
    said = str(caught.value) + caught.value.hint
    assert f"name http://127.0.0.1:{target.port}/v1/models" in caught.value.hint
    assert "hunter2" not in said


def test_a_redirect_within_the_server_is_named_whole() -> None:
    with (
        serving({MODELS: Reply(b"", 308, {"Location": "/api/v1/models"})}) as server,
        pytest.raises(BadInput, match=f"to http://127.0.0.1:{server.port}/api/v1/models"),
    ):
        at(server.url())


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(b"<html>Welcome</html>"), DialectError, "no JSON: '<html>"),
        (Reply(b"\xff\xfe\x00"), DialectError, "no JSON"),
        (Reply(b"[" * 100_000), DialectError, "no JSON"),
        (Reply([]), DialectError, "lists no models"),
        (Reply({"data": []}), DialectError, "serves no model"),
        (Reply({"error": {"message": "Loading model"}}, 503), DialectError, "503: .*Loading model"),
        (Reply({"error": "slow down"}, 429), DialectError, "429: .*slow down"),
        (
            Reply(gzip.compress(b"{}"), 200, {"Content-Encoding": "gzip"}),
            DialectError,
            "'gzip', which was not asked for",
        ),
        (Reply(b"x" * 17_000_000), EngineError, "more than 16777216 bytes"),
    ],
)
def test_nonsense_is_called_by_its_name(reply: Reply, error: type[Exception], words: str) -> None:
    with serving({MODELS: reply}) as server, pytest.raises(error, match=words):
        at(server.url())


@pytest.mark.parametrize(
    "bytes_said",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"],
)
def test_what_is_no_http_is_said_so(bytes_said: bytes) -> None:
    with (
        saying(bytes_said) as server,
        pytest.raises(EngineError, match="gave no HTTP answer") as caught,
    ):
        at(server.url())
    assert "right port" in caught.value.hint


@pytest.mark.parametrize("length", [b"Content-Length: 500\r\n", b""])
def test_a_server_that_drips_is_not_waited_for(length: bytes) -> None:
    # Its answer would be good JSON after 5 s; cut off, that without a length looks whole.
    pieces = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + length + b"\r\n1", *[b"0"] * 499]
    with saying(*pieces, pause_s=0.01) as server:
        caller = Caller(Endpoint.read(server.url()), timeout_s=0.3)
        with pytest.raises(EngineError, match="no whole answer within 0.3 s"):
            caller.ask(CALL)
        assert len(server.asked) < len(pieces)


def test_a_server_that_is_silent_is_not_waited_for() -> None:
    with saying(b"", pause_s=20) as server:
        caller = Caller(Endpoint.read(server.url()), timeout_s=0.2)
        with pytest.raises(EngineError, match="no whole answer within 0.2 s"):
            caller.ask(CALL)


def test_a_name_without_an_address_is_said_so() -> None:
    with pytest.raises(EngineError, match=r"'no-such-host\.invalid' has no address"):
        at("http://no-such-host.invalid:8000")


def test_a_proxy_that_is_set_is_named_and_not_used() -> None:
    with serving({MODELS: ONE_MODEL}) as proxy, serving({MODELS: ONE_MODEL}) as server:
        env = {"HTTP_PROXY": f"http://me:hunter2@127.0.0.1:{proxy.port}"}
        engine = at(server.url(), env=env)
        assert proxy.asked == []
        assert server.asked
    said = told(engine.connection())["proxy"]
    assert said == f"direct; HTTP_PROXY (http://127.0.0.1:{proxy.port}) is set and was not used"
    assert "hunter2" not in repr(engine)
    with serving({MODELS: ONE_MODEL}) as server:
        assert told(at(server.url()).connection())["proxy"] == "direct"


def test_a_certificate_must_be_trusted_and_fit_the_name(certificate: Path) -> None:
    with serving({MODELS: ONE_MODEL}, tls=certificate) as server:
        url = server.url(scheme="https", host="localhost")
        with pytest.raises(EngineError, match="not trusted: self-signed certificate") as caught:
            at(url)
        assert "--cacert" in caught.value.hint
        assert "--insecure" in caught.value.hint
        engine = at(url, trust=Trust(cacert=certificate))
        assert told(engine.connection())["transport"].startswith("TLSv1.")
        assert told(engine.connection())["transport"].endswith(", verified by both.pem")
        with pytest.raises(EngineError, match="not valid for '127.0.0.1'"):
            at(server.url(scheme="https"), trust=Trust(cacert=certificate))


def test_a_connection_that_nobody_has_verified_says_so_in_the_record(certificate: Path) -> None:
    with serving({MODELS: ONE_MODEL}, tls=certificate) as server:
        engine = at(server.url(scheme="https"), trust=Trust(insecure=True))
        controls = told(engine.controls(Controls()))
    assert controls["transport"].endswith(", not verified")
    assert engine.scheme == "https"


def test_a_drip_over_tls_is_broken_off_too(certificate: Path) -> None:
    def slow(_: object) -> object:
        time.sleep(1.5)
        return ONE_MODEL

    with serving({MODELS: slow}, tls=certificate) as server:
        endpoint = Endpoint.read(server.url(scheme="https"))
        with pytest.raises(EngineError, match="no whole answer within 0.5 s"):
            Caller(endpoint, Trust(insecure=True), timeout_s=0.5).ask(CALL)


def test_the_wrong_scheme_is_named_with_the_right_one(certificate: Path) -> None:
    with serving({MODELS: ONE_MODEL}, tls=certificate) as server:
        with pytest.raises(EngineError) as caught:
            at(server.url(host="localhost"))
        assert f"https://localhost:{server.port}" in caught.value.hint
    with serving({MODELS: ONE_MODEL}) as server:
        with pytest.raises(EngineError, match="does not speak TLS") as caught:
            at(server.url(scheme="https"))
        assert f"http://127.0.0.1:{server.port}" in caught.value.hint


def test_a_file_that_holds_no_certificate_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    for name in ("ca.pem", "gone.pem"):
        with pytest.raises(BadInput, match="cannot be used as certificates") as caught:
            at("https://127.0.0.1:9", trust=Trust(cacert=tmp_path / name))
        assert "PEM" in caught.value.hint


FAR, SAFE, NEAR = "http://10.0.0.1:8000", "https://api.example.com", "http://localhost:8000"


def key_for(url: str, env: dict[str, str], **more: object) -> object:
    trust = Trust(insecure=bool(more.pop("insecure", False)))
    return api_key(Endpoint.read(url), trust, env, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", [SAFE, NEAR])
def test_a_key_goes_where_nobody_in_between_can_read_it(url: str) -> None:
    assert key_for(url, {"OPENAI_API_KEY": f" {KEY}\n"}) == Measured(Secret(KEY), "client")
    assert key_for(url, {"MINE": KEY}, variable="MINE") == Measured(Secret(KEY), "client")


@pytest.mark.parametrize(("url", "insecure"), [(FAR, False), (SAFE, True)])
def test_a_key_does_not_go_where_it_could_be_read_unless_that_is_said(
    url: str, insecure: bool
) -> None:
    withheld = key_for(url, {"OPENAI_API_KEY": KEY}, insecure=insecure)
    assert isinstance(withheld, Missing)
    assert (withheld.code, "was not sent" in withheld.detail) == ("key_withheld", True)
    with pytest.raises(BadInput, match="the key in MINE would be readable") as caught:
        key_for(url, {"MINE": KEY}, variable="MINE", insecure=insecure)
    assert KEY not in str(caught.value) + caught.value.hint
    sent = key_for(url, {"MINE": KEY}, variable="MINE", insecure=insecure, anywhere=True)
    assert sent == Measured(Secret(KEY), "client")


def test_a_key_that_was_named_must_be_there() -> None:
    with pytest.raises(BadInput, match="the variable MINE is not set"):
        key_for(SAFE, {"OPENAI_API_KEY": KEY}, variable="MINE")
    none = key_for(SAFE, {})
    assert isinstance(none, Missing)
    assert none.code == "no_key"


@pytest.mark.parametrize("value", ["sk a", "sk\nHost: x", "sk-ключ", "sk\x00"])
def test_what_no_header_can_carry_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(BadInput, match="OPENAI_API_KEY holds is no key") as caught:
        key_for(SAFE, {"OPENAI_API_KEY": value})
    assert value not in str(caught.value)
