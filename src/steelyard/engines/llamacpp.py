"""llama.cpp's `llama-server`: how to start it, what to send it, how to read it.

Nothing here opens a socket or starts a process: `engines.host` starts and asks, `loadgen.driver`
sends what is timed. Flags and fields: tools/server/README.md in ggml-org/llama.cpp; the wheel's
server takes the same (`steelyard.llamalib.server`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, final

from steelyard.domain.errors import DialectError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import Content, EngineTimings, Finished, StreamEvent, Usage
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
from steelyard.engines.wires import openai

_SECONDS_PER_MS: Final = 1e-3
_FULL_PRECISION_KV: Final = frozenset({"f16", "f32", "bf16"})
_THREADS_IN_LOG: Final = re.compile(r"n_threads\s*=\s*(\d+)")
# What the raw completion route calls the end, in the words of the chat route.
_STOP_TYPES: Final = {"limit": "length", "eos": "stop", "word": "stop"}


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
        """Use the chat route for messages, the raw one for a prompt that is tokens already."""
        if request.prompt_tokens is None:
            path, body = "/v1/chat/completions", openai.chat_body(request)
        else:
            path, body = "/completion", _completion_body(request)
        # Slots reuse a matching prompt prefix by default, which hides cold prefill.
        body["cache_prompt"] = request.reuse_prefix
        # Left on, every event carries timings: more bytes to send than the token itself.
        body["timings_per_token"] = False
        if request.exact_tokens:
            body["ignore_eos"] = True
        if request.slot is not None:
            body["id_slot"] = request.slot
        return HttpCall("POST", path, json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one server-sent event; the last one also carries the server's own clock."""
        chunk = openai.parse(data)
        yield from chunk.events
        if "tokens_evaluated" in chunk.raw:
            yield from _completion_events(chunk.raw)
        if (timings := chunk.mapping("timings")) is not None:
            yield EngineTimings(
                prefill_s=_number(timings, "prompt_ms", scale=_SECONDS_PER_MS),
                decode_s=_number(timings, "predicted_ms", scale=_SECONDS_PER_MS),
                prompt_tokens=_count(timings, "prompt_n"),
                cached_tokens=_count(timings, "cache_n"),
                output_tokens=_count(timings, "predicted_n"),
            )

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        model = openai.parse(data).raw.get("model")
        return model if isinstance(model, str) else None

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the properties and for the model's own entry."""
        return (HttpCall("GET", "/props"), HttpCall("GET", "/v1/models"))

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read what is served: path, sizes, vocabulary, context per slot, build, sampling."""
        props, models = (openai.as_object(answer) or {} for answer in answers)
        settings = openai.as_object(props.get("default_generation_settings")) or {}
        entry = next((item for item in models.get("data") or () if isinstance(item, dict)), {})
        meta = openai.as_object(entry.get("meta")) or {}
        return IdentityClaim(
            name=_text(entry, "id"),
            model_path=_text(props, "model_path"),
            parameters=openai.count(meta, "n_params", who="meta.n_params"),
            tensor_bytes=openai.count(meta, "size", who="meta.size"),
            vocabulary=openai.count(meta, "n_vocab", who="meta.n_vocab"),
            context_tokens=openai.count(settings, "n_ctx", who="n_ctx"),
            slots=openai.count(props, "total_slots", who="total_slots"),
            build=_text(props, "build_info"),
            sampling=_sampling(openai.as_object(settings.get("params"))),
        )

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:
        """Ask for tokens without a beginning-of-text token put before them."""
        body = {"content": text, "add_special": False, "parse_special": special}
        return HttpCall("POST", "/tokenize", json=body)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the list under `tokens`."""
        tokens = (openai.as_object(answer) or {}).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise DialectError(f"llama-server's /tokenize answered {answer!r}")
        return tuple(tokens)

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Ask one token of the same prompt twice: a cache that is on shows the second time."""
        probe = GenerationRequest(
            prompt_tokens=(1, 2, 3, 4),
            max_tokens=1,
            seed=controls.seed,
            sampling=controls.sampling,
            reuse_prefix=controls.reuse_prefix,
            stream=False,
        )
        return (self.encode(probe), self.encode(probe))

    def controls_readback(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Read the seed and sampling it echoes, threads from its log, context and slots."""
        claim = self.read_identity(evidence.answers)
        last = openai.as_object(evidence.probes[-1]) or {}
        echoed = openai.as_object(last.get("generation_settings")) or {}
        timings = openai.as_object(last.get("timings")) or {}
        threads = controls.threads or subject.profile.threads
        affinity = controls.affinity
        return (
            AppliedControl("seed", str(controls.seed), _said(echoed, "seed")),
            AppliedControl(
                "temperature",
                f"{controls.sampling.temperature:g}",
                _said(echoed, "temperature"),
            ),
            AppliedControl("threads", str(threads or "engine's choice"), _threads(evidence.log)),
            AppliedControl(
                "affinity",
                "any" if affinity is None else ",".join(map(str, sorted(affinity))),
                derived(evidence.affinity, lambda cores: ",".join(map(str, cores))),
            ),
            AppliedControl(
                "context_tokens",
                str(subject.profile.context_tokens),
                derived(claim.context_tokens, str),
            ),
            AppliedControl("slots", str(subject.profile.slots), derived(claim.slots, str)),
            AppliedControl(
                "prefix_cache",
                "on" if controls.reuse_prefix else "off",
                derived(_count(timings, "cache_n"), lambda tokens: "on" if tokens else "off"),
            ),
        )


def top_logprobs(answer: object) -> tuple[tuple[tuple[int, float], ...], ...]:
    """Read the most probable tokens and their log-probabilities at each generated position.

    Takes an unstreamed answer of `/completion` to a request with `top_logprobs`.
    """
    positions = (openai.as_object(answer) or {}).get("completion_probabilities")
    if not isinstance(positions, list):
        raise DialectError("llama-server sent no completion_probabilities")
    return tuple(
        tuple((int(top["id"]), float(top["logprob"])) for top in position["top_logprobs"])
        for position in positions
    )


def _completion_body(request: GenerationRequest) -> dict[str, object]:
    tokens = request.prompt_tokens or ()
    body: dict[str, object] = {
        "prompt": list(tokens),
        "n_predict": request.max_tokens,
        "stream": request.stream,
        **openai.sampling(request),
    }
    if request.top_logprobs:
        body["n_probs"] = request.top_logprobs
    return body


def _completion_events(raw: Mapping[str, Any]) -> Iterator[StreamEvent]:
    if isinstance(content := raw.get("content"), str) and content:
        tokens = raw.get("tokens")
        yield Content(content, len(tokens) if isinstance(tokens, list) and tokens else None)
    if raw.get("stop") is not True:
        return
    stop_type = str(raw.get("stop_type"))
    yield Finished(_STOP_TYPES.get(stop_type, stop_type))
    prompt, output = raw.get("tokens_evaluated"), raw.get("tokens_predicted")
    if isinstance(prompt, int) and isinstance(output, int):
        timings = openai.as_object(raw.get("timings")) or {}
        yield Usage(prompt, output, cached_tokens=_count(timings, "cache_n"))


def _number(raw: Mapping[str, object], key: str, *, scale: float = 1.0) -> Reading[float]:
    """Return the number, or why there is none. Absent is not zero."""
    value = raw.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Measured(value * scale, source="engine")
    return Missing("not_reported", f"llama-server sent timings.{key}={value!r}")


def _count(raw: Mapping[str, object], key: str) -> Reading[int]:
    return openai.count(raw, key, who=f"llama-server sent timings.{key}")


def _text(raw: Mapping[str, object], key: str) -> Reading[str]:
    value = raw.get(key)
    if isinstance(value, str) and value:
        return Measured(value, source="engine")
    return Missing("not_reported", f"llama-server sent {key}={value!r}")


def _said(raw: Mapping[str, object], key: str) -> Reading[str]:
    value = raw.get(key)
    if isinstance(value, int | float):
        # Sent back in single precision: six digits are what was asked for.
        return Measured(f"{value:g}" if isinstance(value, float) else str(value), source="engine")
    return Missing("not_reported", f"llama-server did not echo {key}")


def _threads(log: str) -> Reading[str]:
    if (found := _THREADS_IN_LOG.search(log)) is not None:
        return Measured(found.group(1), source="engine")
    return Missing("not_reported", "llama-server's log names no n_threads")


def _sampling(params: Mapping[str, object] | None) -> Reading[Mapping[str, float]]:
    if params is None:
        return Missing("not_reported", "llama-server sent no default sampling")
    names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")
    values = ((name, params.get(name)) for name in names)
    return Measured(
        {name: float(value) for name, value in values if isinstance(value, int | float)},
        source="engine",
    )
