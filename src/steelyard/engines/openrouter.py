"""OpenRouter, which passes requests on to hosted providers. Nothing here acts.

Every answer says what it cost and who gave it; between the events stand comments. Afterwards the
service has an account of each. Routes and fields: its chat-completions, models, endpoints and
generation API, streaming and errors, as documented in 2026-10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NoReturn, final
from urllib.parse import quote

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import Account, Finished, StreamEvent, StreamFailed
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

_SOME: Final = 4
_ID_MAX: Final = 200
_S_PER_MS: Final = 1e-3


@final
@dataclass(frozen=True, slots=True)
class OpenRouter:
    """The dialect `openrouter`. `found` is what the server was found to serve."""

    name: ClassVar = "openrouter"
    framing: ClassVar[Framing] = "sse"  # with comments while a provider is awaited
    greeting: ClassVar[HttpCall | None] = None  # its list of models is unlike any other's
    found: Served = Served()

    @property
    def capabilities(self) -> Capabilities:
        """What a request asks for counts as far as the provider goes along with it."""
        return Capabilities(
            formats=frozenset(),
            tool_calls=self._takes_tools(),
            images=True,
            audio=True,
            video=True,
        )

    def recognises(self, met: Met) -> bool:
        """Know it by the prices and the providers in its list of models."""
        first = next(iter(served.entries(met.listing)), {})
        return "pricing" in first and "top_provider" in first

    def serving(self, found: Served) -> OpenRouter:
        """Return the dialect with what was found out."""
        return OpenRouter(found)

    def launch(
        self,
        subject: Subject,
        controls: Controls,  # noqa: ARG002 - the protocol's
        place: Place,  # noqa: ARG002 - the protocol's
    ) -> NoReturn:
        """Refuse: it is not started from here."""
        served.refuse_launch(self.name, subject)

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route, and ask for the cost beside the counts."""
        served.require_messages(request)
        body = {**served.chat(self.found, request), "usage": {"include": True}}
        return HttpCall("POST", served.CHAT, json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one event; a provider that gives up half-way is an error under status 200."""
        for event in openai.parse(data).events:
            if event == Finished("error"):
                yield StreamFailed("the provider broke the answer off")
            else:
                yield event

    def named_model(self, data: str) -> str | None:
        """Return the model's name and the provider: two providers are not one subject."""
        raw = openai.parse(data).raw
        model, provider = raw.get("model"), raw.get("provider")
        if not isinstance(model, str):
            return None
        return f"{model} by {provider}" if isinstance(provider, str) and provider else model

    def answer_id(self, data: str) -> str | None:
        """Return the id under which the service keeps its account."""
        found = openai.parse(data).raw.get("id")
        good = isinstance(found, str) and found.isprintable() and 0 < len(found) <= _ID_MAX
        return found if good else None

    def _takes_tools(self) -> bool:
        """Whether a provider of the model takes them, where it is listed what they take."""
        listing = self.found.answers[0] if self.found.answers else None
        taken = served.entry_of(listing, self.found.model).get("supported_parameters")
        return "tools" in taken if isinstance(taken, list) else True

    def account_call(self, answer: str) -> HttpCall:
        """Ask for the account of one answer."""
        return HttpCall("GET", f"/v1/generation?id={quote(answer, safe='')}")

    def read_account(self, told: object) -> Account:
        """Read who gave an answer, the provider's own counts, times and the bill."""
        data = openai.as_object((openai.as_object(told) or {}).get("data"))
        if data is None:
            raise DialectError("OpenRouter's account of an answer is none: it has no `data`")
        provider = data.get("provider_name")
        named = isinstance(provider, str) and bool(provider)
        return Account(
            provider=Measured(str(provider), "engine") if named else _untold("provider_name"),
            prompt_tokens=_count(data, "native_tokens_prompt"),
            output_tokens=_count(data, "native_tokens_completion"),
            reasoning_tokens=_count(data, "native_tokens_reasoning"),
            cached_tokens=_count(data, "native_tokens_cached"),
            latency_s=_amount(data, "latency", _S_PER_MS),
            generation_s=_amount(data, "generation_time", _S_PER_MS),
            cost_usd=_amount(data, "total_cost"),
            upstream_usd=_amount(data, "upstream_inference_cost"),
        )

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models and for the providers of this one."""
        if self.found.model is None:
            return (served.MODELS,)
        return (served.MODELS, HttpCall("GET", f"/v1/models/{self.found.model}/endpoints"))

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read the context, and in which quants the providers serve the model."""
        listing, *endpoints = answers
        entry = served.entry_of(listing, self.found.model)
        return IdentityClaim(
            name=served.named(self.found, listing),
            model_path=served.text(entry, "canonical_slug", who="OpenRouter's list"),
            context_tokens=served.context_of(entry),
            build=Missing("not_reported", "a hosted service has no version to tell"),
            quant=_quant(endpoints[0] if endpoints else None),
            takes=served.modalities(entry),
        )

    def tokenise_call(self, text: str, *, special: bool) -> NoReturn:  # noqa: ARG002
        """Refuse: there is no such route."""
        served.refuse_tokens(self.name)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read a list under `tokens`, which it never sends."""
        return served.tokens(answer, who="openrouter")

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:  # noqa: ARG002
        """Ask nothing: no answer of it shows a setting."""
        return ()

    def controls_readback(
        self,
        subject: Subject,  # noqa: ARG002 - what a file's profile asks for was not asked of anybody
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Say what is listed, and that the rest is the provider's."""
        own = {"cache": served.CACHE_THEIRS, "length": served.NO_IGNORE_EOS}
        claim = self.read_identity(evidence.answers)
        return served.readback(controls, evidence, claim, own)


def _count(data: Mapping[str, Any], key: str) -> Reading[int]:
    value = data.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Measured(value, "engine")
    return _untold(key)


def _amount(data: Mapping[str, Any], key: str, scale: float = 1.0) -> Reading[float]:
    value = data.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return Measured(value * scale, "engine")
    return _untold(key)


def _untold(key: str) -> Missing:
    return Missing("not_reported", f"OpenRouter's account of it gives no {key}")


def _quant(answer: object) -> Reading[str]:
    """Return the quant in which all providers serve the model, or that they differ."""
    data = openai.as_object((openai.as_object(answer) or {}).get("data")) or {}
    listed = data.get("endpoints")
    ends: list[Mapping[str, Any]] = [e for e in listed or () if isinstance(e, dict)]
    quants = {str(end.get("quantization") or "unknown") for end in ends}
    if len(quants) == 1:
        return Measured(quants.pop(), "engine")
    if not ends:
        return Missing("not_reported", "OpenRouter lists no provider of this model")
    said = [f"{end.get('quantization') or 'unknown'} at {end.get('provider_name')}" for end in ends]
    return Missing("varies", f"providers differ: {', '.join(said[:_SOME])}")
