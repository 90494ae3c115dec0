"""LM Studio's server, as somebody else has started it, by its own REST API. Nothing here acts.

Its OpenAI-style routes tell neither quant nor times: `/api/v0` does. Where it cannot serve a stream
it answers 200 and says why in an event of the type `error`. Routes and fields: the REST API v0 and
the reported error frames of LM Studio 0.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NoReturn, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import StreamEvent
from steelyard.domain.subject import Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import (
    Capabilities,
    Evidence,
    Framing,
    HttpCall,
    IdentityClaim,
    Met,
    Served,
)
from steelyard.engines.wires import openai, served

_MODELS: Final = HttpCall("GET", "/api/v0/models")
_CHAT: Final = "/api/v0/chat/completions"
_WITHOUT: Final = frozenset({"min_p"})
_HELLO: Final = Message("user", "a")
_NO_PREFILL: Final = Missing(
    "not_reported", "LM Studio tells the time to the first token, queue and template included"
)


@final
@dataclass(frozen=True, slots=True)
class LmStudio:
    """The dialect `lmstudio`. `found` is what the server was found to serve."""

    name: ClassVar = "lmstudio"
    framing: ClassVar[Framing] = "sse"
    # It tells how long it generated; it can be told neither to run on nor to forget.
    capabilities: ClassVar = Capabilities(
        formats=frozenset(),
        reports_timings=True,
        honours_seed=True,
        tool_calls=True,
        images=True,
        embeddings=True,
    )
    greeting: ClassVar[HttpCall | None] = _MODELS
    found: Served = Served()

    def recognises(self, met: Met) -> bool:
        """Know it by the owner in its OpenAI-style list, or by its own."""
        first = next(iter(served.entries(met.own)), {})
        return "compatibility_type" in first or "organization_owner" in served.owners(met.listing)

    def serving(self, found: Served) -> LmStudio:
        """Return the dialect with what was found out."""
        return LmStudio(found)

    def launch(
        self,
        subject: Subject,
        controls: Controls,  # noqa: ARG002 - the protocol's
        place: Place,  # noqa: ARG002 - the protocol's
    ) -> NoReturn:
        """Refuse: it is not started from here."""
        served.refuse_launch(self.name, subject)

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use its own chat route, without the sampling that it does not have."""
        served.require_messages(request)
        body = served.chat(self.found, request, without=_WITHOUT)
        return HttpCall("POST", _CHAT, json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one event; the last one, or a whole answer, has `stats` beside the counts."""
        chunk = openai.parse(data)
        yield from chunk.events
        if stats := chunk.mapping("stats"):
            yield served.timings(
                self.found,
                chunk.mapping("usage") or {},
                prefill_s=_NO_PREFILL,
                decode_s=served.number(stats, "generation_time", who="LM Studio's stats"),
            )

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        return openai.named_model(data)

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models in both forms."""
        return (served.MODELS, _MODELS)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read the quant, and the context that is loaded, where the model is."""
        listing, own = answers
        entry = served.entry_of(own, self.found.model)
        context = openai.count(entry, "loaded_context_length", who="loaded_context_length")
        if entry.get("state") != "loaded":
            context = Missing("not_loaded", "LM Studio has not loaded the model yet")
        return IdentityClaim(
            name=served.named(self.found, listing),
            context_tokens=context,
            build=Missing("not_reported", "LM Studio does not tell its version"),
            quant=served.text(entry, "quantization", who="/api/v0/models"),
            takes=_takes(entry.get("type")),
        )

    def tokenise_call(self, text: str, *, special: bool) -> NoReturn:  # noqa: ARG002
        """Refuse: there is no such route."""
        served.refuse_tokens(self.name)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read a list under `tokens`, which it never sends."""
        return served.tokens(answer, who="lmstudio")

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Ask for one token: a whole answer names the runtime and its version."""
        one = GenerationRequest((_HELLO,), max_tokens=1, seed=controls.seed, stream=False)
        return (self.encode(one),)

    def controls_readback(
        self,
        subject: Subject,  # noqa: ARG002 - what a file's profile asks for was not asked of anybody
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Say what is listed (quant, format, context) and which runtime has answered."""
        entry = served.entry_of(evidence.answers[1], self.found.model)
        own = {
            "cache": served.CACHE_THEIRS,
            "length": served.NO_IGNORE_EOS,
            "format": served.text(entry, "compatibility_type", who="/api/v0/models"),
            "runtime": _runtime(evidence.probes),
        }
        claim = self.read_identity(evidence.answers)
        return served.readback(controls, evidence, claim, own, without=_WITHOUT)


def _takes(kind: object) -> Reading[frozenset[str]]:
    """Read what a model is: `llm` reads, `vlm` also sees."""
    if not isinstance(kind, str):
        return Missing("not_reported", "/api/v0/models states no type")
    return Measured(frozenset({"image"} if kind == "vlm" else ()), "engine")


def _runtime(probes: Sequence[object]) -> Reading[str]:
    """Read name and version of what computes: llama.cpp or MLX, in a build of LM Studio's own."""
    answer = openai.as_object(probes[0]) if probes else None
    told = openai.as_object((answer or {}).get("runtime")) or {}
    name, version = (told.get(key) for key in ("name", "version"))
    if isinstance(name, str) and isinstance(version, str):
        return Measured(f"{name} {version}", "engine")
    return Missing("not_reported", "its answer names no runtime")
