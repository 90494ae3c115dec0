"""Docker and Podman as programs: what is on PATH, what it is told, and what its words mean.

Every call is a list of arguments, no shell; none of them gets a Ctrl+C of our terminal. The two
take the same words for all that is asked here. Not aware of engines, images or models. Sources: the
command-line references of Docker 28 and Podman 4 and 5; the words of their errors as both print
them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, final

from steelyard.domain.errors import (
    BadInput,
    Busy,
    EngineError,
    HubRefused,
    SteelyardError,
    TooLittleRoom,
    TransferFailed,
    UnknownName,
    UnsupportedSubject,
)

ANY: Final = "container"
TOOLS: Final = ("docker", "podman")
NAMES: Final = (ANY, *TOOLS)
# On every container that we start: who has started it, so that it can be told when nobody is left.
OWNER: Final = "steelyard.owner"
_LIMIT_S: Final = 30.0
_REMOVAL_LIMIT_S: Final = 60.0
_LAST_LINES: Final = 3
_ABSENT: Final = ("no such container", "no such image", "no such object", "image not known")


@final
@dataclass(frozen=True, slots=True)
class Tool:
    """A container tool that answers; `version` is the server's where there is one."""

    name: str
    program: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def ask(self, *words: str, limit_s: float = _LIMIT_S) -> str:
        """Run one command to its end and return what it printed; raise what its error means."""
        ended = run((self.program, *words), limit_s)
        if ended.returncode:
            refuse(self.name, ended.stderr.strip() or ended.stdout.strip())
        return ended.stdout

    def inspect(self, what: str, kind: str = "container") -> dict[str, Any] | None:
        """Return what the tool knows of a container or an image; None where there is none."""
        ended = run((self.program, kind, "inspect", what), _LIMIT_S)
        if ended.returncode:
            if _absent(ended.stderr):
                return None
            refuse(self.name, ended.stderr.strip())
        found = json.loads(ended.stdout)
        return found[0] if isinstance(found, list) and found else None

    def remove(self, name: str) -> str:
        """Remove a container, whatever it is doing; return what went wrong, empty for nothing."""
        ended = run((self.program, "rm", "--force", name), _REMOVAL_LIMIT_S)
        return "" if not ended.returncode or _absent(ended.stderr) else ended.stderr.strip()

    def ours(self) -> dict[str, str]:
        """Return the containers that any Steelyard has started, by id, with their owners."""
        listed = self.ask("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={OWNER}")
        found = {}
        for each in listed.split():
            # One that ends while we look is no longer there.
            if (told := self.inspect(each)) is not None:
                found[each] = str((told.get("Config") or {}).get("Labels", {}).get(OWNER, ""))
        return found


def find(asked: str = ANY) -> Tool:
    """Return the tool that was asked for, or the first that answers, docker before podman.

    Raises `BadInput` where it is not installed, `EngineError` where it does not answer.
    """
    if asked not in NAMES:
        raise UnknownName.among("container tool", asked, NAMES)
    wanted = TOOLS if asked == ANY else (asked,)
    failures: list[SteelyardError] = []
    for name in wanted:
        try:
            return _answering(name)
        except SteelyardError as error:
            failures.append(error)
    there = [error for error in failures if not isinstance(error, BadInput)]
    if there or asked != ANY:
        raise (there or failures)[0]
    raise BadInput(
        "neither docker nor podman is on PATH",
        hint="install one of them, or leave --runtime out",
    )


def look() -> Iterator[tuple[str, Tool | SteelyardError]]:
    """Say of each tool what it is, or why it cannot be used."""
    for name in TOOLS:
        try:
            yield name, _answering(name)
        except SteelyardError as error:
            yield name, error


def owner() -> str:
    """Return who we are, so that others can tell whether we are still there."""
    return ":".join((socket.gethostname(), _boot(), _space(), str(os.getpid()), _born(os.getpid())))


def is_left_over(owned_by: str) -> bool:
    """Whether whoever started a container is certainly gone.

    One of another machine, or of another space of processes, cannot be looked for: it is left.
    """
    parts = owned_by.split(":")
    if len(parts) != len(owner().split(":")) or parts[0] != socket.gethostname():
        return False
    if parts[1] != _boot():
        return True
    return parts[2] == _space() and _born(int(parts[3])) != parts[4]


def clear_left_overs(tool: Tool) -> tuple[str, ...]:
    """Remove the containers whose owners are gone; return their ids."""
    gone = [each for each, by in tool.ours().items() if is_left_over(by)]
    return tuple(each for each in gone if not tool.remove(each))


def run(argv: Sequence[str], limit_s: float) -> subprocess.CompletedProcess[str]:
    """Run a command away from our terminal; raise `EngineError` where it hangs or cannot start."""
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"{Path(argv[0]).name} {argv[1]} did not answer within {limit_s:g} s",
            hint="is its daemon well? try the same by hand",
        ) from None
    except OSError as error:
        raise EngineError(f"{argv[0]} cannot be started: {error.strerror}") from None


def refuse(tool: str, words: str) -> NoReturn:
    """Raise what a tool's error means, with the way out."""
    lower = words.lower()
    for signs, kind, what, hint in _MEANINGS:
        if any(sign in lower for sign in signs):
            raise kind(f"{tool}: {what} ({_short(words)})", hint=hint)
    raise EngineError(f"{tool} failed: {_short(words)}", hint="try the same command by hand")


def _answering(name: str) -> Tool:
    program = shutil.which(name)
    if program is None:
        raise BadInput(
            f"{name} is not on PATH", hint=f"install {name}, or leave --runtime {name} out"
        )
    # Podman has a server only where it works on another machine.
    form = "{{.Server.Version}}" if name == "docker" else "{{.Client.Version}}"
    ended = run((program, "version", "--format", form), _LIMIT_S)
    if ended.returncode or not ended.stdout.strip():
        refuse(name, ended.stderr.strip() or "it told no version")
    return Tool(name, program, ended.stdout.strip())


def _absent(words: str) -> bool:
    return any(sign in words.lower() for sign in _ABSENT)


def _short(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("See '", "Run '"))]
    return " / ".join(lines[-_LAST_LINES:])[:400]


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return "-"


def _space() -> str:
    """Return in which space of process ids we are: in another a number is another process's."""
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    return "-"


def _born(pid: int) -> str:
    """Return when a process was started, in the kernel's own count; empty where it is gone."""
    import psutil

    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        with contextlib.suppress(psutil.Error):
            return "" if Path("/proc/self").exists() else f"{psutil.Process(pid).create_time():.0f}"
        return ""
    # The name in the second field may hold anything, a bracket too.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


_MEANINGS: Final[tuple[tuple[tuple[str, ...], type[SteelyardError], str, str], ...]] = (
    (
        ("permission denied while trying to connect", "dial unix /var/run/docker.sock: connect: p"),
        EngineError,
        "we may not speak to its daemon",
        "add yourself to the group docker and log in again, or take rootless docker or podman",
    ),
    (
        ("cannot connect to the docker daemon", "failed to connect to the docker api"),
        EngineError,
        "its daemon does not run",
        "start it: `systemctl start docker`, or Docker Desktop",
    ),
    (
        ("cannot connect to podman", "unable to connect to podman"),
        EngineError,
        "its machine does not run",
        "start it: `podman machine start`",
    ),
    (
        ("port is already allocated", "address already in use"),
        Busy,
        "the port is taken",
        "leave the port out, or pick a free one",
    ),
    (
        ("could not select device driver", "unresolvable cdi", "no such device: nvidia.com"),
        EngineError,
        "it cannot give a container the NVIDIA GPU",
        "install the NVIDIA Container Toolkit (podman: `nvidia-ctk cdi generate`)",
    ),
    (
        ("no space left on device",),
        TooLittleRoom,
        "its disk is full",
        "free some: `docker system df` shows what its images take",
    ),
    (
        (
            *("no matching manifest", "no image found in manifest list"),
            "no image found in image index",
        ),
        UnsupportedSubject,
        "the image is not published for this machine's architecture",
        "name another with --image",
    ),
    (
        ("manifest unknown", "manifest for", "not found: manifest"),
        BadInput,
        "there is no such image",
        "check its name and tag, or name another with --image",
    ),
    (
        (
            *("no such host", "i/o timeout", "network is unreachable", "connection refused"),
            *("temporary failure in name resolution", "tls handshake timeout", "no route to host"),
            *("client.timeout exceeded", "request canceled while waiting for connection"),
        ),
        TransferFailed,
        "the registry cannot be reached",
        "connect to a network once: an image that is here needs none",
    ),
    (
        ("unauthorized", "access denied", "denied: ", "authentication required"),
        HubRefused,
        "the registry hands it out to nobody or only to those who are logged in",
        "check the name; `docker login` or `podman login` where it needs an account",
    ),
    (
        ("no such image", "image not known"),
        BadInput,
        "the image is not here",
        "it is fetched where a network is",
    ),
)
