"""Hugging Face's Text Generation Inference: somebody else's, or its image. Nothing here acts.

Routes and fields: its Messages API, `/info` and `/tokenize`, as docs/openapi.json of TGI 3.3 has
them. It serves one model and answers whatever name is asked for. Image and options: its quick tour
and the launcher's arguments, 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, final

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing, Reading
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
    LaunchPlan,
    Met,
    ReadyProbe,
    Served,
)
from steelyard.engines.images import RUNTIME, Image
from steelyard.engines.wires import openai, served

_INFO: Final = HttpCall("GET", "/info")
# Its chat route has no such fields.
_WITHOUT: Final = frozenset({"top_k", "min_p"})
_GIVEN: Final = "given to TGI on its command line"
_FORMATS: Final = frozenset({"safetensors"})
_PATH: Final = "/models/{name}"  # by which it calls the model: it has no other name for it
_SHARED_BYTES: Final = 1 << 30
_NAME: Final = "ghcr.io/huggingface/text-generation-inference"
IMAGES: Final = (
    Image(_NAME, "3.3.7", "cuda", path=_PATH, shared_bytes=_SHARED_BYTES),
    Image(_NAME, "3.3.7-rocm", "rocm", path=_PATH, shared_bytes=_SHARED_BYTES),
)


@final
@dataclass(frozen=True, slots=True)
class Tgi:
    """The dialect `tgi`. `found` is what the server was found to serve."""

    name: ClassVar = "tgi"
    framing: ClassVar[Framing] = "sse"
    # It stops where the model does, and keeps what it computed of prompts.
    capabilities: ClassVar = Capabilities(
        formats=frozenset(),
        image_formats=_FORMATS,
        profile_keys=frozenset({"context_tokens", "slots", "extra_args"}),
        honours_seed=True,
        logprobs=True,
        tool_calls=True,
        images=True,
        metrics=True,
    )
    greeting: ClassVar[HttpCall | None] = _INFO
    found: Served = Served()

    @property
    def images(self) -> tuple[Image, ...]:
        """Its server, built for each kind of device."""
        return IMAGES

    def recognises(self, met: Met) -> bool:
        """Know it by what only its facts hold."""
        own = openai.as_object(met.own) or {}
        return "model_id" in own and "max_total_tokens" in own

    def serving(self, found: Served) -> Tgi:
        """Return the dialect with what was found out."""
        return Tgi(found)

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the server of an image; one that is no image's is somebody else's."""
        served.require_container(self.name, _FORMATS, subject)
        profile, path = subject.profile, str(place.path_of(subject.artifact))
        argv = (
            *("--model-id", path, "--hostname", place.host, "--port", str(place.port)),
            *("--max-total-tokens", str(profile.context_tokens)),
            *("--max-input-tokens", str(profile.context_tokens - 1)),
            *("--max-batch-size", str(profile.slots)),
            *profile.extra_args,
        )
        found = Served(path, profile.context_tokens, controls.reuse_prefix, tokenises=True)
        return LaunchPlan(
            argv, ReadyProbe("/health"), served.OFFLINE, speaks=Tgi(found), called=path
        )

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route, without the sampling that it does not have."""
        served.require_messages(request)
        body = served.chat(self.found, request, without=_WITHOUT)
        # A turn has either a text or calls: beside a text, be it empty, it drops the calls.
        body["messages"] = [
            {name: value for name, value in turn.items() if name != "content"}
            if "tool_calls" in turn and not turn["content"]
            else turn
            for turn in map(openai.message, request.messages)
        ]
        return HttpCall("POST", served.CHAT, json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one event; each of them repeats the role beside its text."""
        yield from openai.parse(data).events

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        return openai.named_model(data)

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models and for its facts."""
        return (served.MODELS, _INFO)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read the model and its revision, the context and the version."""
        listing, info = answers
        facts = openai.as_object(info) or {}
        return IdentityClaim(
            name=served.named(self.found, listing),
            model_path=served.text(facts, "model_id", who="/info"),
            context_tokens=openai.count(facts, "max_total_tokens", who="max_total_tokens"),
            build=served.text(facts, "version", who="/info"),
            quant=served.text(facts, "quantize", "model_dtype", who="/info"),
            digest=served.text(facts, "model_sha", who="/info"),
            takes=_takes(facts.get("model_pipeline_tag")),
        )

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:  # noqa: ARG002
        """Ask for the tokens of a text; what begins one is put before it and counted too."""
        if not self.found.tokenises:
            served.refuse_tokens(self.name)
        return HttpCall("POST", "/tokenize", json={"inputs": text})

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read a list of objects, each with its `id`."""
        listed = answer if isinstance(answer, list) else [None]
        ids = [(openai.as_object(token) or {}).get("id") for token in listed]
        if not all(isinstance(token, int) for token in ids):
            raise DialectError(f"TGI's /tokenize answered {str(answer)[:120]}")
        return tuple(token for token in ids if isinstance(token, int))

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:  # noqa: ARG002
        """Ask nothing: no answer of it shows a setting."""
        return ()

    def controls_readback(
        self,
        subject: Subject,
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Say what is listed, and of what is sent that it is not confirmed."""
        own = {"cache": served.CACHE_THEIRS, "length": served.NO_IGNORE_EOS}
        claim = self.read_identity(evidence.answers)
        seen = served.readback(controls, evidence, claim, own, without=_WITHOUT)
        if subject.runtime == RUNTIME:
            return served.launched(subject, controls, seen, _GIVEN, threads=False)
        return seen


def _takes(tag: object) -> Reading[frozenset[str]]:
    """Read the tag of the model's page; one from a folder has none."""
    if not isinstance(tag, str) or not tag:
        return Missing("not_reported", "/info states no model_pipeline_tag")
    return Measured(frozenset({"image"} if tag.startswith("image-text") else ()), "engine")
