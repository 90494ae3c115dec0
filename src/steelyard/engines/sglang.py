"""SGLang's server: somebody else's, or one of its images. Nothing here acts.

Routes and fields: its OpenAI-style routes, `/tokenize`, `/get_model_info` and `/server_info`
(`/get_server_info` in older ones), as SGLang 0.5 documents them. Images and options: its pages on
installation and server arguments, 0.5.17.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import Finished, StreamEvent, StreamFailed
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

_MODEL: Final = HttpCall("GET", "/get_model_info")
_SETTINGS: Final = HttpCall("GET", "/server_info")
_SETTINGS_BEFORE: Final = HttpCall("GET", "/get_server_info")
_GIVEN: Final = "given to SGLang on its command line"
_FORMATS: Final = frozenset({"safetensors"})
_SHARED_BYTES: Final = 8 << 30
IMAGES: Final = (
    Image(
        "docker.io/lmsysorg/sglang",
        "v0.5.17",
        "cuda",
        digest="sha256:16aba8925507e631e1dc1e23d95d026533602591775f6a8db68b74ee99746155",
        source="the same in two public repositories' deployments of 2026-09",
        entrypoint="python3",
        shared_bytes=_SHARED_BYTES,
    ),
)


@final
@dataclass(frozen=True, slots=True)
class SgLang:
    """The dialect `sglang`. `found` is what the server was found to serve."""

    name: ClassVar = "sglang"
    framing: ClassVar[Framing] = "sse"
    greeting: ClassVar[HttpCall | None] = _MODEL
    found: Served = Served()

    @property
    def capabilities(self) -> Capabilities:
        """It runs to a length and takes tokens; a seed counts only in its deterministic mode."""
        return Capabilities(
            formats=frozenset(),
            image_formats=_FORMATS,
            profile_keys=frozenset({"context_tokens", "slots", "extra_args"}),
            controls_prefix_cache=True,
            exact_tokens=True,
            token_prompts=self.found.tokenises,
            logprobs=True,
            tool_calls=True,
            images=True,
            audio=True,
            video=True,
            embeddings=True,
            metrics=True,
        )

    @property
    def images(self) -> tuple[Image, ...]:
        """Its server for NVIDIA's devices: those for AMD's are tagged by model of device."""
        return IMAGES

    def recognises(self, met: Met) -> bool:
        """Know it by the owner of its models, or by what it tells of its weights."""
        own = openai.as_object(met.own) or {}
        told = "is_generation" in own and "model_path" in own
        return told or "sglang" in served.owners(met.listing)

    def serving(self, found: Served) -> SgLang:
        """Return the dialect with what was found out."""
        return SgLang(found)

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the server of an image; one that is no image's is somebody else's."""
        served.require_container(self.name, _FORMATS, subject)
        profile, name = subject.profile, subject.artifact.name
        argv = (
            *("-m", "sglang.launch_server", "--model-path", str(place.path_of(subject.artifact))),
            *("--served-model-name", name, "--host", place.host, "--port", str(place.port)),
            *("--context-length", str(profile.context_tokens)),
            *("--max-running-requests", str(profile.slots), "--random-seed", str(controls.seed)),
            *(() if controls.reuse_prefix else ("--disable-radix-cache",)),
            *profile.extra_args,
        )
        found = Served(name, profile.context_tokens, controls.reuse_prefix, tokenises=True)
        return LaunchPlan(argv, ReadyProbe("/health"), served.OFFLINE, speaks=SgLang(found))

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route, or for tokens the completions route; salt against the cache."""
        served.require_no_slot(request)
        if request.prompt_tokens is None:
            path, body = served.CHAT, served.chat(self.found, request)
        else:
            path, body = served.COMPLETIONS, served.completion(self.found, request)
        if request.exact_tokens:
            body["ignore_eos"] = True
        if not request.reuse_prefix:
            body["cache_salt"] = served.salt(body)
        return HttpCall("POST", path, json=_heard(body))

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one event; an answer that the server gave up is an error, whatever its status."""
        for event in openai.parse(data).events:
            if event == Finished("abort"):
                yield StreamFailed("the server aborted the request")
            else:
                yield event

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        return openai.named_model(data)

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models, the weights, and the settings under both names of their route."""
        return (served.MODELS, _MODEL, _SETTINGS, _SETTINGS_BEFORE)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read the model, its weights, quant and context, and how many requests run at once."""
        listing, model, *_ = answers
        entry = served.entry_of(listing, self.found.model)
        settings = _settings(answers)
        return IdentityClaim(
            name=served.named(self.found, listing),
            model_path=served.text(
                openai.as_object(model) or {}, "model_path", who="/get_model_info"
            ),
            context_tokens=served.context_of(entry),
            slots=openai.count(settings, "max_running_requests", who="max_running_requests"),
            build=served.text(settings, "version", who="/server_info"),
            quant=served.text(settings, "quantization", "dtype", who="/server_info"),
            takes=_takes(openai.as_object(model) or {}),
        )

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:  # noqa: ARG002
        """Ask for the tokens of a bare text; control tokens in it are always recognised."""
        if not self.found.tokenises:
            served.refuse_tokens(self.name)
        model = {} if self.found.model is None else {"model": self.found.model}
        body = {**model, "prompt": text, "add_special_tokens": False}
        return HttpCall("POST", "/tokenize", json=body)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        return served.tokens(answer, who="SGLang's /tokenize")

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:  # noqa: ARG002
        """Ask nothing: no answer of it shows a setting."""
        return ()

    def controls_readback(
        self,
        subject: Subject,
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Say what its settings tell: whether a prefix cache exists at all, and its types."""
        settings = _settings(evidence.answers)
        salted = served.NOT_ECHOED if controls.reuse_prefix else served.SALTED
        own = {
            "cache": Measured("off", "engine") if settings.get("disable_radix_cache") else salted,
            "length": served.NOT_ECHOED,
            "kv_type": served.text(settings, "kv_cache_dtype", who="/server_info"),
        }
        claim = self.read_identity(evidence.answers)
        seen = served.readback(controls, evidence, claim, own)
        if subject.runtime == RUNTIME:
            return served.launched(subject, controls, seen, _GIVEN, threads=False)
        return seen


def _settings(answers: Sequence[object]) -> Mapping[str, Any]:
    """Return the answer of whichever route of the two is there."""
    return openai.as_object(answers[2]) or openai.as_object(answers[3]) or {}


def _heard(body: dict[str, object]) -> dict[str, object]:
    """Return the body with sounds as SGLang has them: by a data URL, in parts of their own name."""
    turns = body.get("messages")
    for turn in turns if isinstance(turns, list) else ():
        for part in turn["content"] if isinstance(turn["content"], list) else ():
            if (sound := part.pop("input_audio", None)) is not None:
                url = f"data:audio/{sound['format']};base64,{sound['data']}"
                part |= {"type": "audio_url", "audio_url": {"url": url}}
    return body


def _takes(model: Mapping[str, Any]) -> Reading[frozenset[str]]:
    """Read what the model understands; films are taken by what takes pictures."""
    sees, hears = model.get("has_image_understanding"), model.get("has_audio_understanding")
    if not isinstance(sees, bool) or not isinstance(hears, bool):
        return Missing("not_reported", "/get_model_info does not state what the model understands")
    kinds = ({"image", "video"} if sees else set()) | ({"audio"} if hears else set())
    return Measured(frozenset(kinds), "engine")
