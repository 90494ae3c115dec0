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
from functools import partial
from typing import Any, Final, final

from steelyard.domain.errors import BadInput, DialectError, EngineError, UnsupportedSubject
from steelyard.domain.ids import content_id
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import AppliedControl, Controls, Proof
from steelyard.domain.secret import Secret
from steelyard.domain.stream import Account
from steelyard.domain.subject import Artifact, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import meeting
from steelyard.engines.api import (
    Asking,
    Attachable,
    Dialect,
    Evidence,
    HttpCall,
    IdentityClaim,
    KeepsAccounts,
    Met,
    PromptFacts,
    Served,
    ShowsPrompts,
)
from steelyard.engines.calls import Answer, Caller, Trust
from steelyard.engines.http1 import Headers, prepare_for
from steelyard.engines.listener import listening_pid
from steelyard.engines.meeting import Company
from steelyard.engines.openai_endpoint import (
    OPTIONAL_CALLS,
    TOKENISERS,
    OpenAiEndpoint,
    Tokeniser,
    known_as,
)
from steelyard.engines.url import Endpoint, Scheme, proxy_for
from steelyard.engines.wires.served import MODELS, OPEN, entries, pick_model

_ASIDE_TIMEOUT_S: Final = 5.0
# An account comes late; whoever asks too often is told to wait.
_LATER: Final = frozenset({404, 408, 425, 429})
_SERVER: Final = 500
_WAKE_S: Final = 600.0
_HELLO: Final = "Say yes."
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
    """A server that is up and not ours. Leaving the `with` block leaves it as it is.

    `model` is what it is asked for; `known` is the engine by whose word it is one.
    """

    dialect: Dialect
    model: str | None
    manners: Manners
    pid: Reading[int]
    software: Reading[str]
    known: Reading[str]
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
        name = self.model or "unnamed"
        claimed = content_id({"endpoint": str(self.manners.endpoint), "model": name}, length=64)
        return Subject(Artifact(name, "endpoint", claimed), self.dialect.name, "attached")

    @property
    def load_s(self) -> Reading[float]:
        """How long loading took: nobody was there to see it."""
        return Missing("attached", "the server was up before we came")

    @property
    def startup(self) -> Missing:
        """How it came up: nobody was there to see it."""
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

    def account(self, answer: str) -> Reading[Account] | None:
        """Ask for the service's account of an answer; None where there is none yet.

        Raises `EngineError` and `BadInput` for what no further asking mends.
        """
        if not isinstance(self.dialect, KeepsAccounts):
            return Missing("no_account", f"{self.dialect.name} keeps no accounts of answers")
        call, caller = self.dialect.account_call(answer), self._caller()
        told = caller.send(call)
        if told.status in _LATER or told.status >= _SERVER:
            return None
        return Measured(self.dialect.read_account(caller.read(call, told)), "engine")

    def identity(self) -> IdentityClaim:
        """Ask what is served."""
        return self.dialect.read_identity(self._identity_answers())

    def tokenise(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Return the served model's tokens; raise `UnsupportedSubject` where no route tells."""
        return self.dialect.read_tokens(self.ask(self.dialect.tokenise_call(text, special=special)))

    def prompt_facts(self, request: GenerationRequest) -> PromptFacts:
        """Return what the engine makes of a request; `UnsupportedSubject` if it cannot say."""
        if not isinstance(self.dialect, ShowsPrompts):
            raise UnsupportedSubject(
                f"{self.dialect.name} does not show the tokens that it makes of a conversation",
                hint="compare engines that do: llamacpp, mlx, transformers",
            )
        return self.dialect.prompt_facts(request, Asking(self.ask, self._no_words, ""))

    def wake(self) -> None:
        """Have one token said, so that a model which is loaded when it is asked for is loaded.

        That takes minutes for a large one, and is nobody's latency. Raises what `ask` raises.
        """
        caller = replace(self._caller(), timeout_s=_WAKE_S)
        ask = GenerationRequest((Message("user", _HELLO),), max_tokens=1, stream=False)
        caller.ask(self.dialect.encode(ask))

    def controls(self, controls: Controls) -> tuple[AppliedControl, ...]:
        """Say what is in force as far as anybody tells, and how the server was spoken to."""
        evidence = Evidence(
            answers=self._identity_answers(),
            probes=tuple(self.ask(call) for call in self.dialect.control_probes(controls)),
            log="",
            affinity=_affinity(self.pid),
        )
        readback = self.dialect.controls_readback(self.subject, controls, evidence)
        engine = AppliedControl("engine", OPEN, self.known)
        return (*readback, engine, *self.connection())

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

    def _no_words(self, question: Mapping[str, object]) -> Mapping[str, Any]:  # noqa: ARG002
        raise UnsupportedSubject(f"the tokenizer of {self.dialect.name} is not here to be asked")

    def _identity_answers(self) -> tuple[object, ...]:
        return _answers(self._caller(), self.dialect, self.model)

    def _caller(self) -> Caller:
        return Caller(self.manners.endpoint, self.manners.trust, self.headers)


def attach(
    endpoint: Endpoint,
    *,
    engine: str | None = None,
    model: str | None = None,
    context_tokens: int | None = None,
    shares_prefix: bool = False,
    key: Reading[Secret] = _NO_KEY,
    trust: Trust | None = None,
    env: Mapping[str, str] | None = None,
) -> AttachedEngine:
    """Ask who is there: which model, what kind of server, how it counts tokens, which process.

    `engine` is a name, or None to find out. `context_tokens` is what the longest request will take,
    `shares_prefix` says that prompts will begin alike.
    `key` comes from `keys.api_key`; `env` is looked at for a proxy, to say that it was not used.

    Raises:
        EngineError: nobody answers, or nobody who can be trusted.
        BadInput: the model is not there or not chosen, a key is wanted, it is not the API's root,
            or the server says that it is another engine than was named.
    """
    manners = Manners(endpoint, trust or Trust(), key, proxy_for(endpoint, env or {}))
    caller = Caller(endpoint, manners.trust, manners.headers)
    answer, listing = _listing(caller, model)
    chosen = model if listing is None else pick_model(model, listing, where=str(endpoint))
    header = answer.headers.get("server", "")
    company = _company(engine, Met(listing, header=header), caller)
    wish = Served(chosen, context_tokens, shares_prefix, tokenises=True)
    dialect = _speaking(company, caller, wish, listing, header)
    found = AttachedEngine(
        dialect=dialect,
        model=chosen,
        manners=manners,
        pid=listening_pid(endpoint.port) if answer.same_machine else _ELSEWHERE,
        software=_header(header),
        known=company.known,
        tls=answer.tls,
    )
    return replace(found, software=_software(dialect, found.identity(), header))


def listed(
    endpoint: Endpoint, *, key: Reading[Secret] = _NO_KEY, trust: Trust | None = None
) -> tuple[str, ...]:
    """Return the names of the models that a server lists, in its order; raise as `attach` does."""
    manners = Manners(endpoint, trust or Trust(), key, None)
    _, listing = _listing(Caller(endpoint, manners.trust, manners.headers), None)
    return tuple(dict.fromkeys(str(e["id"]) for e in entries(listing) if e.get("id")))


def _company(engine: str | None, met: Met, caller: Caller) -> Company:
    ask = partial(_if_there, _aside(caller))
    if engine is not None:
        return meeting.named(engine, met, ask, where=str(caller.endpoint))
    if known_as(met.listing, None, met.header) == "scripted":  # whoever it speaks like
        return Company(None, Measured("scripted", "engine"))
    return meeting.recognise(met, ask)


def _speaking(
    company: Company, caller: Caller, wish: Served, listing: object, header: str
) -> Dialect:
    """Return the dialect with all that was found out of the server."""
    aside = _aside(caller)
    if company.kind is None:
        server = known_as(listing, _if_there(aside, OPTIONAL_CALLS[0]), header)
        dialect = OpenAiEndpoint(wish.model, server)
        return replace(dialect, tokeniser=_tokeniser(aside, dialect))
    answers = _answers(caller, company.kind.serving(wish), wish.model)
    served = replace(wish, answers=answers)
    tokenises = bool(_tokens(aside, company.kind.serving(served)))
    return company.kind.serving(replace(served, tokenises=tokenises))


def _answers(caller: Caller, dialect: Dialect, model: str | None) -> tuple[object, ...]:
    """Ask who is served: the list of models must come, the rest may not be there."""
    aside = _aside(caller)
    return tuple(
        _listing(caller, model)[1] if call == MODELS else _if_there(aside, call)
        for call in dialect.identity_calls()
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
        if _tokens(caller, replace(dialect, tokeniser=kind)):
            return kind
    return None


def _tokens(caller: Caller, dialect: Dialect) -> tuple[int, ...]:
    """Return the tokens of a text; none where the server has no such route."""
    try:
        answer = _if_there(caller, dialect.tokenise_call(_PROBE, special=False))
        return dialect.read_tokens(answer)
    except (DialectError, UnsupportedSubject):
        return ()


def _if_there(caller: Caller, call: HttpCall) -> object | None:
    """Return the answer to what not every server has a route for."""
    try:
        return caller.ask(call)
    except (BadInput, EngineError):
        return None


def _aside(caller: Caller) -> Caller:
    return replace(caller, timeout_s=_ASIDE_TIMEOUT_S)


def _software(dialect: Dialect, claim: IdentityClaim, header: str) -> Reading[str]:
    """Return which engine it is and which build, or what it calls itself in its headers."""
    build = f" {claim.build.value}" if isinstance(claim.build, Measured) else ""
    if isinstance(dialect, Attachable):
        return Measured(f"{dialect.name}{build}", "engine")
    if isinstance(dialect, OpenAiEndpoint) and dialect.server != "unknown":
        return Measured(f"{dialect.server}{build}", "engine")
    return _header(header)


def _header(header: str) -> Reading[str]:
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
