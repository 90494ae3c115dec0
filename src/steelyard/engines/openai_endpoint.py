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
from typing import ClassVar, Final, Literal, NoReturn, TypeAlias, final

from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import StreamEvent
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Capabilities, Evidence, Framing, HttpCall, IdentityClaim, Served
from steelyard.engines.wires import llama_server, openai, served

Server: TypeAlias = Literal["unknown", "llama.cpp", "vllm", "sglang", "ollama", "scripted"]
Tokeniser: TypeAlias = Literal["llama.cpp", "vllm"]

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
_SHOWS_FILMS: Final = frozenset({"llama.cpp", "vllm", "sglang", "scripted"})
_CACHE_PROMPT: Final = frozenset({"llama.cpp", "scripted"})


@final
@dataclass(frozen=True, slots=True)
class OpenAiEndpoint:
    """The dialect `openai`. `model` is named in every request; the rest is what was found out."""

    name: ClassVar = "openai"
    framing: ClassVar[Framing] = "sse"
    model: str | None = None
    server: Server = "unknown"
    tokeniser: Tokeniser | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the route itself promises, and what the server is known for."""
        return Capabilities(
            formats=frozenset(),
            reports_timings=self.server in _CACHE_PROMPT,
            controls_prefix_cache=self.server in _CACHE_PROMPT,
            exact_tokens=self.server in _RUNS_TO_LENGTH,
            # The route has them; whether they reach the model is seen before any item is asked.
            tool_calls=True,
            simulated=self.server == "scripted",
            # The chat API itself has pictures and sound; films are an extension of some servers.
            images=True,
            audio=True,
            video=self.server in _SHOWS_FILMS,
        )

    def launch(
        self,
        subject: Subject,
        controls: Controls,  # noqa: ARG002 - the protocol's
        place: Place,  # noqa: ARG002 - the protocol's
    ) -> NoReturn:
        """Refuse: there is nothing here to start."""
        served.refuse_launch(self.name, subject)

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route; say only what is stated, and what this server is known to take."""
        served.require_messages(request)
        body = served.chat(Served(self.model), request)
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
        return (served.MODELS, *OPTIONAL_CALLS)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read what it says; an answer that did not come is None."""
        listing, props, *versions = answers
        entry = served.entry_of(listing, self.model)
        known, build = openai.as_object(props) or {}, _build(props, versions)
        name = served.named(Served(self.model), listing)
        if isinstance(known.get("default_generation_settings"), dict):
            claim = llama_server.read_identity(({**known}, {"data": [entry]}))
            return replace(claim, name=name, build=build)
        return IdentityClaim(name=name, context_tokens=served.context_of(entry), build=build)

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
        return served.tokens(answer, who="/tokenize")

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
        own = {"cache": self._cache(), "length": self._length()}
        return served.readback(controls, evidence, claim, own)

    def _cache(self) -> Reading[str]:
        if self.server in _CACHE_PROMPT:
            return served.NOT_ECHOED
        return served.CACHE_THEIRS

    def _length(self) -> Reading[str]:
        if self.server in _RUNS_TO_LENGTH:
            return served.NOT_ECHOED
        return served.NO_IGNORE_EOS


def known_as(listing: object, props: object, header: str = "") -> Server:
    """Return what the server says that it is.

    By its properties, else by who owns its models, else by the `Server` header of its answers.
    """
    found = openai.as_object(props) or {}
    if str(found.get("build_info", "")).startswith("scripted"):
        return "scripted"
    if "total_slots" in found:
        return "llama.cpp"
    owners = {str(entry.get("owned_by", "")).lower() for entry in served.entries(listing)}
    for owner in sorted(owners & _OWNERS.keys()):
        return _OWNERS[owner]
    return _HEADERS.get(header.lower(), "unknown")


def _build(props: object, versions: Sequence[object]) -> Reading[str]:
    candidates = [(openai.as_object(props) or {}).get("build_info")]
    candidates += [(openai.as_object(answer) or {}).get("version") for answer in versions]
    for value in candidates:
        if isinstance(value, str) and value:
            return Measured(value, source="engine")
    return Missing("not_reported", "the server states no build or version")
