"""Whether this machine can contain generated code: tried, not believed, and refused if not.

Before the first program of a process runs, a probe tries to break out in the ways that matter. One
success is a refusal, and there is no way around it. Not aware of what is run afterwards.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from steelyard.domain.errors import CannotContain
from steelyard.platform.sandbox import Limits, Ran, Sandbox
from steelyard.platform.syscalls import ARCHITECTURES

PROGRAM: Final = "bwrap"
_INSTALL: Final = (
    "install bubblewrap (Debian, Ubuntu: `apt install bubblewrap`), or score elsewhere"
)
_ALLOW: Final = (
    "let ordinary users make namespaces (sysctl user.max_user_namespaces above 0; on Ubuntu an"
    " AppArmor profile for bwrap; in a container a seccomp profile that may), or score elsewhere"
)
_ELSEWHERE: Final = "copy the folder to a Linux machine with bubblewrap and rescore it there"
_LIMITS: Final = Limits(cpu_s=5, wall_s=20.0, memory_bytes=256 << 20)
# Each line tries what must fail; `open` names what got through.
_PROBE: Final = """
import json, os, socket
CASE = json.loads({case!r})
through = []
def tried(name, attempt):
    try:
        if attempt() is not False:
            through.append(name)
    except (OSError, MemoryError):
        pass
def reach():
    with socket.create_connection(("127.0.0.1", CASE["port"]), timeout=2):
        pass
def links():
    return os.listdir("/sys/class/net") != ["lo"]
def fork():
    if os.fork() == 0:
        os._exit(0)
def write(where):
    with open(os.path.join(where, "x"), "w") as file:
        file.write("x")
tried("the network", reach)
tried("a network device", links)
tried("a file of this machine", lambda: open(CASE["file"]).close())
tried("the list of processes", lambda: os.listdir("/proc/1"))
tried("a variable", lambda: CASE["variable"] in os.environ)
tried("other processes", lambda: os.kill(-1, 0))  # signal 0 only asks whether there are any
tried("a second process", fork)
tried("more memory than the limit", lambda: len(bytearray({memory})))
for place in ("/", "/tmp", "/dev", "/dev/shm", os.path.dirname(os.__file__)):
    tried("writing in " + place, lambda: write(place))
os.write(RESULTS, json.dumps(through).encode())
"""


@functools.cache
def sandbox() -> Sandbox:
    """Return a sandbox that held on this machine; tried once in each process.

    Raises:
        CannotContain: what is missing or what got out, and the way to mend it.
    """
    return proved(shutil.which(PROGRAM))


def proved(program: str | None) -> Sandbox:
    """Try a bubblewrap and return the sandbox that it makes; raises `CannotContain`."""
    if sys.platform != "linux":
        raise CannotContain(
            f"generated code is run on Linux only, in bubblewrap; this is {platform.system()}",
            hint=_ELSEWHERE,
        )
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise CannotContain(
            f"no filter of system calls is known for {platform.machine()}", hint=_ELSEWHERE
        )
    if program is None:
        raise CannotContain("generated code runs in bubblewrap only: no bwrap here", hint=_INSTALL)
    made = Sandbox(program, architecture)
    through = _break_out(made)
    if through:
        raise CannotContain(
            f"the sandbox does not hold here: {', '.join(through)} could be reached",
            hint=f"look at what {program} is, and at this machine's kernel",
        )
    return made


def _break_out(made: Sandbox) -> list[str]:
    """Return what a program inside could reach; raises `CannotContain` where none could be run."""
    with tempfile.NamedTemporaryFile() as file, socket.create_server(("127.0.0.1", 0)) as door:
        Path(file.name).chmod(0o644)
        case: Mapping[str, object] = {
            "port": door.getsockname()[1],
            "file": file.name,
            "variable": next(iter(os.environ), "PATH"),
        }
        text = _PROBE.format(case=json.dumps(case), memory=2 * _LIMITS.memory_bytes)
        ran = made.run(text, _LIMITS)
    if ran.ending != "finished" or ran.code:
        raise CannotContain(f"the sandbox cannot be made here: {_why(ran)}", hint=_ALLOW)
    found: list[str] = json.loads(ran.said)
    return found


def _why(ran: Ran) -> str:
    words = " ".join(ran.complaint.split())
    return words or f"its trial {ran.ending.replace('_', ' ')} (code {ran.code})"
