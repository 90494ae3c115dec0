"""The scripted engine's shell: sockets, an absolute schedule, and the truth log.

One thread, one epoll loop; every answer's bytes and moments are made by `scripted.script` before
the first is due. The stamp of a send is taken right before it. Not aware of clients.
"""

from __future__ import annotations

import gc
import heapq
import json
import os
import select
import signal
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final, final

from steelyard.scripted import script, vectors
from steelyard.scripted.plan import Plan
from steelyard.scripted.script import Cue, Scene
from steelyard.scripted.truth import Truth, line

_NS: Final = 1_000_000_000
_READ_BYTES: Final = 65_536
_CRASH: Final = 134  # as a shell reports an abort
_IDLE_S: Final = 0.5
_GENERATING: Final = ("/v1/chat/completions", "/completion")


@final
@dataclass(frozen=True, slots=True)
class Served:
    """What the server says of itself; `meta` is what it has read from the model file.

    `others` are models that it serves besides, by their names: a request says which it means.
    """

    model_path: str
    alias: str
    context_tokens: int
    slots: int
    threads: int
    seed: int
    meta: dict[str, int] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Whom it serves."""
        return (self.alias, *self.others)

    @property
    def vocabulary(self) -> int:
        """Tokens of the model, or a number to go by."""
        return self.meta.get("n_vocab", 2048)


@final
@dataclass(slots=True)
class _Caller:
    """One connection: what has come and not been read, what could not be sent yet."""

    sock: socket.socket
    came: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    closing: bool = False


@final
@dataclass(slots=True)
class _Performance:
    """One answer under way, and its truth so far."""

    caller: _Caller
    number: int
    received_ns: int
    wish: script.Asked
    started_ns: int = 0
    cues: tuple[Cue, ...] = ()
    next: int = 0
    body: int = 0
    faults: tuple[str, ...] = ()
    sends: list[tuple[int, int, int]] = field(default_factory=list)


@final
class Server:
    """Serves one plan on one listening socket until it is stopped."""

    def __init__(self, listener: socket.socket, plan: Plan, served: Served, truth: Path) -> None:
        self._listener, self._plan, self._served = listener, plan, served
        self._plans = {name: plan.for_model(name) for name in served.names if served.others}
        self._truth = os.open(truth, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._epoll = select.epoll()
        self._callers: dict[int, _Caller] = {}
        self._due: list[tuple[int, int, _Performance]] = []
        self._queue: deque[_Performance] = deque()
        self._on_stage = 0
        self._numbers = 0
        self._asked: Counter[str] = Counter()
        self._born_ns = monotonic_ns()
        self._ready_ns = self._born_ns + int(plan.load_s * _NS)

    def run(self) -> None:
        """Serve for ever."""
        self._listener.setblocking(False)
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        gc.collect()
        gc.freeze()
        gc.disable()
        while True:
            for fd, mask in self._wait():
                if fd == self._listener.fileno():
                    self._accept()
                elif (caller := self._callers.get(fd)) is not None:
                    if mask & select.EPOLLOUT:
                        self._flush(caller)
                    if mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                        self._read(caller)
            while self._due and self._due[0][0] <= monotonic_ns():
                self._play(heapq.heappop(self._due)[2])

    def _wait(self) -> list[tuple[int, int]]:
        if not self._due:
            return self._epoll.poll(_IDLE_S)
        # epoll's own time-out is rounded up to a millisecond, select's to a microsecond.
        left = max(0, self._due[0][0] - monotonic_ns())
        select.select([self._epoll.fileno()], [], [], left / _NS)
        return self._epoll.poll(0)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._callers[sock.fileno()] = _Caller(sock)
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _read(self, caller: _Caller) -> None:
        try:
            data = caller.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        received_ns = monotonic_ns()
        if not data:
            self._hang_up(caller)
            return
        caller.came += data
        while (request := _take_request(caller.came)) is not None:
            self._serve(caller, *request, received_ns)

    def _serve(self, caller: _Caller, method: str, path: str, body: bytes, at_ns: int) -> None:
        loading = at_ns < self._ready_ns
        if path in _GENERATING and method == "POST" and not loading:
            try:
                wish = script.asked(path, json.loads(body))
            except (ValueError, AttributeError, TypeError):
                self._send(caller, script.reply(400, _error(400, "not a request")))
                return
            if self._plans and wish.model not in self._plans:
                self._send(caller, script.reply(404, _error(404, f"no model {wish.model!r}")))
                return
            self._queue.append(_Performance(caller, self._numbers, at_ns, wish))
            self._numbers += 1
            self._raise_curtain()
        elif loading:
            self._send(caller, script.reply(503, _error(503, "Loading model")))
        else:
            self._send(caller, self._control(method, path, body))

    def _control(self, method: str, path: str, body: bytes) -> Cue:
        if (method, path) == ("POST", "/tokenize"):
            try:
                text = str(json.loads(body)["content"])
            except (ValueError, KeyError, TypeError):
                return script.reply(400, _error(400, "content is missing"))
            return script.reply(200, {"tokens": script.tokenise(text, self._served.vocabulary)})
        if (method, path) == ("POST", "/v1/embeddings"):
            try:
                return script.reply(200, vectors.answer(body, self._served.alias))
            except ValueError:
                return script.reply(400, _error(400, "input is missing"))
        answers = {
            "/health": {"status": "ok"},
            "/props": _props(self._served, self._plan),
            "/v1/models": _models(self._served, self._plan),
        }
        if method == "GET" and path in answers:
            return script.reply(200, answers[path])
        return script.reply(404, _error(404, "File Not Found"))

    def _raise_curtain(self) -> None:
        """Begin what waits, as far as there are slots."""
        while self._queue and self._on_stage < self._served.slots:
            performance = self._queue.popleft()
            performance.started_ns = monotonic_ns()
            minutes = (performance.started_ns - self._born_ns) / _NS / 60
            model = performance.wish.model if self._plans else self._served.alias
            scene = Scene(
                number=performance.number,
                model=model,
                context_tokens=self._served.context_tokens,
                vocabulary=self._served.vocabulary,
                slowness=1 + self._plan.heat_per_minute * minutes,
                before=self._asked[performance.wish.key],
                start=self._born_ns,
            )
            self._asked[performance.wish.key] += 1
            performance.cues, faults = script.perform(
                performance.wish, self._plans.get(model, self._plan), scene
            )
            performance.faults = tuple(sorted(faults))
            self._on_stage += 1
            self._schedule(performance)

    def _schedule(self, performance: _Performance) -> None:
        due_ns = performance.started_ns + int(performance.cues[performance.next].at_s * _NS)
        heapq.heappush(self._due, (due_ns, performance.number, performance))

    def _play(self, performance: _Performance) -> None:
        cue = performance.cues[performance.next]
        if cue.then != "go on":
            # Whoever has the whole answer may end us at once; what is true of it is written first.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if cue.data:
            performance.body += cue.body_bytes
            at_ns = monotonic_ns()
            self._send(performance.caller, cue)
            performance.sends.append((at_ns, performance.body, cue.tokens))
        performance.next += 1
        if cue.then == "go on":
            self._schedule(performance)
            return
        if cue.then == "die":
            self._write_truth(performance)
            os._exit(_CRASH)
        if cue.then == "close":
            self._hang_up(performance.caller)
        self._on_stage -= 1
        self._raise_curtain()
        self._write_truth(performance)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _send(self, caller: _Caller, cue: Cue) -> None:
        if caller.closing:
            return
        if caller.unsent:
            caller.unsent += cue.data
            return
        try:
            sent = caller.sock.send(cue.data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._hang_up(caller)
            return
        if sent < len(cue.data):
            caller.unsent += cue.data[sent:]
            self._epoll.modify(caller.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _flush(self, caller: _Caller) -> None:
        try:
            del caller.unsent[: caller.sock.send(caller.unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._hang_up(caller)
            return
        if not caller.unsent:
            self._epoll.modify(caller.sock.fileno(), select.EPOLLIN)

    def _hang_up(self, caller: _Caller) -> None:
        caller.closing = True
        self._callers.pop(caller.sock.fileno(), None)
        caller.sock.close()

    def _write_truth(self, performance: _Performance) -> None:
        sends = performance.sends
        truth = Truth(
            number=performance.number,
            received_ns=performance.received_ns,
            started_ns=performance.started_ns,
            prompt_tokens=performance.wish.prompt_tokens,
            sends_ns=tuple(at_ns for at_ns, _, _ in sends),
            ends=tuple(end for _, end, _ in sends),
            tokens=tuple(tokens for _, _, tokens in sends),
            faults=performance.faults,
            seed=_seed(performance.wish),
        )
        os.write(self._truth, line(truth).encode())


def _seed(wish: script.Asked) -> int | None:
    seed = wish.echoed.get("seed")
    return seed if isinstance(seed, int) else None


def load(plan: Plan, served: Served) -> None:
    """Say what llama-server says while it loads; end here if the plan wants that."""
    sys.stdout.write(
        f"scripted engine: a simulation\nloading model '{served.model_path}'\n"
        f"threadpool init, n_threads = {served.threads}\n"
    )
    sys.stdout.flush()
    if plan.load_failure is not None:
        time.sleep(plan.load_s)
        sys.stdout.write(plan.load_failure + "\n")
        raise SystemExit(1)


def _take_request(came: bytearray) -> tuple[str, str, bytes] | None:
    head_end = came.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    request, *headers = bytes(came[:head_end]).split(b"\r\n")
    length = 0
    for header in headers:
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    end = head_end + 4 + length
    if len(came) < end:
        return None
    body = bytes(came[head_end + 4 : end])
    del came[:end]
    method, path, *_ = request.decode(errors="replace").split(" ")
    return method, path, body


def _props(served: Served, plan: Plan) -> dict[str, Any]:
    return {
        "default_generation_settings": {
            "n_ctx": served.context_tokens,
            "params": {"seed": served.seed, "temperature": 0.8, "top_k": 40},
        },
        "total_slots": served.slots,
        "model_path": _swapped(served.model_path) if _lies(plan) else served.model_path,
        "build_info": "scripted-1",
        **({"modalities": _modalities(plan)} if plan.admits else {}),
    }


def _modalities(plan: Plan) -> dict[str, bool]:
    named = {"vision": "image", "audio": "audio", "video": "video"}
    return {name: kind in plan.takes for name, kind in named.items()}


def _models(served: Served, plan: Plan) -> dict[str, Any]:
    meta = dict(served.meta)
    if _lies(plan) and "n_params" in meta:
        meta["n_params"] += 1
    first = {"id": served.alias, "meta": {**meta, "n_ctx": served.context_tokens}}
    return {"data": [first, *({"id": name, "meta": {}} for name in served.others)]}


def _lies(plan: Plan) -> bool:
    return any(fault.kind == "wrong_model" for fault in plan.faults)


def _swapped(path: str) -> str:
    return str(Path(path).with_name("another-model.gguf"))


def _error(code: int, words: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": words, "type": "invalid_request_error"}}
