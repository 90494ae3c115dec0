"""The host with small programs as engines: starting, waiting, giving up, leaving nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests import ports
from tests.platform.test_process import eventually_gone

from steelyard.domain.errors import Busy, DialectError, EngineError
from steelyard.domain.run import Controls, Place
from steelyard.domain.subject import Artifact, Subject
from steelyard.engines import host
from steelyard.engines.api import HttpCall, LaunchPlan, ReadyProbe
from steelyard.engines.llamacpp import LlamaCpp

MODEL = Subject(Artifact("m.gguf", "gguf", sha256="ab" * 32))
SERVER = """
import http.server, json, os, sys, time
print("loading", flush=True)
born = time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = time.monotonic() - born > float(sys.argv[2])
        status = 200 if ready else 503
        if self.path == "/broken": status = 500
        body = json.dumps({"pid": os.getpid()}).encode() if self.path != "/text" else b"plain"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
if sys.argv[3:] == ["fork"] and os.fork() == 0:
    time.sleep(60)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@dataclass
class Stub:
    """A dialect that starts a given program; all else is llama.cpp's."""

    code: str = SERVER
    words: tuple[str, ...] = ("0",)
    ready: ReadyProbe = field(default_factory=lambda: ReadyProbe("/health"))

    def launch(self, _subject: Subject, _controls: Controls, place: Place) -> LaunchPlan:
        argv = (sys.executable, "-c", self.code, str(place.port), *self.words)
        return LaunchPlan(argv, self.ready, env={"PYTHONUNBUFFERED": "1"})

    def __getattr__(self, name: str) -> object:
        return getattr(LlamaCpp(), name)


def start(stub: Stub, folder: Path, port: int = 0, limit_s: float = 20.0) -> host.RunningEngine:
    place = Place(program=(), paths={}, folder=folder, port=port)
    return host.start(stub, MODEL, Controls(), place, load_timeout_s=limit_s)  # type: ignore[arg-type]


def processes_in(folder: Path) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if any(folder in link.readlink().parents for link in (entry / "fd").iterdir()):
                yield int(entry.name)
        except OSError:
            continue


def test_an_engine_is_waited_for_while_it_loads(tmp_path: Path) -> None:
    with start(Stub(words=("0.3",)), tmp_path) as engine:
        assert engine.load_s > 0.3
        assert engine.ask(HttpCall("GET", "/")) == {"pid": engine.pid}
        assert engine.alive()
    assert not engine.alive()
    assert eventually_gone([engine.pid])


def test_its_port_opens_before_it_is_ready_and_the_longest_time_unlooked_is_told(
    tmp_path: Path,
) -> None:
    place = Place(program=(), paths={}, folder=tmp_path)
    stub = Stub(code=f"import time; time.sleep(0.3)\n{SERVER}", words=("3",))
    with host.start(stub, MODEL, Controls(), place, poll_max_s=0.01) as engine:  # type: ignore[arg-type]
        found = engine.startup
    assert 0.3 < found.port_s < found.ready_s - 0.2
    assert 0 < found.blind_s < 2
    assert engine.load_s == found.ready_s


def test_its_words_go_to_a_file(tmp_path: Path) -> None:
    with start(Stub(), tmp_path) as engine:
        assert engine.log_path.read_text().startswith("loading")


def test_a_crash_while_loading_shows_the_last_words(tmp_path: Path) -> None:
    crash = Stub(code="import sys; print('no memory for tensors'); sys.exit(9)")
    with pytest.raises(EngineError, match=r"code 9 while loading:\nno memory for tensors"):
        start(crash, tmp_path)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    @dataclass
    class Nowhere:
        name: str = "nowhere"

        def launch(self, *_: object) -> LaunchPlan:
            return LaunchPlan(("/no/such/llama-server",), ReadyProbe("/health"))

    place = Place(program=(), paths={}, folder=tmp_path)
    with pytest.raises(EngineError, match="cannot start /no/such/llama-server"):
        host.start(Nowhere(), MODEL, Controls(), place)  # type: ignore[arg-type]


def test_loading_too_long_is_given_up_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"not ready after 0\.5 s"):
        start(Stub(words=("60",)), tmp_path, limit_s=0.5)
    assert eventually_gone(list(processes_in(tmp_path)))


def test_a_ready_route_that_is_broken_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="answered 500"):
        start(Stub(ready=ReadyProbe("/broken")), tmp_path)


def test_a_port_that_is_taken_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Busy, match=f"port {port} on 127.0.0.1 is taken"):
            start(Stub(), tmp_path, port=port)
    assert not (tmp_path / "engine.log").exists()


def test_a_stranger_on_the_port_is_not_mistaken_for_the_engine(tmp_path: Path) -> None:
    idle = "import time; time.sleep(60)"
    stranger_code = "import os\nif os.fork() == 0:\n os.setsid()\n exec(SERVER)\n" + idle
    code = f"SERVER = {SERVER!r}\nimport sys\n" + stranger_code
    with pytest.raises(Busy, match="another program"):
        start(Stub(code=code), tmp_path)
    # The stranger is a process of its own group: it is ours to end, not the host's.
    for pid in processes_in(tmp_path):
        os.kill(pid, signal.SIGKILL)


def test_a_chosen_port_is_used(tmp_path: Path) -> None:
    port = ports.free()
    with start(Stub(), tmp_path, port=port) as engine:
        assert engine.port == port


def test_an_answer_that_is_an_error_is_not_taken_for_one(tmp_path: Path) -> None:
    with start(Stub(), tmp_path) as engine:
        with pytest.raises(DialectError, match="refused /broken: 500"):
            engine.ask(HttpCall("GET", "/broken"))
        with pytest.raises(DialectError, match="no JSON: 'plain'"):
            engine.ask(HttpCall("GET", "/text"))


def test_a_dead_engine_is_told_from_a_silent_one(tmp_path: Path) -> None:
    with start(Stub(), tmp_path) as engine:
        os.kill(engine.pid, signal.SIGKILL)
        eventually_gone([engine.pid])
        with pytest.raises(EngineError, match="it has died: loading"):
            engine.ask(HttpCall("GET", "/"))


OURS = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from tests.engines.test_host import Stub, start
with start(Stub(words=("0", "fork")), pathlib.Path(sys.argv[2])) as engine:
    print(engine.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_we_end(tmp_path: Path, number: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", OURS, str(root), str(tmp_path)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=quiet) as ours:
        try:
            assert ours.stdout is not None
            engine = int(ours.stdout.readline())
            family = list(processes_in(tmp_path))
            assert engine in family
            assert len(family) == 2
            ours.send_signal(number)
            assert ours.wait(10) != 0
        finally:
            ours.kill()
    assert eventually_gone(family)


def test_loading_can_be_interrupted(tmp_path: Path) -> None:
    code = OURS.replace('words=("0", "fork")', 'words=("60",)')
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", code, str(root), str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as ours:
        end = time.monotonic() + 10
        while not (family := list(processes_in(tmp_path))):
            assert time.monotonic() < end
            time.sleep(0.02)
        ours.send_signal(signal.SIGINT)
        ours.wait(10)
    assert eventually_gone(family)
