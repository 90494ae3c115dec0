"""Start an engine, wait until it can work, ask it, stop it. Control calls only, never timed.

The engine runs in a group of its own on a leash (`platform.process`), writes to a log file and
never to a pipe, and nothing of it is left afterwards. Its port is found free and held back from
others until the engine has bound it; before a question is asked, the listener is proved to belong
to the engine that was started. An engine in a container is begun by `engines.contained`, whose tool
binds the port itself.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import Busy, DialectError, EngineError, Refused, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.startup import Startup
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import contained
from steelyard.engines.api import (
    Asking,
    Attachable,
    Dialect,
    Evidence,
    HttpCall,
    IdentityClaim,
    LaunchPlan,
    PromptFacts,
    ShowsPrompts,
)
from steelyard.engines.contained import ContainerChild
from steelyard.engines.http1 import prepare
from steelyard.engines.images import RUNTIME
from steelyard.engines.words import Words
from steelyard.platform import process
from steelyard.platform.disk_reads import read_bytes
from steelyard.platform.listening import listens

POLL_MAX_S: Final = 0.2
_POLL_S: Final = 0.01
_PROBE_TIMEOUT_S: Final = 5.0
_ASK_TIMEOUT_S: Final = 120.0
_GRACE_S: Final = 5.0
_LOG_LINES: Final = 20
_OK: Final = 200
_PORT_TRIES: Final = 3


@final
class RunningEngine:
    """A server that is up and ours. Leave the `with` block and nothing of it is left."""

    def __init__(
        self,
        dialect: Dialect,
        subject: Subject,
        begun: _Begun,
        place: Place,
        startup: Startup,
    ) -> None:
        plan = begun.plan
        self.dialect = plan.speaks or dialect
        self.startup = startup
        self.host = place.host
        self.port = place.port
        self.log_path = _log_path(place)
        self.family = begun.family
        self.called = plan.called or subject.artifact.name
        self._subject = subject
        self._child = begun.child
        self._outside = begun.outside
        log = place.folder / "tokenizer.log"
        self._words = Words(plan.words, plan.env, log) if plan.words else None

    @property
    def load_s(self) -> float:
        """Seconds from the start of its process until it said that it can work."""
        return self.startup.ready_s

    @property
    def pid(self) -> int:
        """The process whose tree holds all of the engine's memory and CPU time.

        Raises `EngineError` for one in a container whose processes we do not see (`family`).
        """
        if isinstance(self.family, Missing):
            raise EngineError(f"{self.dialect.name}: {self.family}")
        return self.family.value

    def alive(self) -> bool:
        """Whether the process is still there."""
        if isinstance(self._child, ContainerChild):
            return self._child.alive(self.family)
        return self._child.returncode() is None

    def prepare(self, call: HttpCall) -> bytes:
        """Return the complete bytes of a measured request."""
        return prepare(call, self.host, self.port)

    def ask(self, call: HttpCall) -> object:
        """Make a control call; return the JSON of its answer or raise `EngineError`."""
        try:
            status, body = _call(self.host, self.port, call, _ASK_TIMEOUT_S)
        except (OSError, http.client.HTTPException) as error:
            state = "is up" if self.alive() else f"has died: {last_lines(self.log_path)}"
            raise EngineError(
                f"{self.dialect.name} gave no answer to {call.path} ({error}); it {state}"
            ) from None
        text = body.decode(errors="replace")
        if status != _OK:
            raise Refused(f"{self.dialect.name} refused {call.path}: {status} {text[:300]}", status)
        try:
            return json.loads(text)
        except ValueError:
            raise DialectError(f"{call.path} answered no JSON: {text[:120]!r}") from None

    def identity(self) -> IdentityClaim:
        """Ask what is served; a file is named as it is called out here."""
        claim = self.dialect.read_identity(self._identity_answers())
        told = claim.model_path
        if isinstance(told, Missing) or told.value not in self._outside:
            return claim
        return replace(claim, model_path=replace(told, value=str(self._outside[told.value])))

    def tokenise(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Return the served model's tokens of a text."""
        if self._words is not None:
            return self.dialect.read_tokens(self._words.ask({"text": text, "special": special}))
        return self.dialect.read_tokens(self.ask(self.dialect.tokenise_call(text, special=special)))

    def prompt_facts(self, request: GenerationRequest) -> PromptFacts:
        """Return what the engine makes of a request; `UnsupportedSubject` if it cannot say."""
        if not isinstance(self.dialect, ShowsPrompts):
            raise UnsupportedSubject(
                f"{self.dialect.name} cannot show the tokens that it makes of a conversation",
                hint="compare engines that can: llamacpp, mlx, transformers",
            )
        log = self.log_path.read_text(errors="replace")
        return self.dialect.prompt_facts(request, Asking(self.ask, self._ask_words, log))

    def controls(self, controls: Controls) -> tuple[AppliedControl, ...]:
        """Read back what is in force. Asks for a token or two: not before a cold start is timed."""
        evidence = Evidence(
            answers=self._identity_answers(),
            probes=tuple(self.ask(call) for call in self.dialect.control_probes(controls)),
            log=self.log_path.read_text(errors="replace"),
            affinity=_affinity(self.family),
        )
        return self.dialect.controls_readback(self._subject, controls, evidence)

    def stop(self) -> int:
        """Ask it to end, kill what is left; return how it ended."""
        if self._words is not None:
            self._words.stop()
        return self._child.stop(grace_s=_GRACE_S)

    def _identity_answers(self) -> tuple[object, ...]:
        return tuple(self._answer(call) for call in self.dialect.identity_calls())

    def _answer(self, call: HttpCall) -> object:
        """Ask; None where a dialect knows that not every version has the route."""
        try:
            return self.ask(call)
        except DialectError:
            if self._subject.runtime == RUNTIME and isinstance(self.dialect, Attachable):
                return None
            raise

    def _ask_words(self, question: Mapping[str, object]) -> Mapping[str, Any]:
        if self._words is None:
            raise UnsupportedSubject(f"{self.dialect.name} has no tokenizer that could be asked")
        return self._words.ask(question)

    def __enter__(self) -> RunningEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    dialect: Dialect,
    subject: Subject,
    controls: Controls,
    place: Place,
    *,
    load_timeout_s: float = 300.0,
    poll_max_s: float = POLL_MAX_S,
) -> RunningEngine:
    """Start what `subject` describes and wait until it is ready.

    A `place` with port 0 gets a free one. It is looked at again after `poll_max_s` at the latest.
    Raises `Busy` for a port that is taken, `EngineError` with the log's last lines if the engine
    ends or is not ready in time.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    if place.container is not None:
        return _start_contained(dialect, subject, controls, place, load_timeout_s, poll_max_s)
    with _reserve(place) as reservation:
        place = replace(place, port=reservation.getsockname()[1])
        plan = dialect.launch(subject, controls, place)
        log = _log_path(place)
        log.write_bytes(b"")
        looks = _Looks(time.monotonic_ns(), poll_max_s)
        child = process.start(plan.argv, log=log, env=plan.env, affinity=controls.affinity)
        try:
            _wait_ready(dialect.name, child, place, plan, load_timeout_s, looks)
            startup = looks.told(read_bytes(child.pid))
            if listens(child.pid, place.port) is False:
                raise Busy(
                    f"port {place.port} is answered by another program than the one started",
                    hint="leave the port out, or pick a free one",
                )
        except BaseException:
            child.stop(grace_s=_GRACE_S)
            raise
    begun = _Begun(child, plan, Measured(child.pid, "client"))
    return RunningEngine(dialect, subject, begun, place, startup)


def _start_contained(
    dialect: Dialect,
    subject: Subject,
    controls: Controls,
    place: Place,
    load_timeout_s: float,
    poll_max_s: float,
) -> RunningEngine:
    """Start it in a container; another program may take a free port before the tool does."""
    tries = 1 if place.port else _PORT_TRIES
    while True:
        with _reserve(place) as reservation:
            chosen = replace(place, port=reservation.getsockname()[1])
        tries -= 1
        try:
            return _contained(dialect, subject, controls, chosen, load_timeout_s, poll_max_s)
        except Busy:
            if not tries:
                raise


def _contained(
    dialect: Dialect,
    subject: Subject,
    controls: Controls,
    place: Place,
    load_timeout_s: float,
    poll_max_s: float,
) -> RunningEngine:
    log = _log_path(place)
    log.write_bytes(b"")
    looks = _Looks(time.monotonic_ns(), poll_max_s)
    started = contained.start(dialect, subject, controls, place, log)
    child, plan = started.child, started.plan
    try:
        _wait_ready(dialect.name, child, place, plan, load_timeout_s, looks)
        family = child.family(plan.argv)
        startup = looks.told(family if isinstance(family, Missing) else read_bytes(family.value))
        begun = _Begun(child, plan, family, started.outside)
    except BaseException:
        child.stop(grace_s=_GRACE_S)
        raise
    return RunningEngine(dialect, subject, begun, place, startup)


@final
@dataclass(frozen=True, slots=True)
class _Begun:
    """What was begun: the child, its plan, its first process, where its files lie out here."""

    child: process.Child | ContainerChild
    plan: LaunchPlan
    family: Reading[int]
    outside: Mapping[str, Path] = field(default_factory=dict)


@final
class _Looks:
    """When an engine was looked at on its way up, and what follows from it."""

    def __init__(self, started_ns: int, pause_max_s: float) -> None:
        self._started_ns = self._last_ns = started_ns
        self._open_ns: int | None = None
        self._blind_ns = 0
        self._pause_s, self._pause_max_s = min(_POLL_S, pause_max_s), pause_max_s

    def looked(self, *, connected: bool) -> None:
        """Note a look that has just ended."""
        now_ns = time.monotonic_ns()
        self._blind_ns = max(self._blind_ns, now_ns - self._last_ns)
        self._last_ns = now_ns
        if connected and self._open_ns is None:
            self._open_ns = now_ns

    def wait(self) -> None:
        """Let it work; the longer it takes, the more rarely it is looked at."""
        time.sleep(self._pause_s)
        self._pause_s = min(self._pause_max_s, self._pause_s * 1.2)

    def told(self, read: Reading[int]) -> Startup:
        """Return how it came up: it is ready now, and has read so much from storage."""
        ready_ns = time.monotonic_ns()
        return Startup(
            port_s=((self._open_ns or ready_ns) - self._started_ns) * 1e-9,
            ready_s=(ready_ns - self._started_ns) * 1e-9,
            blind_s=self._blind_ns * 1e-9,
            read_bytes=read,
        )


def last_lines(log: Path) -> str:
    """Return the end of a log, for people."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-_LOG_LINES:]) or "(the log is empty)"


def _wait_ready(
    name: str,
    child: process.Child | ContainerChild,
    place: Place,
    plan: LaunchPlan,
    timeout_s: float,
    looks: _Looks,
) -> None:
    end, probe = time.monotonic() + timeout_s, plan.ready
    answer = "no answer"
    call = HttpCall("GET", probe.path)
    while time.monotonic() < end:
        if (code := child.returncode()) is not None:
            if isinstance(child, ContainerChild):
                child.refused(last_lines(_log_path(place)))
            raise EngineError(
                f"{name} ended with code {code} while loading:\n{last_lines(_log_path(place))}",
                hint=f"its whole log: {_log_path(place)}",
            )
        try:
            status, _ = _call(place.host, place.port, call, _PROBE_TIMEOUT_S)
        except (OSError, http.client.HTTPException) as error:
            answer = str(error)
            # In front of a container the tool itself takes connections, and then breaks them off.
            proxied = isinstance(child, ContainerChild)
            refused = proxied or isinstance(error, ConnectionRefusedError)
            looks.looked(connected=not refused)
        else:
            looks.looked(connected=True)
            if status == probe.ready:
                for proof in (*([probe.proof] if probe.proof else []), *plan.first):
                    _prove(name, child, place, proof, end - time.monotonic())
                return
            answer = f"{probe.path} answered {status}"
            if status != probe.loading:
                raise EngineError(
                    f"{name}: {answer} instead of {probe.ready} or {probe.loading}:\n"
                    f"{last_lines(_log_path(place))}",
                    hint=f"its whole log: {_log_path(place)}",
                )
        looks.wait()
    raise EngineError(
        f"{name} was not ready after {timeout_s:g} s ({answer}):\n{last_lines(_log_path(place))}",
        hint="a larger model may need a longer load time-out",
    )


def _prove(
    name: str,
    child: process.Child | ContainerChild,
    place: Place,
    proof: HttpCall,
    timeout_s: float,
) -> None:
    """Have a request answered: only then has the engine loaded what it says it serves."""
    try:
        status, body = _call(place.host, place.port, proof, max(1.0, timeout_s))
    except (OSError, http.client.HTTPException) as error:
        status, body = 0, str(error).encode()
    if status != _OK or child.returncode() is not None:
        raise EngineError(
            f"{name} did not answer its first request: {status or 'nothing came'} "
            f"{body.decode(errors='replace')[:300]}\n{last_lines(_log_path(place))}",
            hint=f"its whole log: {_log_path(place)}",
        )


def _reserve(place: Place) -> socket.socket:
    """Bind without listening: no other program is given the port, and the engine may share it."""
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        if place.port and _somebody_answers(place):
            raise OSError
        reservation.bind((place.host, place.port))
    except OSError:
        reservation.close()
        raise Busy(
            f"port {place.port} on {place.host} is taken",
            hint="leave the port out, or pick a free one",
        ) from None
    return reservation


def _somebody_answers(place: Place) -> bool:
    try:
        socket.create_connection((place.host, place.port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _call(host: str, port: int, call: HttpCall, timeout_s: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        body = json.dumps(call.json).encode() if call.json else None
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(call.method, call.path, body, {**headers, **call.headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _affinity(family: Reading[int]) -> Reading[tuple[int, ...]]:
    if isinstance(family, Missing):
        return Missing("not_controllable", f"its cores are not seen: {family}")
    if not hasattr(os, "sched_getaffinity"):
        return Missing("not_exposed", "this system does not tell a process's cores")
    try:
        return Measured(tuple(sorted(os.sched_getaffinity(family.value))), source="client")
    except OSError as error:
        return Missing("not_readable", str(error))


def _log_path(place: Place) -> Path:
    return place.folder / "engine.log"
