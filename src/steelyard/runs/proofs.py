"""The arithmetic proof: an engine build replays known positions before anything is timed.

The bundled model's answers were computed once in 32-bit floats and are stored. The engine steps
through the same prompts one token a request and must put the same probabilities on the same
tokens: at prompts shorter and longer than its micro-batch. A build that does not is `WRONG_LOGITS`
and nothing is measured with it. An engine whose server takes no tokens or tells no probabilities is
asked by its own library, in its own environment. Not aware of the models that are measured.

The limits stand well above what half-precision weights' rounding, caches and reordered sums make
(see docs/measured.md) and well below what a wrong kernel, a wrong rope or a cut context makes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import ConformanceError
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, Place, Proof
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import api, host
from steelyard.engines.api import LaunchPlan
from steelyard.engines.http1 import prepare
from steelyard.engines.words import Words
from steelyard.loadgen.client import Client
from steelyard.models import artifacts
from steelyard.platform import clock
from steelyard.runs.stepping import Answer, step

NAME: Final = "arithmetic"
MEAN_KL_MAX: Final = 0.0002
WORST_KL_MAX: Final = 0.02
PHASE: Final = "proving the engine's arithmetic"
_LEAST_POSITIONS: Final = 512
_PIECE: Final = 512  # what is read of a prompt at a time where a library is asked
_TOP: Final = 8
_NEGLIGIBLE: Final = 1e-6
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Known:
    """One stored position: the tokens before it and the reference's most probable next ones."""

    tokens: tuple[int, ...]
    top: Answer


def read_known(path: Path) -> tuple[Known, ...]:
    """Read the stored positions. Raises `ConformanceError` if the file is not what it should be."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        known = tuple(_positions(raw["prompts"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConformanceError(
            f"the stored answers {path} cannot be read: {error}", hint="install Steelyard again"
        ) from None
    if len(known) < _LEAST_POSITIONS:
        raise ConformanceError(
            f"{path} holds {len(known)} positions, fewer than {_LEAST_POSITIONS}"
        )
    return known


def prove_engine(
    subject: Subject,
    model: Path,
    answers: Path,
    place_of: Callable[[Subject, Path], Place],
    controls: Controls,
    emit: Emit,
) -> Reading[Proof]:
    """Start the subject's engine with the proof model and compare; or say why it cannot be proved.

    Raises what kept the engine from answering: an engine that is not there computes nothing wrong.
    """
    dialect = api.dialect(subject.engine)
    able = dialect.capabilities
    if able.simulated:
        return Missing("simulated", f"{subject.engine} computes no logits")
    known = read_known(answers)
    context = -(-max(len(one.tokens) for one in known) // 256) * 256 + 256
    profile = replace(subject.profile, context_tokens=context, slots=1)
    named = replace(subject, artifact=artifacts.fingerprint(model), profile=profile)
    place = place_of(named, model)
    served = able.logprobs and able.token_prompts
    plan = None if served else dialect.launch(named, controls, place)
    if plan is not None and not plan.words:
        return Missing("not_provable", f"{subject.engine} tells no probabilities of given tokens")
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted(PHASE, len(known)))
    try:
        if plan is None:
            replayed = replay(named, known, place, controls, emit)
        else:
            replayed = recall(plan, known, place, emit)
    finally:
        emit(PhaseEnded(PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    proof = judge(known, replayed)
    if plan is None:
        return Measured(proof, "engine")
    found = f"{proof.found}; asked of its library, not through its server"
    return Measured(replace(proof, found=found), "engine")


def replay(
    subject: Subject, known: Sequence[Known], place: Place, controls: Controls, emit: Emit
) -> list[Answer]:
    """Ask the engine for its most probable next tokens at every known position."""
    dialect = api.dialect(subject.engine)
    spool = place.folder / "proof.bin"
    spool.unlink(missing_ok=True)
    with (
        host.start(dialect, subject, controls, place) as engine,
        Client(engine.host, engine.port, spool) as client,
    ):

        def prepared(request: GenerationRequest) -> bytes:
            return prepare(dialect.encode(request), engine.host, engine.port)

        prompts = [one.tokens for one in known]
        answers: dict[int, Answer] = {}
        for number, answer in step(client, prepared, prompts, _TOP * 4):
            answers[number] = answer
            emit(Advanced(PHASE, len(answers)))
    return [answers[number] for number in range(len(known))]


def recall(plan: LaunchPlan, known: Sequence[Known], place: Place, emit: Emit) -> list[Answer]:
    """Ask the engine's own library: a prompt in pieces, its rest token by token, from one cache."""
    replayed: list[Answer] = []
    place.folder.mkdir(parents=True, exist_ok=True)
    library = Words(plan.words, plan.env, place.folder / "library.log")
    try:
        for tokens, first in _runs(known):
            question = {"tokens": tokens, "first": first, "piece": _PIECE, "top": _TOP * 4}
            rows = library.ask({"logits": question})["logits"]
            replayed += [tuple((int(i), float(logprob)) for i, logprob in row) for row in rows]
            emit(Advanced(PHASE, len(replayed)))
    finally:
        library.stop()
    return replayed


def judge(known: Sequence[Known], replayed: Sequence[Answer]) -> Proof:
    """Compare distributions over the stored tokens, the rest of the vocabulary taken as one."""
    divergences = [
        _divergence(one.top, answered) for one, answered in zip(known, replayed, strict=True)
    ]
    mean = sum(divergences) / len(divergences)
    worst = max(divergences)
    same = sum(
        bool(answered) and one.top[0][0] == answered[0][0]
        for one, answered in zip(known, replayed, strict=True)
    )
    found = (
        f"{len(known)} positions: mean divergence {mean:.2g} nats (limit {MEAN_KL_MAX:g}), worst "
        f"{worst:.2g} (limit {WORST_KL_MAX:g}), same top token in {same}"
    )
    passed = mean <= MEAN_KL_MAX and worst <= WORST_KL_MAX
    return Proof(NAME, passed=passed, found=found)


def _positions(prompts: Sequence[dict[str, Any]]) -> Iterator[Known]:
    for prompt in prompts:
        tokens = tuple(int(token) for token in prompt["tokens"])
        for number, pairs in enumerate(prompt["top"]):
            top = tuple((int(token), float(logprob)) for token, logprob in pairs)
            yield Known(tokens[: int(prompt["first"]) + number + 1], top)


def _runs(known: Sequence[Known]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Put the positions of each prompt together again: its tokens, and the first that is asked."""
    begins = 0
    for number, here in enumerate(known):
        after = known[number + 1].tokens if number + 1 < len(known) else ()
        if after[:-1] != here.tokens:
            yield here.tokens, len(known[begins].tokens) - 1
            begins = number + 1


def _divergence(known: Sequence[tuple[int, float]], answered: Sequence[tuple[int, float]]) -> float:
    """KL(known || answered) over the stored tokens and one bin for all others, in nats."""
    there = dict(answered)
    floor = min(there.values(), default=-20.0) - 1.0
    total, rest, rest_there = 0.0, 1.0, 1.0
    for token, logprob in known:
        found = there.get(token, floor)
        total += math.exp(logprob) * (logprob - found)
        rest -= math.exp(logprob)
        rest_there -= math.exp(found)
    if rest > _NEGLIGIBLE:
        total += rest * math.log(rest / max(rest_there, 1e-9))
    return max(0.0, total)
