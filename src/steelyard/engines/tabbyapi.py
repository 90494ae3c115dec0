"""TabbyAPI, which serves ExLlamaV2 and ExLlamaV3 models, as somebody else has started it.

Nothing here acts. Routes and fields: its published API pages and release notes of 2026-09. Its
`usage` also tells times, in seconds; a word stands where a number could not be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NoReturn, final

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

_MODEL: Final = HttpCall("GET", "/v1/model")
# Its sampling page knows no seed.
_WITHOUT: Final = frozenset({"seed"})


@final
@dataclass(frozen=True, slots=True)
class TabbyApi:
    """The dialect `tabbyapi`. `found` is what the server was found to serve."""

    name: ClassVar = "tabbyapi"
    framing: ClassVar[Framing] = "sse"
    # It runs to a length and tells its times; a seed it does not take.
    capabilities: ClassVar = Capabilities(
        formats=frozenset(),
        reports_timings=True,
        exact_tokens=True,
        logprobs=True,
        tool_calls=True,
        images=True,
        embeddings=True,
    )
    greeting: ClassVar[HttpCall | None] = _MODEL
    found: Served = Served()

    def recognises(self, met: Met) -> bool:
        """Know it by the owner of its models."""
        own = openai.as_object(met.own) or {}
        mine = str(own.get("owned_by", "")).lower() == "tabbyapi"
        return mine or "tabbyapi" in served.owners(met.listing)

    def serving(self, found: Served) -> TabbyApi:
        """Return the dialect with what was found out."""
        return TabbyApi(found)

    def launch(
        self,
        subject: Subject,
        controls: Controls,  # noqa: ARG002 - the protocol's
        place: Place,  # noqa: ARG002 - the protocol's
    ) -> NoReturn:
        """Refuse: it is not started from here."""
        served.refuse_launch(self.name, subject)

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route; forbid the end token where a length is to be met."""
        served.require_messages(request)
        body = served.chat(self.found, request, without=_WITHOUT)
        if request.exact_tokens:
            body["ban_eos_token"] = True
        return HttpCall("POST", served.CHAT, json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one event; the counts of the last one come with times."""
        chunk = openai.parse(data)
        yield from chunk.events
        usage = chunk.mapping("usage") or {}
        if "prompt_time" in usage or "completion_time" in usage:
            yield served.timings(
                self.found,
                usage,
                prefill_s=served.number(usage, "prompt_time", who="TabbyAPI's usage"),
                decode_s=served.number(usage, "completion_time", who="TabbyAPI's usage"),
            )

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        return openai.named_model(data)

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models and for the one that is loaded."""
        return (served.MODELS, _MODEL)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read the model and its context; another than is loaded has none."""
        listing, loaded = answers
        parameters = self._parameters(loaded)
        return IdentityClaim(
            name=served.named(self.found, listing),
            context_tokens=openai.count(parameters, "max_seq_len", who="max_seq_len"),
            slots=openai.count(parameters, "max_batch_size", who="max_batch_size"),
        )

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:
        """Ask for tokens without a beginning-of-text token put before them."""
        if not self.found.tokenises:
            served.refuse_tokens(self.name)
        body = {"text": text, "add_bos_token": False, "encode_special_tokens": special}
        return HttpCall("POST", "/v1/token/encode", json=body)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        return served.tokens(answer, who="TabbyAPI's /v1/token/encode")

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:  # noqa: ARG002
        """Ask nothing: no answer of it shows a setting."""
        return ()

    def controls_readback(
        self,
        subject: Subject,  # noqa: ARG002 - what a file's profile asks for was not asked of anybody
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Say what is loaded with which cache; no page of it tells more."""
        own = {
            "cache": served.CACHE_THEIRS,
            "length": served.NOT_ECHOED,
            "kv_type": served.text(
                self._parameters(evidence.answers[1]), "cache_mode", who="/v1/model"
            ),
        }
        claim = self.read_identity(evidence.answers)
        return served.readback(controls, evidence, claim, own, without=_WITHOUT)

    def _parameters(self, loaded: object) -> Mapping[str, Any]:
        raw = openai.as_object(loaded) or {}
        same = raw.get("id") == self.found.model
        return (openai.as_object(raw.get("parameters")) or {}) if same else {}
