"""LocalAI, as somebody else has started it. Nothing here acts.

It serves models by back ends of many kinds. Times come only to those who ask with the header
`Extra-Usage`, in milliseconds. Routes and fields: its OpenAI-style routes, `/system`, `/version`
and `/v1/tokenize`, as LocalAI 4.9 documents them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NoReturn, final

from steelyard.domain.reading import Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import StreamEvent
from steelyard.domain.subject import Subject
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

_SECONDS_PER_MS: Final = 1e-3
_SYSTEM: Final = HttpCall("GET", "/system")
_VERSION: Final = HttpCall("GET", "/version")
_TIMES: Final = {"Extra-Usage": "true"}


@final
@dataclass(frozen=True, slots=True)
class LocalAi:
    """The dialect `localai`. `found` is what the server was found to serve."""

    name: ClassVar = "localai"
    framing: ClassVar[Framing] = "sse"
    # What its llama.cpp back end can do; others may ignore a field.
    capabilities: ClassVar = Capabilities(
        formats=frozenset(),
        reports_timings=True,
        honours_seed=True,
        exact_tokens=True,
        logprobs=True,
        tool_calls=True,
        images=True,
        audio=True,
        video=True,
        embeddings=True,
    )
    greeting: ClassVar[HttpCall | None] = _SYSTEM
    found: Served = Served()

    def recognises(self, met: Met) -> bool:
        """Know it by its back ends and the models that they have loaded."""
        own = openai.as_object(met.own) or {}
        return "backends" in own and "loaded_models" in own

    def serving(self, found: Served) -> LocalAi:
        """Return the dialect with what was found out."""
        return LocalAi(found)

    def launch(
        self,
        subject: Subject,
        controls: Controls,  # noqa: ARG002 - the protocol's
        place: Place,  # noqa: ARG002 - the protocol's
    ) -> NoReturn:
        """Refuse: it is not started from here."""
        served.refuse_launch(self.name, subject)

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route, and ask for times beside the counts."""
        served.require_messages(request)
        body = served.chat(self.found, request)
        if request.exact_tokens:
            body["ignore_eos"] = True
        return HttpCall("POST", served.CHAT, json=body, headers=_TIMES)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one event; older versions count in every one, and the last count holds."""
        chunk = openai.parse(data)
        yield from chunk.events
        usage = chunk.mapping("usage") or {}
        if usage.get("timing_token_generation"):
            yield served.timings(
                self.found,
                usage,
                prefill_s=_seconds(usage, "timing_prompt_processing"),
                decode_s=_seconds(usage, "timing_token_generation"),
            )

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        return openai.named_model(data)

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models, the version and the back ends."""
        return (served.MODELS, _VERSION, _SYSTEM)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read the model and the version; of the weights it tells nothing."""
        listing, version, _ = answers
        return IdentityClaim(
            name=served.named(self.found, listing),
            build=served.text(openai.as_object(version) or {}, "version", who="/version"),
        )

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:  # noqa: ARG002
        """Ask for the tokens of a text."""
        if not self.found.tokenises:
            served.refuse_tokens(self.name)
        model = {} if self.found.model is None else {"model": self.found.model}
        return HttpCall("POST", "/v1/tokenize", json={**model, "content": text})

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        return served.tokens(answer, who="LocalAI's /v1/tokenize")

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:  # noqa: ARG002
        """Ask nothing: no answer of it shows a setting."""
        return ()

    def controls_readback(
        self,
        subject: Subject,  # noqa: ARG002 - what a file's profile asks for was not asked of anybody
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Say which back end serves the model, and of what is sent that it is not confirmed."""
        own = {
            "cache": served.CACHE_THEIRS,
            "length": served.NOT_ECHOED,
            "backend": self._backend(evidence.answers[2]),
        }
        claim = self.read_identity(evidence.answers)
        return served.readback(controls, evidence, claim, own)

    def _backend(self, system: object) -> Reading[str]:
        listed = (openai.as_object(system) or {}).get("loaded_models")
        models = [openai.as_object(m) or {} for m in listed or ()] if listed else []
        mine: Mapping[str, Any] = next((m for m in models if m.get("id") == self.found.model), {})
        if not mine:
            return Missing("not_loaded", "LocalAI has not loaded the model, or does not tell")
        return served.text(mine, "backend", who="/system")


def _seconds(usage: Mapping[str, Any], key: str) -> Reading[float]:
    return served.number(usage, key, scale=_SECONDS_PER_MS, who="LocalAI's usage")
