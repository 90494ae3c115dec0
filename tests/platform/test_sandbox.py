"""The sandbox against what programs may try, on the real one; and its refusals."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from tests.platform.attacks import ATTACKS, Attack, program

from steelyard.domain.errors import CannotContain
from steelyard.platform import containment
from steelyard.platform.sandbox import Limits, Sandbox, end_running

SECRET, VARIABLE = "the-word-nobody-knows", "STEELYARD_TEST_SECRET"
LIMITS = Limits(cpu_s=1, memory_bytes=192 << 20, output_bytes=1 << 20)
MUCH_MIB = 400
SLOW = Limits(wall_s=600.0)
KILLED = 137


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    try:
        return containment.sandbox()
    except CannotContain as refused:
        pytest.skip(f"nothing can be contained here: {refused}")


@dataclass(frozen=True)
class Scene:
    """What an attack is after, and how to see whether it got there."""

    case: str
    folder: Path
    tcp: socket.socket
    udp: socket.socket

    def untouched(self) -> bool:
        """Say whether nobody came and nothing was written."""
        for door in (self.tcp, self.udp):
            door.settimeout(0)
            try:
                _ = door.recvfrom(9) if door is self.udp else door.accept()
            except BlockingIOError:
                continue
            return False
        return sorted(path.name for path in self.folder.iterdir()) == ["door", "secret"]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv(VARIABLE, SECRET)
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.chdir(tmp_path)  # a socket's path has to be short
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        udp.bind(("127.0.0.1", port := tcp.getsockname()[1]))
        unix.bind("door")
        unix.listen()
        case = {
            "port": port,
            "unix": "door" if len(str(tmp_path)) > 90 else str(tmp_path / "door"),
            "secret": str(tmp_path / "secret"),
            "home": str(Path.home()),
            "folder": str(tmp_path),
            "variable": VARIABLE,
            "much_mib": MUCH_MIB,
            "pid": os.getpid(),
        }
        yield Scene(json.dumps(case), tmp_path, tcp, udp)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_contained(attack: Attack, sandbox: Sandbox, scene: Scene) -> None:
    # To begin, and a second of processor time, take long where others want the processor too.
    limits = replace(LIMITS, wall_s=5.0 if attack.ends == "out_of_time" else 60.0)
    ran = sandbox.run(program(attack, scene.case), limits)
    assert ran.ending != "not_begun", ran.complaint
    assert b"OUT" not in ran.said
    assert SECRET.encode() not in ran.said
    assert scene.untouched()
    match attack.ends:
        case "finished":
            assert (ran.ending, ran.code) == ("finished", 0)
        case "killed":
            assert (ran.ending, ran.code) == ("finished", KILLED)
        case ending:
            assert ran.ending == ending


@pytest.mark.parametrize(
    "attack", [attack for attack in ATTACKS if attack.bare], ids=lambda attack: attack.name
)
def test_the_same_attack_gets_through_where_nothing_holds_it(attack: Attack, scene: Scene) -> None:
    text = f"RESULTS = 1\n{program(attack, scene.case)}"
    bare = subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, check=False)
    assert b"OUT" in bare.stdout, bare


def test_there_are_attacks_of_every_sort() -> None:
    assert len(ATTACKS) >= 25
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


def test_nothing_of_a_program_is_left_when_it_was_ended(sandbox: Sandbox) -> None:
    assert sandbox.run("import time; time.sleep(600)", Limits(wall_s=5.0)).ending == "out_of_time"
    until = time.monotonic() + 5
    while left := [p for p in psutil.process_iter(["cmdline"]) if ours(p)]:
        assert time.monotonic() < until, left
        time.sleep(0.02)


def ours(process: psutil.Process) -> bool:
    words = process.info["cmdline"] or []
    return "--die-with-parent" in words and process.ppid() == os.getpid()


@pytest.mark.usefixtures("sandbox")
def test_a_program_dies_with_whoever_runs_it() -> None:
    text = (
        "from steelyard.platform.containment import sandbox\n"
        "from steelyard.platform.sandbox import Limits\n"
        "print('up', flush=True)\n"
        "sandbox().run('import time; time.sleep(600)', Limits(wall_s=600))\n"
    )
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        runner.stdout.readline()
        until = time.monotonic() + 10
        while not (inside := sleeping(runner.pid)):
            assert time.monotonic() < until
            time.sleep(0.02)
        runner.kill()
        runner.wait()
        _, alive = psutil.wait_procs(inside, timeout=5)
        assert not alive


def sleeping(pid: int) -> list[psutil.Process]:
    """Return the processes below a runner, once the program itself is there."""
    below = psutil.Process(pid).children(recursive=True)
    return below if len(below) >= 3 else []


def test_what_a_program_says_comes_out_and_how_it_ended(sandbox: Sandbox) -> None:
    ran = sandbox.run("import os\nprint('aside')\nos.write(RESULTS, b'said')\nos._exit(7)")
    assert (ran.ending, ran.code, ran.said) == ("finished", 7, b"said")


# ── refusals ────────────────────────────────────────────────────────────────────────────────
def test_without_bubblewrap_it_is_refused_with_the_way_out() -> None:
    with pytest.raises(CannotContain, match="no bwrap here") as caught:
        containment.proved(None)
    assert "install bubblewrap" in caught.value.hint


def stand_in(folder: Path, text: str) -> str:
    path = folder / "bwrap"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return str(path)


def test_a_bubblewrap_that_may_not_is_refused_in_its_own_words(tmp_path: Path) -> None:
    denied = stand_in(tmp_path, "import sys\nsys.exit('bwrap: No permissions to create namespace')")
    with pytest.raises(CannotContain, match="No permissions to create namespace") as caught:
        containment.proved(denied)
    assert "user.max_user_namespaces" in caught.value.hint


def test_a_bubblewrap_that_holds_nothing_is_refused_and_says_what_got_out(tmp_path: Path) -> None:
    # It leaves out every wall and runs the program as it stands.
    open_door = stand_in(
        tmp_path,
        "import os, sys\nos.execv(sys.executable, sys.argv[sys.argv.index('--') + 1:])",
    )
    with pytest.raises(CannotContain, match="does not hold here: the network") as caught:
        containment.proved(open_door)
    assert "a file of this machine" in str(caught.value)


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CannotContain, match="on Linux only") as caught:
        containment.proved(shutil.which("bwrap"))
    assert "rescore" in caught.value.hint


def test_a_processor_without_a_known_filter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(CannotContain, match="no filter of system calls is known for riscv64"):
        containment.proved(shutil.which("bwrap"))


@pytest.mark.parametrize("wait_s", [0.0, 0.003, 0.01, 0.03, 0.3])
def test_a_program_is_ended_from_another_thread_however_far_it_is(
    sandbox: Sandbox, wait_s: float
) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(sandbox.run, "import time; time.sleep(600)", SLOW)
        while not running.done():
            time.sleep(wait_s)
            end_running()
        assert running.result().said == b""
    until = time.monotonic() + 5
    while left := [p for p in psutil.process_iter(["cmdline"]) if inside(p)]:
        assert time.monotonic() < until, left
        time.sleep(0.02)


def inside(process: psutil.Process) -> bool:
    return "/python/bin/python" in (process.info["cmdline"] or [])
