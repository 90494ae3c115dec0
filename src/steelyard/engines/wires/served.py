"""What the dialects of servers that somebody else runs have in common: lists, refusals, read-back.

Such a server was started by others with settings of theirs. What a request can ask for is sent and
rarely echoed; what it cannot is said to be theirs. Not aware of any one engine, of sockets or keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final, NoReturn

from steelyard.domain.errors import DialectError, UnknownName, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import AppliedControl, Controls
from steelyard.domain.stream import EngineTimings
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Evidence, HttpCall, IdentityClaim, Served
from steelyard.engines.images import RUNTIME
from steelyard.engines.wires import openai

MODELS: Final = HttpCall("GET", "/v1/models")
CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
OPEN: Final = "engine's choice"
# A server in a container is offline: what it loads is mounted, and it tells nobody of it.
OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
THEIRS: Final = Missing(
    "not_controllable", "the server was started by somebody else, and its settings are theirs"
)
NOT_ECHOED: Final = Missing(
    "not_reported", "sent with every request; this server does not say what it made of it"
)
SALTED: Final = Missing(
    "not_reported",
    "each request is salted by its own content, so that only the very same request could be served "
    "from the cache; the server does not confirm it",
)
CACHE_THEIRS: Final = Missing(
    "not_controllable",
    "this server's prefix cache cannot be switched off by a request; no two prompts begin alike "
    "unless that is declared",
)
NO_IGNORE_EOS: Final = Missing(
    "not_controllable", "this server is not known to take ignore_eos: answers may end early"
)
_NO_THREADS: Final = Missing("not_controllable", "this server is not told how many threads to take")
_SHOWN: Final = 20
_LATEST: Final = ":latest"  # the tag that Ollama means where none is written


# ── lists ───────────────────────────────────────────────────────────────────────────────────────


def entries(listing: object) -> list[Mapping[str, Any]]:
    """Return the models of a listing."""
    data = (openai.as_object(listing) or {}).get("data")
    return [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []


def entry_of(listing: object, model: str | None) -> Mapping[str, Any]:
    """Return what is listed of a model; nothing for one that is not there."""
    found = (entry for entry in entries(listing) if model is not None and entry.get("id") == model)
    return next(found, {})


def owners(listing: object) -> frozenset[str]:
    """Return who owns the listed models, in small letters."""
    return frozenset(str(entry.get("owned_by", "")).lower() for entry in entries(listing))


def pick_model(wanted: str | None, listing: object, *, where: str) -> str:
    """Return the model that was asked for, or the only one there is.

    Raises `UnknownName` for one that is not listed, `UnsupportedSubject` when several are and none
    was asked for, `DialectError` when there is no list at all.
    """
    if not isinstance((openai.as_object(listing) or {}).get("data"), list):
        raise DialectError(
            f"{where} answered /models with {str(listing)[:120]}, which lists no models",
            hint="is this the root of an OpenAI-compatible API?",
        )
    names = sorted({str(entry["id"]) for entry in entries(listing) if entry.get("id")})
    if wanted is not None:
        if wanted in names or wanted + _LATEST in names:
            return wanted if wanted in names else wanted + _LATEST
        raise UnknownName.among(f"model at {where}", wanted, _near(wanted, names))
    if not names:
        raise DialectError(f"{where} serves no model", hint="load one there first")
    if len(names) > 1:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise UnsupportedSubject(
            f"{where} serves {len(names)} models, and none was chosen",
            hint=f"name one with --model: {', '.join(names[:_SHOWN])}{more}",
        )
    return names[0]


def named(served: Served, listing: object) -> Reading[str]:
    """Return the model's name, if the server lists it."""
    if served.model is None:
        return Missing("not_reported", "nobody said which model, and the server lists none")
    if entry_of(listing, served.model):
        return Measured(served.model, "engine")
    return Missing("not_listed", f"the server lists no models; {served.model!r} was asked for")


def context_of(entry: Mapping[str, Any]) -> Reading[int]:
    """Read the longest context: vLLM and SGLang say `max_model_len`, some gateways the other."""
    for key in ("max_model_len", "context_length"):
        if isinstance(entry.get(key), int):
            return openai.count(entry, key, who=key)
    return Missing("not_reported", "the server's list of models states no context")


def modalities(entry: Mapping[str, Any]) -> Reading[frozenset[str]]:
    """Read what a model takes besides text, as OpenRouter and llama.cpp list it."""
    taken = (openai.as_object(entry.get("architecture")) or {}).get("input_modalities")
    if not isinstance(taken, list):
        return Missing("not_reported", "the server's list of models states no input modalities")
    return Measured(frozenset(map(str, taken)) - {"text"}, "engine")


def text(raw: Mapping[str, Any], *keys: str, who: str) -> Reading[str]:
    """Return the first of these that is text, or why there is none."""
    for key in keys:
        if isinstance(value := raw.get(key), str) and value:
            return Measured(value, "engine")
    return Missing("not_reported", f"{who} states no {keys[0]}")


def tokens(answer: object, *, who: str) -> tuple[int, ...]:
    """Read the list of whole numbers under `tokens`."""
    found = (openai.as_object(answer) or {}).get("tokens")
    if not isinstance(found, list) or not all(isinstance(token, int) for token in found):
        raise DialectError(f"{who} answered {str(answer)[:120]}, which is no list of tokens")
    return tuple(found)


# ── requests ────────────────────────────────────────────────────────────────────────────────────


def require_container(engine: str, formats: frozenset[str], subject: Subject) -> None:
    """Raise `UnsupportedSubject` unless a published image of the engine is to load the subject."""
    artifact = subject.artifact
    if subject.runtime != RUNTIME:
        raise UnsupportedSubject(
            f"{engine} starts no server here, and {artifact.name!r} was to be loaded by one",
            hint="`--runtime container` starts it from its published image; or start it yourself "
            "and give its URL",
        )
    if artifact.format not in formats:
        raise UnsupportedSubject(
            f"{engine} loads {' or '.join(sorted(formats))}; {artifact.name!r} is "
            f"{artifact.format}",
            hint="`steelyard engines preflight` says which engine loads what",
        )


def launched(
    subject: Subject,
    controls: Controls,
    readback: tuple[AppliedControl, ...],
    given: str,
    *,
    threads: bool,
) -> tuple[AppliedControl, ...]:
    """Say of a server that we have started from an image what it was given, where it is silent.

    `given` says how; `threads` whether it is told how many to take.
    """
    profile = subject.profile
    told = Missing("not_controllable", f"{given}; the server does not say what it made of it")
    asked = {
        "threads": str(controls.threads or profile.threads or OPEN) if threads else OPEN,
        "context_tokens": str(profile.context_tokens),
        "slots": str(profile.slots),
    }

    def applied(control: AppliedControl) -> Reading[str]:
        if control.name == "threads" and not threads:
            return _NO_THREADS
        if isinstance(control.applied, Measured):
            return control.applied
        return told if control.name in asked else _unconfirmed(control.applied)

    return tuple(
        AppliedControl(each.name, asked.get(each.name, each.asked), applied(each))
        for each in readback
    )


def _unconfirmed(missing: Missing) -> Missing:
    """Return a missing word as what it is of our own server: nothing that could be controlled."""
    return Missing("not_controllable", missing.detail)


def refuse_launch(engine: str, subject: Subject) -> NoReturn:
    """Refuse: there is nothing here to start."""
    raise UnsupportedSubject(
        f"{engine} starts no server, and {subject.artifact.name!r} was to be loaded by one",
        hint="start the server yourself and give its URL, or pick llamacpp to load a file",
    )


def refuse_tokens(engine: str) -> NoReturn:
    """Refuse: there is no route that counts."""
    raise UnsupportedSubject(
        f"{engine} has no route that counts tokens",
        hint="lengths can only be met by words, and read from its usage afterwards",
    )


def require_messages(request: GenerationRequest) -> None:
    """Raise `UnsupportedSubject` for what cannot be sent to a chat route of somebody else's."""
    if request.prompt_tokens is not None:
        raise UnsupportedSubject(
            "the chat route takes messages, and this prompt is tokens already",
            hint="send the prompt as a message: its length is then met by words",
        )
    require_no_slot(request)


def require_no_slot(request: GenerationRequest) -> None:
    """Raise `UnsupportedSubject` where a slot is chosen."""
    if request.slot is not None:
        raise UnsupportedSubject("a slot cannot be chosen on a server of somebody else's")


def chat(
    served: Served, request: GenerationRequest, *, without: frozenset[str] = frozenset()
) -> dict[str, object]:
    """Return the body of a chat request in the model's name, without what the server lacks."""
    model = {} if served.model is None else {"model": served.model}
    body = openai.chat_body(request)
    return {**model, **{name: value for name, value in body.items() if name not in without}}


def completion(served: Served, request: GenerationRequest) -> dict[str, object]:
    """Return the body of a completion request whose prompt is tokens already."""
    model = {} if served.model is None else {"model": served.model}
    body: dict[str, object] = {
        **model,
        "prompt": list(request.prompt_tokens or ()),
        "max_tokens": request.max_tokens,
        "stream": request.stream,
        **openai.sampling(request),
    }
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    if request.top_logprobs:
        body["logprobs"] = request.top_logprobs
    return body


def salt(body: Mapping[str, object]) -> str:
    """Return a salt by what is asked: another request never shares it, and the same one does."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]


# ── read-back ───────────────────────────────────────────────────────────────────────────────────


def readback(
    controls: Controls,
    evidence: Evidence,
    claim: IdentityClaim,
    own: Mapping[str, Reading[str]],
    *,
    without: frozenset[str] = frozenset(),
    context_asked: str = OPEN,
) -> tuple[AppliedControl, ...]:
    """Say of each control what is known.

    `own` holds `cache` and `length` as only the engine's dialect knows them, and may hold more;
    `without` are the sampling parameters that this server does not take.
    """
    cores = derived(evidence.affinity, lambda found: ",".join(map(str, found)))
    affinity = controls.affinity
    asked_cores = "any" if affinity is None else ",".join(map(str, sorted(affinity)))
    more = {name: reading for name, reading in own.items() if name not in ("cache", "length")}
    return (
        AppliedControl("seed", str(controls.seed), _sent("seed", without)),
        AppliedControl("temperature", f"{controls.sampling.temperature:g}", NOT_ECHOED),
        *_sampling(controls, without),
        AppliedControl("threads", str(controls.threads or OPEN), THEIRS),
        AppliedControl("affinity", asked_cores, cores),
        AppliedControl("context_tokens", context_asked, derived(claim.context_tokens, str)),
        AppliedControl("slots", OPEN, derived(claim.slots, str)),
        AppliedControl("prefix_cache", "on" if controls.reuse_prefix else "off", own["cache"]),
        AppliedControl("exact_length", "where asked", own["length"]),
        *_told("quant", claim.quant),
        *_told("model_digest", claim.digest),
        # A folder belongs to a machine, and what is told goes into reports.
        *_told("model_file", derived(claim.model_path, _without_folder)),
        *(AppliedControl(name, OPEN, reading) for name, reading in more.items()),
    )


def left_open(
    readback: Sequence[AppliedControl], names: frozenset[str]
) -> tuple[AppliedControl, ...]:
    """Return the controls, of which some were nobody's wish on a server that was up before."""
    return tuple(
        AppliedControl(c.name, OPEN, c.applied) if c.name in names else c for c in readback
    )


def timings(
    found: Served,
    usage: Mapping[str, Any],
    *,
    prefill_s: Reading[float],
    decode_s: Reading[float],
) -> EngineTimings:
    """Return the engine's own clock beside the tokens of a `usage` object."""
    details = openai.as_object(usage.get("prompt_tokens_details")) or {}
    cached = openai.count(details, "cached_tokens", who="usage's cached_tokens")
    prompt = openai.count(usage, "prompt_tokens", who="usage.prompt_tokens")
    return EngineTimings(
        prefill_s=prefill_s,
        decode_s=decode_s,
        prompt_tokens=computed(found, prompt, cached),
        cached_tokens=cached,
        output_tokens=openai.count(usage, "completion_tokens", who="usage.completion_tokens"),
    )


def computed(found: Served, prompt: Reading[int], cached: Reading[int]) -> Reading[int]:
    """Return the prompt tokens that were not taken from a cache, as far as that can be told.

    Where nothing is told of the cache, all were computed unless prompts share a beginning.
    """
    if isinstance(prompt, Missing):
        return prompt
    if isinstance(cached, Measured):
        return Measured(max(0, prompt.value - cached.value), "engine")
    if found.shares_prefix:
        return Missing("not_reported", "prompts begin alike, and the cache's share is not told")
    return prompt


def number(raw: Mapping[str, object], key: str, *, scale: float = 1.0, who: str) -> Reading[float]:
    """Return a number in the unit that `scale` makes of it, or why there is none."""
    value = raw.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Measured(value * scale, "engine")
    return Missing("not_reported", f"{who} sent {key}={value!r}")


def _without_folder(path: str) -> str:
    """Return the name at the end of an absolute path; a repository's name is left whole."""
    return PurePath(path).name if path.startswith("/") or ":\\" in path else path


def _told(name: str, reading: Reading[str]) -> Iterator[AppliedControl]:
    """Say what is loaded, where the server tells: nobody here has seen the file."""
    if isinstance(reading, Measured):
        yield AppliedControl(name, OPEN, reading)


def _sampling(controls: Controls, without: frozenset[str]) -> Iterator[AppliedControl]:
    chosen = controls.sampling
    stated = {"top_k": chosen.top_k, "top_p": chosen.top_p, "min_p": chosen.min_p}
    for name, value in stated.items():
        if value is not None:
            yield AppliedControl(name, f"{value:g}", _sent(name, without))


def _sent(name: str, without: frozenset[str]) -> Reading[str]:
    if name in without:
        return Missing("not_controllable", f"this server takes no {name}, so it was not sent")
    return NOT_ECHOED


def _near(wanted: str, names: Sequence[str]) -> list[str]:
    """Return those that a person may have meant, where there are too many to list."""
    if len(names) <= _SHOWN:
        return list(names)
    last = wanted.lower().rpartition("/")[2]
    alike = [name for name in names if last in name.lower()]
    return (alike or list(names))[:_SHOWN]
