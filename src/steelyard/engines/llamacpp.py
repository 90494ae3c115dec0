"""llama.cpp's `llama-server`: how to start it, what to send it, how to read it.

Nothing here opens a socket or starts a process: `engines.host` starts and asks, `loadgen.driver`
sends what is timed. Flags and fields: tools/server/README.md in ggml-org/llama.cpp; the wheel's
server takes the same (`steelyard.llamalib.server`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Final, final

from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import StreamEvent
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import devices
from steelyard.engines.api import (
    Asking,
    Capabilities,
    Evidence,
    Framing,
    HttpCall,
    IdentityClaim,
    LaunchPlan,
    Met,
    PromptFacts,
    ReadyProbe,
    Served,
)
from steelyard.engines.images import ARM, X86, Image
from steelyard.engines.wires import llama_log, llama_prompts, llama_server, openai, served

FULL_PRECISION_KV: Final = frozenset({"f16", "f32", "bf16"})
_THEIR_SETTINGS: Final = frozenset({"threads", "context_tokens", "slots"})
_BOTH: Final = frozenset({X86, ARM})
_IMAGES: Final = "ghcr.io/ggml-org/llama.cpp"
_BUILD: Final = "b9014"
_PUBLISHED: Final = "the table of pins in the documentation of Osmantic/ODS, which runs them"


def _image(tag: str, device: str, digest: str, machines: frozenset[str] = _BOTH) -> Image:
    return Image(_IMAGES, f"{tag}-{_BUILD}", device, machines, digest, _PUBLISHED, own_user=True)


IMAGES: Final = (
    _image(
        "server",
        "cpu",
        "sha256:2e7953dfef88f302bf0683bffa7dc1f8d86ef75910380bc41126ec5b8bedaf53",
    ),
    _image(
        "server-cuda",
        "cuda",
        "sha256:fcf285820892e7ce3218379634e3590826fc697e8b6745b9392072462e355c4f",
    ),
    _image(
        "server-rocm",
        "rocm",
        "sha256:68403f82fe496302bb1c681bab2ee569a04cc13da8fcf14456376b485562236d",
        frozenset({X86}),
    ),
    _image(
        "server-vulkan",
        "vulkan",
        "sha256:15c30b560d61ead1e08bee837503203a776fd968736118e313240c32157fd973",
    ),
)


@final
@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """The dialect of `llama-server`: its OpenAI-style chat route, and `/completion` for tokens.

    `found` is what was found out of one that somebody else has started.
    """

    name: ClassVar = "llamacpp"
    framing: ClassVar[Framing] = "sse"
    greeting: ClassVar[HttpCall | None] = HttpCall("GET", "/props")
    found: Served = Served()

    @property
    def capabilities(self) -> Capabilities:
        """It can be told everything; tokens are a prompt where its own route has counted them."""
        return Capabilities(
            formats=frozenset({"gguf"}),
            image_formats=frozenset({"gguf"}),
            reports_timings=True,
            controls_prefix_cache=True,
            honours_seed=True,
            exact_tokens=True,
            token_prompts=self.found == Served() or self.found.tokenises,
            logprobs=True,
            tool_calls=True,
            images=True,
            audio=True,
            video=True,
            embeddings=True,
            metrics=True,
            profile_keys=frozenset(field.name for field in fields(EngineProfile)),
            devices=frozenset(devices.KINDS),
        )

    @property
    def images(self) -> tuple[Image, ...]:
        """Its server, built for each kind of device."""
        return IMAGES

    def recognises(self, met: Met) -> bool:
        """Know it by its properties and the build that they name.

        Who owns its model and its header say no more than that it is of llama.cpp's kin. A router
        has no properties of one model, and says what it is.
        """
        props = openai.as_object(met.own) or {}
        if props.get("role") == "router":
            return True
        build = str(props.get("build_info", ""))
        return bool(build) and not build.startswith("scripted") and "total_slots" in props

    def serving(self, found: Served) -> LlamaCpp:
        """Return the dialect with what was found out."""
        return LlamaCpp(found)

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the exact server that `subject` describes under `controls`, or refuse."""
        profile, artifact = subject.profile, subject.artifact
        if artifact.format not in self.capabilities.formats:
            raise UnsupportedSubject(
                f"llamacpp loads gguf files; {artifact.name!r} is {artifact.format}",
                hint="export it to GGUF, or pick another engine",
            )
        values = profile.kv_type_v or profile.kv_type
        if values not in FULL_PRECISION_KV and not profile.flash_attention:
            raise UnsupportedSubject(
                f"llama.cpp quantises the values in its cache ({values}) only with flash attention",
                hint="set flash_attention in the engine profile, or kv_type_v to f16",
            )
        if profile.gpus > 1 and profile.split_mode == "tensor" and not profile.flash_attention:
            raise UnsupportedSubject(
                "llama.cpp splits tensors over GPUs only with flash attention",
                hint="set flash_attention in the engine profile, or split_mode to row",
            )
        draft = profile.draft_sha256
        if draft is not None and draft not in place.paths:
            raise BadInput(
                f"nobody said where the draft model {draft[:12]}… lies",
                hint="name its file as draft_model in the engine profile",
            )
        threads = controls.threads or profile.threads
        argv = (
            *place.program,  # `llama-server`, or the wheel's server behind our own entry
            *("--model", str(place.path_of(artifact))),
            *("--alias", artifact.name),
            *("--host", place.host, "--port", str(place.port), "--metrics"),
            *(("--threads", str(threads), "--threads-batch", str(threads)) if threads else ()),
            # Without a shared KV buffer the server splits its context between the slots.
            *("--parallel", str(profile.slots), "--no-kv-unified"),
            *("--ctx-size", str(profile.context_tokens * profile.slots)),
            *("--batch-size", str(profile.batch_tokens)),
            *("--ubatch-size", str(profile.micro_batch_tokens)),
            *devices.llama_flags(
                controls.device, profile.gpu_layers, profile.gpus, profile.split_mode
            ),
            *("--cache-type-k", profile.kv_type, "--cache-type-v", values),
            *("--flash-attn", "on" if profile.flash_attention else "off"),
            *("--seed", str(controls.seed)),
            # Kept prompts fill up to 8 GiB of memory that would be counted as the model's.
            *("--cache-ram", "0"),
            # Left on, --fit resizes whatever looks too big for the device: the numbers
            # would belong to a subject nobody asked for. Better to fail to load.
            *("--fit", "off"),
            *(("--model-draft", str(place.paths[draft])) if draft else ()),
            *profile.extra_args,
        )
        return LaunchPlan(argv, ready=ReadyProbe("/health", ready=200, loading=503))

    def encode(self, request: GenerationRequest) -> HttpCall:
        """State everything: sampling, seed, no prefix cache, no timings on each event."""
        call = llama_server.encode(request)
        if self.found.model is None:
            return call
        return replace(call, json={"model": self.found.model, **call.json})

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one server-sent event; the last one also carries the server's own clock."""
        chunk = openai.parse(data)
        yield from chunk.events
        yield from llama_server.extra_events(chunk)

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        return openai.named_model(data)

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the properties and for the model's own entry."""
        return llama_server.IDENTITY_CALLS

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read what is served: path, sizes, vocabulary, context per slot, build, sampling."""
        if self.found == Served():
            return llama_server.read_identity(answers)
        props, listing = answers
        entry = served.entry_of(listing, self.found.model)
        claim = llama_server.read_identity((props, {"data": [entry]}))
        return replace(claim, name=served.named(self.found, listing))

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:
        """Ask for tokens without a beginning-of-text token put before them."""
        if self.found != Served() and not self.found.tokenises:
            served.refuse_tokens(self.name)
        return llama_server.tokenise_call(text, special=special)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        return llama_server.read_tokens(answer)

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Ask one token of the same prompt twice: a cache that is on shows the second time."""
        if self.found != Served() and not self.capabilities.token_prompts:
            return ()
        return llama_server.control_probes(controls)

    def controls_readback(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Read the seed and sampling it echoes; settings and device from what it logs."""
        if self.found != Served():
            return self._theirs(subject, controls, evidence)
        return (
            *llama_server.controls_readback(subject, controls, evidence),
            *llama_log.settings_readback(subject.profile, controls, evidence.log),
        )

    def prompt_facts(self, request: GenerationRequest, asking: Asking) -> PromptFacts:
        """Ask it to render, tokenise, and echo its settings."""
        return llama_prompts.prompt_facts(request, asking)

    def projects(self, subject: Subject) -> bool:
        """Whether it is started with `--mmproj`: docs/multimodal.md."""
        return llama_server.projected(subject)

    def loaded_call(self) -> HttpCall:
        """Ask a router for its models and what state each is in."""
        return HttpCall("GET", "/models")

    def read_loaded(self, answer: object) -> Reading[bool]:
        """Read the state; a server that is no router serves one model for all its life."""
        entry = served.entry_of(answer, self.found.model)
        state = (openai.as_object(entry.get("status")) or {}).get("value")
        if not isinstance(state, str):
            return Missing("no_router", "this llama-server was started with its model")
        return Measured(state not in ("unloaded", "sleeping"), "engine")

    def unload_call(self) -> HttpCall:
        """Have a router unload the model: tools/server/README.md, "Using multiple models"."""
        return HttpCall("POST", "/models/unload", json={"model": self.found.model or ""})

    def _theirs(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Read back what a server of somebody else's echoes; its settings were nobody's wish."""
        if evidence.probes:
            seen = llama_server.controls_readback(subject, controls, evidence)
            return served.left_open(seen, _THEIR_SETTINGS)
        claim = self.read_identity(evidence.answers)
        own = {"cache": served.NOT_ECHOED, "length": served.NOT_ECHOED}
        return served.readback(controls, evidence, claim, own)
