"""The wire of llama.cpp's server, shared by every dialect that speaks it.

The OpenAI-style chat route, `/completion` for prompts that are tokens already, and the control
routes. Fields: tools/server/README.md in ggml-org/llama.cpp. Not aware of how a server is started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import AppliedControl, Controls
from steelyard.domain.stream import Content, EngineTimings, Finished, StreamEvent, Usage
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Evidence, HttpCall, IdentityClaim
from steelyard.engines.wires import openai, served

_SECONDS_PER_MS: Final = 1e-3
_THREADS_IN_LOG: Final = re.compile(r"n_threads\s*=\s*(\d+)")
# What the raw completion route calls the end, in the words of the chat route.
_STOP_TYPES: Final = {"limit": "length", "eos": "stop", "word": "stop"}
IDENTITY_CALLS: Final = (HttpCall("GET", "/props"), HttpCall("GET", "/v1/models"))


def encode(request: GenerationRequest) -> HttpCall:
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


def extra_events(chunk: openai.Chunk) -> Iterator[StreamEvent]:
    """Yield what llama.cpp says beyond the chat wire: raw completions, and its own clock."""
    if "tokens_evaluated" in chunk.raw:
        yield from _completion_events(chunk.raw)
    if (timings := chunk.mapping("timings")) is not None:
        yield EngineTimings(
            prefill_s=_number(timings, "prompt_ms", scale=_SECONDS_PER_MS),
            decode_s=_number(timings, "predicted_ms", scale=_SECONDS_PER_MS),
            prompt_tokens=_count(timings, "prompt_n"),
            cached_tokens=_count(timings, "cache_n"),
            output_tokens=_count(timings, "predicted_n"),
            **_drafted(timings),
        )


def read_identity(answers: Sequence[object]) -> IdentityClaim:
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
        takes=_takes(openai.as_object(props.get("modalities")), entry),
    )


def tokenise_call(text: str, *, special: bool) -> HttpCall:
    """Ask for tokens without a beginning-of-text token put before them."""
    body = {"content": text, "add_special": False, "parse_special": special}
    return HttpCall("POST", "/tokenize", json=body)


def read_tokens(answer: object) -> tuple[int, ...]:
    """Read the list under `tokens`."""
    tokens = (openai.as_object(answer) or {}).get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
        raise DialectError(f"llama-server's /tokenize answered {answer!r}")
    return tuple(tokens)


def control_probes(controls: Controls) -> tuple[HttpCall, ...]:
    """Ask one token of the same prompt twice: a cache that is on shows the second time."""
    probe = GenerationRequest(
        prompt_tokens=(1, 2, 3, 4),
        max_tokens=1,
        seed=controls.seed,
        sampling=controls.sampling,
        reuse_prefix=controls.reuse_prefix,
        stream=False,
    )
    return (encode(probe), encode(probe))


def controls_readback(
    subject: Subject, controls: Controls, evidence: Evidence
) -> tuple[AppliedControl, ...]:
    """Read the seed and sampling it echoes, threads from its log, context and slots."""
    claim = read_identity(evidence.answers)
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
        AppliedControl(
            "threads",
            str(threads or "engine's choice"),
            _threads(evidence.log),
            overrides=_overridden(controls.threads, subject.profile.threads),
        ),
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


def _drafted(timings: Mapping[str, object]) -> dict[str, Reading[int]]:
    """Return what was guessed and kept; without a draft model the server says nothing of it."""
    if "draft_n" not in timings:
        return {}
    return {
        "draft_tokens": _count(timings, "draft_n"),
        "accepted_tokens": _count(timings, "draft_n_accepted"),
    }


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


def _overridden(control: int | None, profile: int | None) -> str | None:
    return None if None in (control, profile) or control == profile else str(profile)


def _threads(log: str) -> Reading[str]:
    if (found := _THREADS_IN_LOG.search(log)) is not None:
        return Measured(found.group(1), source="engine")
    return Missing("not_reported", "llama-server's log names no n_threads")


def projected(subject: Subject) -> bool:
    """Whether a server of this subject is started with a projector, without which it only reads."""
    flags = ("--mmproj", "-mm", "--mmproj-url", "-mmu")
    return any(word.partition("=")[0] in flags for word in subject.profile.extra_args)


def _takes(able: Mapping[str, object] | None, entry: Mapping[str, Any]) -> Reading[frozenset[str]]:
    """Read `modalities` of /props, else of the list; an older server says nothing."""
    if able is None:
        return served.modalities(entry)
    named = {"vision": "image", "audio": "audio", "video": "video"}
    return Measured(frozenset(named[key] for key in named if able.get(key) is True), "engine")


def _sampling(params: Mapping[str, object] | None) -> Reading[Mapping[str, float]]:
    if params is None:
        return Missing("not_reported", "llama-server sent no default sampling")
    names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")
    values = ((name, params.get(name)) for name in names)
    return Measured(
        {name: float(value) for name, value in values if isinstance(value, int | float)},
        source="engine",
    )
