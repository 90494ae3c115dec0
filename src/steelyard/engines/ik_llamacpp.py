"""ik_llama.cpp's `llama-server`: a dialect of llama.cpp with flags, answers and quants of its own.

Nothing here opens a socket or starts a process. It speaks llama.cpp's wire, but for this: its
properties name no build; prompts of tokens go to `/v1/completions`, where alone probabilities come
with tokens' numbers; its clock does not tell what came out of the cache; an answer that is cut off
at its limit ends with `stop` all the same; `--fit` is a switch that is off; slots always share the
context evenly. Flags and fields: common/common.cpp, examples/server and docs/parameters.md of
ikawrakow/ik_llama.cpp, 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, final

from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import StreamEvent
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import devices
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
from steelyard.engines.wires import llama_log, llama_server, openai, served

_FULL_PRECISION_KV: Final = frozenset({"f16", "f32", "bf16"})


@final
@dataclass(frozen=True, slots=True)
class IkLlamaCpp:
    """The dialect `ik_llamacpp`. `found` is what was found out of one that is not ours."""

    name: ClassVar = "ik_llamacpp"
    framing: ClassVar[Framing] = "sse"  # each event with the counts so far
    greeting: ClassVar[HttpCall | None] = HttpCall("GET", "/props")
    found: Served = Served()

    @property
    def capabilities(self) -> Capabilities:
        """As llama.cpp, but for drafts, which its newer versions are told of otherwise."""
        return Capabilities(
            formats=frozenset({"gguf"}),
            tells_limit=False,
            reports_timings=True,
            controls_prefix_cache=True,
            honours_seed=True,
            exact_tokens=True,
            token_prompts=self.found == Served() or self.found.tokenises,
            logprobs=True,
            tool_calls=True,
            embeddings=True,
            metrics=True,
            profile_keys=frozenset(
                {"context_tokens", "slots", "threads", "batch_tokens", "micro_batch_tokens"}
                | {"gpu_layers", "kv_type", "kv_type_v", "flash_attention", "extra_args"}
            ),
            devices=frozenset({devices.CPU, "cuda"}),
        )

    def recognises(self, met: Met) -> bool:
        """Know it by properties that name the model and no build: llama.cpp's do the reverse."""
        props = openai.as_object(met.own) or {}
        return "total_slots" in props and "model_name" in props and "build_info" not in props

    def serving(self, found: Served) -> IkLlamaCpp:
        """Return the dialect with what was found out."""
        return IkLlamaCpp(found)

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the exact server that `subject` describes under `controls`, or refuse."""
        profile, artifact = subject.profile, subject.artifact
        if artifact.format not in self.capabilities.formats:
            raise UnsupportedSubject(
                f"{self.name} loads gguf files; {artifact.name!r} is {artifact.format}",
                hint="export it to GGUF, or pick another engine",
            )
        values = profile.kv_type_v or profile.kv_type
        if values not in _FULL_PRECISION_KV and not profile.flash_attention:
            raise UnsupportedSubject(
                f"{self.name} quantises the values in its cache ({values}) only with flash "
                "attention",
                hint="set flash_attention in the engine profile, or kv_type_v to f16",
            )
        threads = controls.threads or profile.threads
        cpu = controls.device == devices.CPU
        argv = (
            *place.program,
            *("--model", str(place.path_of(artifact))),
            *("--alias", artifact.name),
            *("--host", place.host, "--port", str(place.port), "--metrics"),
            *(("--threads", str(threads), "--threads-batch", str(threads)) if threads else ()),
            *("--parallel", str(profile.slots)),
            *("--ctx-size", str(profile.context_tokens * profile.slots)),
            *("--batch-size", str(profile.batch_tokens)),
            *("--ubatch-size", str(profile.micro_batch_tokens)),
            *devices.llama_flags(
                None if cpu else controls.device, 0 if cpu else profile.gpu_layers
            ),
            *("--cache-type-k", profile.kv_type, "--cache-type-v", values),
            *("--flash-attn", "on" if profile.flash_attention else "off"),
            *("--seed", str(controls.seed)),
            # Without it another template than the model's own is applied.
            "--jinja",
            # A context that is full is an error, not an answer to a shorter prompt.
            "--no-context-shift",
            # Kept prompts fill up to 8 GiB of memory that would be counted as the model's.
            *("--cache-ram", "0"),
            *profile.extra_args,
        )
        return LaunchPlan(argv, ready=ReadyProbe("/health", ready=200, loading=503))

    def encode(self, request: GenerationRequest) -> HttpCall:
        """State everything, on the chat route or, for tokens, on the completions route."""
        model = {} if self.found.model is None else {"model": self.found.model}
        if request.prompt_tokens is None:
            call = llama_server.encode(request)
            return replace(call, json={**model, **call.json})
        body = served.completion(self.found, request)
        body |= {"cache_prompt": request.reuse_prefix, "timings_per_token": False}
        if request.exact_tokens:
            body["ignore_eos"] = True
        if request.slot is not None:
            body["id_slot"] = request.slot
        return HttpCall("POST", served.COMPLETIONS, json=body)

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
        """Read what is served: path, sizes, vocabulary, context per slot; it names no build."""
        props, listing = answers
        unnamed = Missing("not_reported", "ik_llama.cpp names no build over HTTP")
        if self.found == Served():
            return replace(llama_server.read_identity(answers), build=unnamed)
        entry = served.entry_of(listing, self.found.model)
        claim = llama_server.read_identity((props, {"data": [entry]}))
        return replace(claim, name=served.named(self.found, listing), build=unnamed)

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:  # noqa: ARG002
        """Ask for the tokens of a bare text; control tokens in it are always recognised."""
        if self.found != Served() and not self.found.tokenises:
            served.refuse_tokens(self.name)
        return HttpCall("POST", "/tokenize", json={"content": text, "add_special": False})

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        return served.tokens(answer, who="ik_llama.cpp's /tokenize")

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Ask one token of the same prompt twice: a cache that is on shows the second time."""
        return () if self.found != Served() else llama_server.control_probes(controls)

    def controls_readback(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Read what it echoes, and whether the second probe's prompt was computed again."""
        if self.found != Served():
            own = {"cache": served.NOT_ECHOED, "length": served.NOT_ECHOED}
            claim = self.read_identity(evidence.answers)
            return served.readback(controls, evidence, claim, own)
        seen = llama_server.controls_readback(subject, controls, evidence)
        return (
            *(
                replace(control, applied=_cache(evidence.probes))
                if control.name == "prefix_cache"
                else control
                for control in seen
            ),
            *llama_log.settings_readback(subject.profile, controls, evidence.log),
        )


def _cache(probes: Sequence[object]) -> Reading[str]:
    """Compare the tokens that two equal prompts took to compute."""
    first, second = (_computed(probe) for probe in probes[-2:])
    if isinstance(first, Missing):
        return first
    if isinstance(second, Missing):
        return second
    return Measured("on" if second.value < first.value else "off", "engine")


def _computed(probe: object) -> Reading[int]:
    timings: Mapping[str, Any] = (
        openai.as_object((openai.as_object(probe) or {}).get("timings")) or {}
    )
    return openai.count(timings, "prompt_n", who="ik_llama.cpp sent timings.prompt_n")
