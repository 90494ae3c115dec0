"""Any server that speaks the OpenAI-style chat route and was started by somebody else.

Nothing is taken for granted of it: what it can do beyond the route is known only where it has said
what it is (`engines.attached` asks, and `known_as` reads the answers). Not aware of sockets, keys
or TLS. Routes: the chat-completions and models API; `/props` and `/tokenize` of llama.cpp's
tools/server/README.md; `/version` and `/tokenize` of vLLM's OpenAI-compatible server, the latter
also SGLang's; `/api/version` of Ollama.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NoReturn, TypeAlias, final

from steelyard.domain.errors import DialectError, UnknownName, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import StreamEvent
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Capabilities, Evidence, Framing, HttpCall, IdentityClaim
from steelyard.engines.wires import llama_server, openai

Server: TypeAlias = Literal["unknown", "llama.cpp", "vllm", "sglang", "ollama", "scripted"]
Tokeniser: TypeAlias = Literal["llama.cpp", "vllm"]

MODELS: Final = HttpCall("GET", "/v1/models")
# Asked of every server; whoever has no such route says so, and nothing is missing.
OPTIONAL_CALLS: Final = (
    HttpCall("GET", "/props"),
    HttpCall("GET", "/version"),
    HttpCall("GET", "/api/version"),
)
TOKENISERS: Final[tuple[Tokeniser, ...]] = ("llama.cpp", "vllm")
_OWNERS: Final[Mapping[str, Server]] = {
    "llamacpp": "llama.cpp",
    "vllm": "vllm",
    "sglang": "sglang",
    "library": "ollama",
    "scripted": "scripted",
    "steelyard": "scripted",
}
_HEADERS: Final[Mapping[str, Server]] = {"llama.cpp": "llama.cpp", "pacer": "scripted"}
_RUNS_TO_LENGTH: Final = frozenset({"llama.cpp", "vllm", "sglang", "scripted"})
_CACHE_PROMPT: Final = frozenset({"llama.cpp", "scripted"})
_SHOWN: Final = 20
_STARTED_ELSEWHERE: Final = Missing(
    "not_controllable", "the server was started by somebody else, and its settings are theirs"
)
_NOT_ECHOED: Final = Missing(
    "not_reported", "sent with every request; this server does not say what it made of it"
)


@final
@dataclass(frozen=True, slots=True)
class OpenAiEndpoint:
    """The dialect `openai`. `model` is named in every request; the rest is what was found out."""

    model: str | None = None
    server: Server = "unknown"
    tokeniser: Tokeniser | None = None

    @property
    def name(self) -> str:
        """The engine's name as users write it."""
        return "openai"

    @property
    def framing(self) -> Framing:
        """Server-sent events."""
        return "sse"

    @property
    def capabilities(self) -> Capabilities:
        """What the route itself promises, and what the server is known for."""
        return Capabilities(
            formats=frozenset(),
            reports_timings=self.server in _CACHE_PROMPT,
            controls_prefix_cache=self.server in _CACHE_PROMPT,
            exact_tokens=self.server in _RUNS_TO_LENGTH,
            simulated=self.server == "scripted",
        )

    def launch(
        self,
        subject: Subject,
        controls: Controls,  # noqa: ARG002 - the protocol's
        place: Place,  # noqa: ARG002 - the protocol's
    ) -> NoReturn:
        """Refuse: there is nothing here to start."""
        raise UnsupportedSubject(
            f"openai starts no server, and {subject.artifact.name!r} was to be loaded by one",
            hint="start the server yourself and give its URL, or pick llamacpp to load a file",
        )

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route; say only what is stated, and what this server is known to take."""
        if request.prompt_tokens is not None:
            raise UnsupportedSubject(
                "the chat route takes messages, and this prompt is tokens already",
                hint="send the prompt as a message: its length is then met by words",
            )
        if request.slot is not None:
            raise UnsupportedSubject("a slot cannot be chosen on a server of somebody else's")
        body = openai.chat_body(request)
        if self.model is not None:
            body = {"model": self.model, **body}
        if self.server in _CACHE_PROMPT:
            body["cache_prompt"] = request.reuse_prefix
        if request.exact_tokens and self.server in _RUNS_TO_LENGTH:
            body["ignore_eos"] = True
        return HttpCall("POST", "/v1/chat/completions", json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one server-sent event; llama.cpp's own clock too, where it stands in it."""
        chunk = openai.parse(data)
        yield from chunk.events
        timings = chunk.mapping("timings")
        if timings is not None and ("prompt_ms" in timings or "predicted_ms" in timings):
            yield from llama_server.extra_events(chunk)

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        return openai.named_model(data)

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models and, of those that have the routes, for properties and version."""
        return (MODELS, *OPTIONAL_CALLS)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read what it says; an answer that did not come is None."""
        listing, props, *versions = answers
        entry = _entry(listing, self.model)
        known, build = openai.as_object(props) or {}, _build(props, versions)
        name = (
            Missing("not_reported", "nobody said which model, and the server lists none")
            if self.model is None
            else Measured(self.model, source="engine")
            if entry
            else Missing("not_listed", f"the server lists no models; {self.model!r} was asked for")
        )
        if isinstance(known.get("default_generation_settings"), dict):
            claim = llama_server.read_identity(({**known}, {"data": [entry]}))
            return replace(claim, name=name, build=build)
        return IdentityClaim(name=name, context_tokens=_context(entry), build=build)

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:
        """Ask for tokens by the route that was found; vLLM's always recognises control tokens."""
        match self.tokeniser:
            case "llama.cpp":
                return llama_server.tokenise_call(text, special=special)
            case "vllm":
                body = {"prompt": text, "add_special_tokens": False}
                model = {} if self.model is None else {"model": self.model}
                return HttpCall("POST", "/tokenize", json={**model, **body})
            case None:
                raise UnsupportedSubject(
                    "this server has no route that counts tokens",
                    hint="lengths can only be met by words, and read from its usage afterwards",
                )

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        tokens = (openai.as_object(answer) or {}).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise DialectError(
                f"/tokenize answered {str(answer)[:120]}, which is no list of tokens"
            )
        return tuple(tokens)

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:  # noqa: ARG002
        """Ask nothing: a probe would be billed to somebody, and would show nothing here."""
        return ()

    def controls_readback(
        self,
        subject: Subject,  # noqa: ARG002 - what a file's profile asks for was not asked of anybody
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Say what is known: context and slots where they are listed, cores where seen."""
        claim = self.read_identity(evidence.answers)
        affinity = controls.affinity
        cores = derived(evidence.affinity, lambda found: ",".join(map(str, found)))
        asked_cores = "any" if affinity is None else ",".join(map(str, sorted(affinity)))
        temperature = f"{controls.sampling.temperature:g}"
        return (
            AppliedControl("seed", str(controls.seed), _NOT_ECHOED),
            AppliedControl("temperature", temperature, _NOT_ECHOED),
            AppliedControl(
                "threads", str(controls.threads or "engine's choice"), _STARTED_ELSEWHERE
            ),
            AppliedControl("affinity", asked_cores, cores),
            AppliedControl("context_tokens", "engine's choice", derived(claim.context_tokens, str)),
            AppliedControl("slots", "engine's choice", derived(claim.slots, str)),
            AppliedControl("prefix_cache", "on" if controls.reuse_prefix else "off", self._cache()),
            AppliedControl("exact_length", "where asked", self._length()),
        )

    def _cache(self) -> Reading[str]:
        if self.server in _CACHE_PROMPT:
            return _NOT_ECHOED
        return Missing(
            "not_controllable",
            "this server's prefix cache cannot be switched off by a request; no two prompts begin "
            "alike unless that is declared",
        )

    def _length(self) -> Reading[str]:
        if self.server in _RUNS_TO_LENGTH:
            return _NOT_ECHOED
        return Missing(
            "not_controllable", "this server is not known to take ignore_eos: answers may end early"
        )


def known_as(listing: object, props: object, header: str = "") -> Server:
    """Return what the server says that it is.

    By its properties, else by who owns its models, else by the `Server` header of its answers.
    """
    found = openai.as_object(props) or {}
    if str(found.get("build_info", "")).startswith("scripted"):
        return "scripted"
    if "total_slots" in found:
        return "llama.cpp"
    owners = {str(entry.get("owned_by", "")).lower() for entry in entries(listing)}
    for owner in sorted(owners & _OWNERS.keys()):
        return _OWNERS[owner]
    return _HEADERS.get(header.lower(), "unknown")


def pick_model(wanted: str | None, listing: object, *, where: str) -> str:
    """Return the model that was asked for, or the only one there is.

    Raises `UnknownName` for one that is not listed, `UnsupportedSubject` when several are and none
    was asked for, `DialectError` when there is no list at all.
    """
    if not isinstance((openai.as_object(listing) or {}).get("data"), list):
        raise DialectError(
            f"{where} answered /models with {str(listing)[:120]}, which lists no models",
            hint="is this the root of an OpenAI-compatible API?",
        )
    names = sorted({str(entry["id"]) for entry in entries(listing) if entry.get("id")})
    if wanted is not None:
        if wanted not in names:
            raise UnknownName.among(f"model at {where}", wanted, _near(wanted, names))
        return wanted
    if not names:
        raise DialectError(f"{where} serves no model", hint="load one there first")
    if len(names) > 1:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise UnsupportedSubject(
            f"{where} serves {len(names)} models, and none was chosen",
            hint=f"name one with --model: {', '.join(names[:_SHOWN])}{more}",
        )
    return names[0]


def entries(listing: object) -> list[Mapping[str, Any]]:
    """Return the models of a listing."""
    data = (openai.as_object(listing) or {}).get("data")
    return [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []


def _entry(listing: object, model: str | None) -> Mapping[str, Any]:
    found = (entry for entry in entries(listing) if model is not None and entry.get("id") == model)
    return next(found, {})


def _near(wanted: str, names: Sequence[str]) -> list[str]:
    """Return those that a person may have meant, where there are too many to list."""
    if len(names) <= _SHOWN:
        return list(names)
    last = wanted.lower().rpartition("/")[2]
    alike = [name for name in names if last in name.lower()]
    return (alike or list(names))[:_SHOWN]


def _context(entry: Mapping[str, Any]) -> Reading[int]:
    """Read the longest context: vLLM and SGLang say `max_model_len`, some gateways the other."""
    for key in ("max_model_len", "context_length"):
        if isinstance(entry.get(key), int):
            return openai.count(entry, key, who=key)
    return Missing("not_reported", "the server's list of models states no context")


def _build(props: object, versions: Sequence[object]) -> Reading[str]:
    candidates = [(openai.as_object(props) or {}).get("build_info")]
    candidates += [(openai.as_object(answer) or {}).get("version") for answer in versions]
    for value in candidates:
        if isinstance(value, str) and value:
            return Measured(value, source="engine")
    return Missing("not_reported", "the server states no build or version")
