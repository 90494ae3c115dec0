"""The scripted engine: llama-server's wire with known truth, so that the whole road can be tried.

Whatever it is asked, its numbers are planted: `capabilities.simulated` says so, and what is
recorded with it is labelled. The plan is a local fact and comes with the place's program, as
`python -m steelyard.scripted --plan FILE`; the truth log goes into the place's folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, final

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


@final
class Scripted:
    """The dialect of `python -m steelyard.scripted`."""

    name: Final = "scripted"
    framing: Final[Framing] = "sse"
    capabilities: Final = Capabilities(
        formats=frozenset({"gguf"}),
        reports_timings=True,
        controls_prefix_cache=True,
        honours_seed=True,
        exact_tokens=True,
        token_prompts=True,
        tool_calls=True,
        simulated=True,
        images=True,
        audio=True,
        video=True,
        profile_keys=frozenset({"context_tokens", "slots", "threads", "gpu_layers", "gpus"}),
    )

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the server; whatever the format, the file is only looked at."""
        profile = subject.profile
        argv = (
            *place.program,
            *("--model", str(place.path_of(subject.artifact))),
            *("--alias", subject.artifact.name),
            *("--host", place.host, "--port", str(place.port)),
            *("--truth", str(place.folder / "truth.jsonl")),
            *("--threads", str(controls.threads or profile.threads or 1)),
            *("--parallel", str(profile.slots)),
            *("--ctx-size", str(profile.context_tokens * profile.slots)),
            *("--n-gpu-layers", str(profile.gpu_layers), "--gpus", str(profile.gpus)),
            *("--seed", str(controls.seed)),
        )
        return LaunchPlan(argv, ready=ReadyProbe("/health", ready=200, loading=503))

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Say it as one would to llama-server."""
        return llama_server.encode(request)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one server-sent event."""
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
        """Read what it says that it serves."""
        return llama_server.read_identity(answers)

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:
        """Ask for tokens; nothing is special here."""
        return llama_server.tokenise_call(text, special=special)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        return llama_server.read_tokens(answer)

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Ask one token of the same prompt twice."""
        return llama_server.control_probes(controls)

    def controls_readback(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Read back what it was told; the times it plants follow none of it."""
        return llama_server.controls_readback(subject, controls, evidence)
