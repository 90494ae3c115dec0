"""vLLM's OpenAI-compatible server: somebody else's, or one of its images. Nothing here acts.

Routes and fields: its `/v1/chat/completions`, `/v1/completions`, `/v1/models`, `/version` and
`/tokenize`, and `metrics` of an answer, as vLLM 0.33 documents them. Images and the options of
`vllm serve`: its pages on deployment with Docker, on the CPU and on environment variables, 0.30.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, final

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
    LaunchPlan,
    Met,
    ReadyProbe,
    Served,
)
from steelyard.engines.images import RUNTIME, Image
from steelyard.engines.wires import openai, served

_SECONDS_PER_MS: Final = 1e-3
_GIVEN: Final = "given to vLLM on its command line"
_FORMATS: Final = frozenset({"safetensors"})
_SHARED_BYTES: Final = 4 << 30
_TAG: Final = "v0.30.0"
IMAGES: Final = (
    Image(
        "docker.io/vllm/vllm-openai",
        _TAG,
        "cuda",
        digest="sha256:8a69ffad015f138d7170c4ddc429e230a3bc1c1719f67e14324749df200a4b90",
        source="the same in eight public repositories' deployments of 2026-09 and 2026-10",
        entrypoint="vllm",
        shared_bytes=_SHARED_BYTES,
    ),
    Image(
        "docker.io/vllm/vllm-openai-rocm",
        _TAG,
        "rocm",
        entrypoint="vllm",
        shared_bytes=_SHARED_BYTES,
    ),
    Image(
        "docker.io/vllm/vllm-openai-cpu",
        _TAG,
        "cpu",
        entrypoint="vllm",
        shared_bytes=_SHARED_BYTES,
    ),
)
_VERSION: Final = HttpCall("GET", "/version")


@final
@dataclass(frozen=True, slots=True)
class Vllm:
    """The dialect `vllm`. `found` is what the server was found to serve."""

    name: ClassVar = "vllm"
    framing: ClassVar[Framing] = "sse"  # one event may carry several tokens
    # Other engines have a `/version` too, and it lists its models as its own.
    greeting: ClassVar[HttpCall | None] = None
    found: Served = Served()

    @property
    def capabilities(self) -> Capabilities:
        """It runs to a length and takes tokens, whose counts come from its tokenise route."""
        return Capabilities(
            formats=frozenset(),
            image_formats=_FORMATS,
            profile_keys=frozenset({"context_tokens", "slots", "threads", "extra_args"}),
            reports_timings=True,
            controls_prefix_cache=True,
            honours_seed=True,
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
        """Its server, built for each kind of device."""
        return IMAGES

    def recognises(self, met: Met) -> bool:
        """Know it by the owner of its models."""
        return "vllm" in served.owners(met.listing)

    def serving(self, found: Served) -> Vllm:
        """Return the dialect with what was found out."""
        return Vllm(found)

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the server of an image; one that is no image's is somebody else's."""
        served.require_container(self.name, _FORMATS, subject)
        profile, name = subject.profile, subject.artifact.name
        threads = controls.threads or profile.threads
        argv = (
            *("serve", str(place.path_of(subject.artifact)), "--served-model-name", name),
            *("--host", place.host, "--port", str(place.port), "--seed", str(controls.seed)),
            *("--max-model-len", str(profile.context_tokens)),
            *("--max-num-seqs", str(profile.slots)),
            *(() if controls.reuse_prefix else ("--no-enable-prefix-caching",)),
            *profile.extra_args,
        )
        env = {**served.OFFLINE, "VLLM_NO_USAGE_STATS": "1"}
        if not profile.gpu_layers and threads:
            # Else it binds them to cores of its own choice, for which it would need a right.
            env["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
            env["OMP_NUM_THREADS"] = str(threads)
        found = Served(name, profile.context_tokens, controls.reuse_prefix, tokenises=True)
        return LaunchPlan(argv, ReadyProbe("/health"), env, speaks=Vllm(found))

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route, or for tokens the completions route; salt against the cache."""
        served.require_no_slot(request)
        if request.prompt_tokens is None:
            path, body = served.CHAT, served.chat(self.found, request)
        else:
            path, body = served.COMPLETIONS, served.completion(self.found, request)
        if request.exact_tokens:
            body["ignore_eos"] = True
        if request.prompt_tokens is not None and request.top_logprobs:
            body["return_tokens_as_token_ids"] = True
        if not request.reuse_prefix:
            body["cache_salt"] = served.salt(body)
        return HttpCall("POST", path, json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one event; the last one may carry the server's own clock.

        Its time to the first token begins when the request is scheduled, after the queue.
        """
        chunk = openai.parse(data)
        yield from chunk.events
        if (metrics := chunk.mapping("metrics")) is not None:
            yield served.timings(
                self.found,
                chunk.mapping("usage") or {},
                prefill_s=_seconds(metrics, "time_to_first_token_ms"),
                decode_s=_seconds(metrics, "generation_time_ms"),
            )

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        return openai.named_model(data)

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models and for the version."""
        return (served.MODELS, _VERSION)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read the model, where its weights come from, the context and the version."""
        listing, version = answers
        entry = served.entry_of(listing, self.found.model)
        return IdentityClaim(
            name=served.named(self.found, listing),
            model_path=served.text(entry, "root", who="vLLM's list"),
            context_tokens=served.context_of(entry),
            build=served.text(openai.as_object(version) or {}, "version", who="/version"),
            quant=Missing("not_reported", "vLLM does not tell how the weights are quantised"),
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
        return served.tokens(answer, who="vLLM's /tokenize")

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:  # noqa: ARG002
        """Ask nothing: no answer of it shows a setting."""
        return ()

    def controls_readback(
        self,
        subject: Subject,
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Say what is listed, and of what is sent or was given that it is not confirmed."""
        own = {
            "cache": served.NOT_ECHOED if controls.reuse_prefix else served.SALTED,
            "length": served.NOT_ECHOED,
        }
        claim = self.read_identity(evidence.answers)
        seen = served.readback(controls, evidence, claim, own)
        if subject.runtime == RUNTIME:
            return served.launched(
                subject, controls, seen, _GIVEN, threads=not subject.profile.gpu_layers
            )
        return seen


def _seconds(metrics: Mapping[str, Any], key: str) -> Reading[float]:
    return served.number(metrics, key, scale=_SECONDS_PER_MS, who="vLLM's metrics")
