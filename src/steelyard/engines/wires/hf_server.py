"""What the dialects of engines that serve Hugging Face folders share: launch and read-back.

Such a server tells little of itself: which folder it serves, and in its answers what it counted.
What it does not tell is found out by requests whose answers show it, or said to be unknown. Not
aware of any one engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.subject import Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines.api import Evidence, HttpCall, IdentityClaim
from steelyard.engines.wires import openai
from steelyard.engines.words import SCRIPT

MODELS: Final = HttpCall("GET", "/v1/models")
# So hot that two seeds give the same answer only where no seed is honoured.
_HOT: Final = Sampling(temperature=2.0)
_PROBE_TOKENS: Final = 16
_PROBE: Final = (Message("user", "Say something."),)
_SENT: Final = Missing(
    "not_controllable", "sent with every request; the server does not say what it made of it"
)


def require(engine: str, formats: frozenset[str], subject: Subject) -> None:
    """Raise `UnsupportedSubject` for a format that the engine does not load."""
    artifact = subject.artifact
    if artifact.format not in formats:
        raise UnsupportedSubject(
            f"{engine} loads {' or '.join(sorted(formats))}; {artifact.name!r} is "
            f"{artifact.format}",
            hint="`steelyard models export` writes a GGUF file as such a folder",
        )


def environment(controls: Controls, subject: Subject, place: Place) -> dict[str, str]:
    """Return the variables: nothing is fetched, and the threads of the libraries are limited.

    The cache is an empty folder of the run's own: a server that lists what the user has fetched
    would list models that it does not serve, and mlx-lm breaks off where there is no cache at all.
    """
    threads = controls.threads or subject.profile.threads
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_CACHE": str(place.folder),
        **({name: str(threads) for name in limits} if threads else {}),
    }


def words(engine: str, subject: Subject, place: Place) -> tuple[str, ...]:
    """Return the program that tells this model's tokens, in the engine's own environment."""
    return (place.program[0], "-I", str(SCRIPT), engine, str(place.path_of(subject.artifact)))


def read_identity(answers: Sequence[object], folder: Path | None) -> IdentityClaim:
    """Read which folder is served; weights and vocabulary these servers do not tell."""
    listing = openai.as_object(answers[0]) or {}
    data = listing.get("data")
    ids = [str(entry.get("id")) for entry in data or () if isinstance(entry, dict)]
    if folder is not None and str(folder) in ids:
        return IdentityClaim(model_path=Measured(str(folder), "engine"))
    if len(ids) == 1:
        return IdentityClaim(model_path=Measured(ids[0], "engine"))
    return IdentityClaim(model_path=Missing("not_listed", f"it lists {len(ids)} models"))


def probes(controls: Controls) -> tuple[GenerationRequest, ...]:
    """Return requests that show the seed (hot, twice alike and once not) and the prefix cache."""
    hot = [
        GenerationRequest(_PROBE, max_tokens=_PROBE_TOKENS, sampling=_HOT, seed=seed, stream=False)
        for seed in (controls.seed, controls.seed, controls.seed + 1)
    ]
    plain = [
        GenerationRequest(
            _PROBE,
            max_tokens=_PROBE_TOKENS,
            sampling=controls.sampling,
            seed=seed,
            reuse_prefix=controls.reuse_prefix,
            stream=False,
        )
        for seed in (controls.seed, controls.seed + 1)
    ]
    return (*hot, *plain)


def readback(
    subject: Subject, controls: Controls, evidence: Evidence, own: Mapping[str, Reading[str]]
) -> tuple[AppliedControl, ...]:
    """Say of each control what is in force; `own` holds what only the engine's dialect knows."""
    texts = [_answered(probe) for probe in evidence.probes]
    cores = controls.affinity
    return (
        AppliedControl("seed", str(controls.seed), _seed(texts, controls.seed)),
        AppliedControl(
            "temperature",
            f"{controls.sampling.temperature:g}",
            _temperature(texts, controls.sampling),
        ),
        AppliedControl("threads", _asked_threads(subject, controls), own["threads"]),
        AppliedControl(
            "affinity",
            "any" if cores is None else ",".join(map(str, sorted(cores))),
            derived(evidence.affinity, lambda found: ",".join(map(str, found))),
        ),
        AppliedControl("context_tokens", str(subject.profile.context_tokens), own["context"]),
        AppliedControl("slots", str(subject.profile.slots), own["slots"]),
        AppliedControl("prefix_cache", "on" if controls.reuse_prefix else "off", own["cache"]),
    )


def cached_tokens(answer: object) -> Reading[int]:
    """Read how much of a prompt came out of a cache, where that is told."""
    usage = openai.as_object((openai.as_object(answer) or {}).get("usage")) or {}
    details = openai.as_object(usage.get("prompt_tokens_details")) or {}
    return openai.count(details, "cached_tokens", who="the server sent cached_tokens")


def _asked_threads(subject: Subject, controls: Controls) -> str:
    return str(controls.threads or subject.profile.threads or "engine's choice")


def _answered(answer: object) -> str:
    choices: Any = (openai.as_object(answer) or {}).get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    message = openai.as_object((openai.as_object(first) or {}).get("message")) or {}
    return str(message.get("content") or "")


def _seed(texts: Sequence[str], seed: int) -> Reading[str]:
    """Two hot answers of one seed must agree, and one of another seed must not."""
    first, again, other = texts[:3]
    if first != again:
        return Measured("ignored", "client")
    if first == other:
        return Missing("not_controllable", "two seeds gave one answer: it cannot be told")
    return Measured(str(seed), "client")


def _temperature(texts: Sequence[str], sampling: Sampling) -> Reading[str]:
    """At temperature 0 no seed makes a difference; what another value became is not told."""
    if sampling.temperature:
        return _SENT
    return Measured("0" if texts[3] == texts[4] else "above 0", "client")
