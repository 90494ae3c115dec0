"""llama.cpp's `llama-server`: how to start it, what to send it, how to read it.

Nothing here opens a socket or starts a process: `engines.host` starts and asks, `loadgen.driver`
sends what is timed. Flags and fields: tools/server/README.md in ggml-org/llama.cpp; the wheel's
server takes the same (`steelyard.llamalib.server`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, final

from steelyard.domain.errors import UnsupportedSubject
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
    ReadyProbe,
)
from steelyard.engines.wires import llama_server, openai

_FULL_PRECISION_KV: Final = frozenset({"f16", "f32", "bf16"})


@final
class LlamaCpp:
    """The dialect of `llama-server`: its OpenAI-style chat route, and `/completion` for tokens."""

    name: Final = "llamacpp"
    framing: Final[Framing] = "sse"
    capabilities: Final = Capabilities(
        formats=frozenset({"gguf"}),
        reports_timings=True,
        controls_prefix_cache=True,
        honours_seed=True,
        exact_tokens=True,
        token_prompts=True,
        logprobs=True,
        grammar=True,
        tool_calls=True,
        embeddings=True,
        metrics=True,
    )

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the exact server that `subject` describes under `controls`, or refuse."""
        profile, artifact = subject.profile, subject.artifact
        if artifact.format not in self.capabilities.formats:
            raise UnsupportedSubject(
                f"llamacpp loads gguf files; {artifact.name!r} is {artifact.format}",
                hint="export it to GGUF, or pick another engine",
            )
        if profile.kv_type not in _FULL_PRECISION_KV and not profile.flash_attention:
            raise UnsupportedSubject(
                f"llama.cpp quantises its cache ({profile.kv_type}) only with flash attention",
                hint="set flash_attention in the engine profile, or kv_type to f16",
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
            *("--n-gpu-layers", str(profile.gpu_layers)),
            *("--cache-type-k", profile.kv_type, "--cache-type-v", profile.kv_type),
            *("--flash-attn", "on" if profile.flash_attention else "off"),
            *("--seed", str(controls.seed)),
            # Kept prompts fill up to 8 GiB of memory that would be counted as the model's.
            *("--cache-ram", "0"),
            # Left on, --fit resizes whatever looks too big for the device: the numbers
            # would belong to a subject nobody asked for. Better to fail to load.
            *("--fit", "off"),
            *profile.extra_args,
        )
        return LaunchPlan(argv, ready=ReadyProbe("/health", ready=200, loading=503))

    def encode(self, request: GenerationRequest) -> HttpCall:
        """State everything: sampling, seed, no prefix cache, no timings on each event."""
        return llama_server.encode(request)

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
        return llama_server.read_identity(answers)

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:
        """Ask for tokens without a beginning-of-text token put before them."""
        return llama_server.tokenise_call(text, special=special)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        return llama_server.read_tokens(answer)

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Ask one token of the same prompt twice: a cache that is on shows the second time."""
        return llama_server.control_probes(controls)

    def controls_readback(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Read the seed and sampling it echoes, threads from its log, context and slots."""
        return llama_server.controls_readback(subject, controls, evidence)
