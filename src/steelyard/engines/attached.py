"""A server that somebody else runs: found out about, asked, and left running.

It has the surface of `engines.host.RunningEngine`, and what is ours there is a reading here: there
may be no process to sample, there is no log, and nothing was loaded while we looked. Control calls
only, never timed. Not aware of what is measured.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.domain.errors import BadInput, DialectError, EngineError
from steelyard.domain.ids import content_id
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import AppliedControl, Controls, Proof
from steelyard.domain.secret import Secret
from steelyard.domain.subject import Artifact, Subject
from steelyard.engines.api import Evidence, HttpCall, IdentityClaim
from steelyard.engines.calls import Answer, Caller, Trust
from steelyard.engines.http1 import Headers, prepare_for
from steelyard.engines.listener import listening_pid
from steelyard.engines.openai_endpoint import (
    MODELS,
    OPTIONAL_CALLS,
    TOKENISERS,
    OpenAiEndpoint,
    Server,
    Tokeniser,
    known_as,
    pick_model,
)
from steelyard.engines.url import Endpoint, Scheme, proxy_for

_ASIDE_TIMEOUT_S: Final = 5.0
_NO_ROUTE: Final = frozenset({404, 405, 501})
_PROBE: Final = "a steelyard weighs"
_NO_KEY: Final = Missing("no_key", "none was given")
_ELSEWHERE: Final = Missing("elsewhere", "the server runs on another machine")


@final
@dataclass(frozen=True, slots=True)
class Manners:
    """How one speaks to an endpoint: whom to believe, with which key, past which proxy."""

    endpoint: Endpoint
    trust: Trust
    key: Reading[Secret]
    proxy: str | None

    @property
    def headers(self) -> Headers:
        """What every request carries besides its own: the key, where there is one."""
        key = value_of(self.key)
        return {} if key is None else {"Authorization": Secret(f"Bearer {key.reveal()}")}


@final
@dataclass(frozen=True, slots=True)
class AttachedEngine:
    """A server that is up and not ours. Leaving the `with` block leaves it as it is."""

    dialect: OpenAiEndpoint
    manners: Manners
    pid: Reading[int]
    software: Reading[str]
    tls: str = ""

    @property
    def host(self) -> str:
        """The host to connect to."""
        return self.manners.endpoint.host

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self.manners.endpoint.port

    @property
    def scheme(self) -> Scheme:
        """`https` where the connection is encrypted."""
        return self.manners.endpoint.scheme

    @property
    def headers(self) -> Headers:
        """What every request carries besides its own; a key in it prints as `***`."""
        return self.manners.headers

    @property
    def subject(self) -> Subject:
        """What is weighed: nobody has seen the file, so address and name stand for its content."""
        name = self.dialect.model or "unnamed"
        claimed = content_id({"endpoint": str(self.manners.endpoint), "model": name}, length=64)
        return Subject(Artifact(name, "endpoint", claimed), "openai", "attached")

    @property
    def load_s(self) -> Reading[float]:
        """How long loading took: nobody was there to see it."""
        return Missing("attached", "the server was up before we came")

    @property
    def log_path(self) -> Missing:
        """Where its log lies: not with us."""
        return Missing("attached", "the log of whoever runs the server")

    def prepare(self, call: HttpCall) -> bytes:
        """Return the complete bytes of a measured request, the key among them."""
        return prepare_for(call, self.manners.endpoint, self.headers)

    def cover(self, words: str) -> str:
        """Return words of the server without the key, however JSON may have written it."""
        covered = self._caller().covered(words)
        key = value_of(self.manners.key)
        if key is None:
            return covered
        plain = json.dumps(key.reveal())[1:-1]
        for form in (plain, plain.replace("/", "\\/")):
            covered = Secret(form).without(covered)
        return covered

    def alive(self) -> bool:
        """Whether somebody still takes connections there."""
        return self._caller().reachable()

    def ask(self, call: HttpCall) -> object:
        """Make a control call; return the JSON of its answer, or raise as `calls.Caller` does."""
        return self._caller().ask(call)

    def identity(self) -> IdentityClaim:
        """Ask what is served."""
        return self.dialect.read_identity(self._identity_answers())

    def tokenise(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Return the served model's tokens; raise `UnsupportedSubject` where no route tells."""
        return self.dialect.read_tokens(self.ask(self.dialect.tokenise_call(text, special=special)))

    def controls(self, controls: Controls) -> tuple[AppliedControl, ...]:
        """Say what is in force as far as anybody tells, and how the server was spoken to."""
        evidence = Evidence(
            answers=self._identity_answers(),
            probes=tuple(self.ask(call) for call in self.dialect.control_probes(controls)),
            log="",
            affinity=_affinity(self.pid),
        )
        readback = self.dialect.controls_readback(self.subject, controls, evidence)
        return (*readback, *self.connection())

    def connection(self) -> tuple[AppliedControl, ...]:
        """Say how it was spoken to: encryption, whose certificate, proxy, key."""
        trust, proxy = self.manners.trust, self.manners.proxy
        direct = f"direct; {proxy} is set and was not used" if proxy else "direct"
        tls = f"{self.tls}, {trust}" if self.tls else "not encrypted"
        key = self.manners.key
        sent = key if isinstance(key, Missing) else Measured("sent", source="client")
        return (
            AppliedControl("transport", tls, Measured(tls, source="client")),
            AppliedControl("proxy", direct, Measured(direct, source="client")),
            AppliedControl("api_key", "sent", sent),
        )

    def answered(self, models: Iterable[str | None]) -> Proof:
        """Check that all answers carried one model's name.

        A hosted model often answers by its dated name, so another than was asked for is shown and
        not refused; several different ones are not one subject.
        """
        named = sorted({model for model in models if model is not None})
        found = ", ".join(named) or "no answer named its model"
        return Proof("answering model", passed=len(named) == 1, found=found)

    def __enter__(self) -> AttachedEngine:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it running: it is not ours."""

    def _identity_answers(self) -> tuple[object, ...]:
        first = _listing(self._caller(), self.dialect.model)[1]
        aside = _aside(self._caller())
        return (first, *(_if_there(aside, call) for call in OPTIONAL_CALLS))

    def _caller(self) -> Caller:
        return Caller(self.manners.endpoint, self.manners.trust, self.headers)


def attach(
    endpoint: Endpoint,
    *,
    model: str | None = None,
    key: Reading[Secret] = _NO_KEY,
    trust: Trust | None = None,
    env: Mapping[str, str] | None = None,
) -> AttachedEngine:
    """Ask who is there: which model, what kind of server, how it counts tokens, which process.

    `key` comes from `keys.api_key`; `env` is looked at for a proxy, to say that it was not used.

    Raises:
        EngineError: nobody answers, or nobody who can be trusted.
        BadInput: the model is not there or not chosen, a key is wanted, it is not the API's root.
    """
    manners = Manners(endpoint, trust or Trust(), key, proxy_for(endpoint, env or {}))
    caller = Caller(endpoint, manners.trust, manners.headers)
    answer, listing = _listing(caller, model)
    chosen = model if listing is None else pick_model(model, listing, where=str(endpoint))
    aside = _aside(caller)
    header = answer.headers.get("server", "")
    server = known_as(listing, _if_there(aside, OPTIONAL_CALLS[0]), header)
    dialect = OpenAiEndpoint(chosen, server)
    return AttachedEngine(
        dialect=replace(dialect, tokeniser=_tokeniser(aside, dialect)),
        manners=manners,
        pid=listening_pid(endpoint.port) if answer.same_machine else _ELSEWHERE,
        software=_software(server, header),
        tls=answer.tls,
    )


def _listing(caller: Caller, model: str | None) -> tuple[Answer, object]:
    """Ask for the models; a server without that route is taken at the user's word."""
    answer = caller.send(MODELS)
    if answer.status in _NO_ROUTE and model is not None:
        return answer, None
    return answer, caller.read(MODELS, answer)


def _tokeniser(caller: Caller, dialect: OpenAiEndpoint) -> Tokeniser | None:
    """Return whose tokenise route it has. Each takes a field of another name for the text."""
    for kind in TOKENISERS:
        tried = replace(dialect, tokeniser=kind)
        answer = _if_there(caller, tried.tokenise_call(_PROBE, special=False))
        try:
            if tried.read_tokens(answer):
                return kind
        except DialectError:
            continue
    return None


def _if_there(caller: Caller, call: HttpCall) -> object | None:
    """Return the answer to what not every server has a route for."""
    try:
        return caller.ask(call)
    except (BadInput, EngineError):
        return None


def _aside(caller: Caller) -> Caller:
    return replace(caller, timeout_s=_ASIDE_TIMEOUT_S)


def _software(server: Server, header: str) -> Reading[str]:
    if server != "unknown":
        return Measured(server, source="engine")
    if header:
        return Measured(header, source="engine")
    return Missing("not_reported", "the server does not say what it is")


def _affinity(pid: Reading[int]) -> Reading[tuple[int, ...]]:
    if isinstance(pid, Missing):
        return pid
    if not hasattr(os, "sched_getaffinity"):
        return Missing("not_exposed", "this system does not tell a process's cores")
    try:
        return Measured(tuple(sorted(os.sched_getaffinity(pid.value))), source="client")
    except OSError as error:
        return Missing("not_readable", str(error))
