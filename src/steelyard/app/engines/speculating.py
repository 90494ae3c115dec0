"""`engines speculate`: is a draft model worth it, for which kind of text, up to how many users?

Starts the model twice on llama.cpp, once with the draft, and asks both in turns. Both records go
into the store. Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import speculation as figures
from steelyard.app import proving, subjects
from steelyard.app.results import files, history
from steelyard.app.results.files import Told
from steelyard.app.results.keeping import keeper
from steelyard.app.subjects import Chosen
from steelyard.domain.errors import (
    BadInput,
    EngineError,
    TooLittleRoom,
    UnknownName,
    UnsupportedSubject,
)
from steelyard.domain.progress import Emit
from steelyard.domain.run import Controls, RunSpec
from steelyard.domain.speculation import DOMAINS, Domain, Speculation
from steelyard.domain.subject import ArtifactFacts, EngineProfile, Subject, Variant
from steelyard.llamalib.kernels import cores
from steelyard.models import disk, memory
from steelyard.reports import speculated
from steelyard.runs import speculation
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.places import default_threads, place_for
from steelyard.workloads import domains

FILE: Final = "speculation.json"
_AROUND: Final = 192  # the longest of our prompts and what a template puts around it


@final
@dataclass(frozen=True, slots=True)
class SpeculateOrder:
    """What was asked for, as typed."""

    subject: str
    draft: str | None
    domains: tuple[str, ...]
    prompts: int
    tokens: int
    concurrency: tuple[str, ...]
    threads: int | None
    seed: int
    out: Path | None


def speculate(order: SpeculateOrder, emit: Emit, *, as_json: bool) -> Told:
    """Measure and tell; write `speculation.json` where a folder was named."""
    files.refuse(order.out, FILE)
    plan = _plan(order)
    model, draft = _single(order.subject), _draft(order)
    (path, facts), (draft_path, draft_facts) = model.files[0], draft.files[0]
    if facts.vocabulary != draft_facts.vocabulary:
        raise UnsupportedSubject(
            f"{draft_path.name} has {draft_facts.vocabulary:,} tokens and {path.name} has"
            f" {facts.vocabulary:,}: what one guesses means nothing to the other",
            hint="take a draft of the same family, with the same tokenizer",
        )
    variant = subjects.verified(facts.quant, path, emit)
    guess = subjects.verified("draft", draft_path, emit)
    profile = EngineProfile(
        context_tokens=-(-(order.tokens + _AROUND) // 256) * 256, slots=max(plan.levels)
    )
    _require_room(facts, draft_facts, profile)
    paths = {variant.artifact.sha256: path.absolute(), guess.artifact.sha256: draft_path.absolute()}
    controls = Controls(seed=order.seed, threads=order.threads or default_threads(cores()))
    executor = Executor(Verifier(), emit, proving=proving.proved)
    found: speculation.Found | None = None
    sides: list[Session] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="steelyard-draft-")))

        def side(name: str, settings: EngineProfile) -> Session:
            subject = Subject(variant.artifact, "llamacpp", "wheel", settings)
            spec = RunSpec(subject, controls, campaign_seed=order.seed)
            place = place_for(subject, folder / name, paths)
            sides.append(stack.enter_context(executor.session(spec, variant, place)))
            return sides[-1]

        plain = side("plain", profile)
        drafted = side("drafted", replace(profile, draft_sha256=guess.artifact.sha256))
        found = speculation.measure(plain, drafted, plan, emit)
    if found is None:  # what went wrong ended the sessions, which keep it
        raise EngineError(next((s.found.reason for s in sides if s.found.reason), "nothing came"))
    with keeper(emit) as keep:
        for session in sides:
            keep(executor.record(session))
    return _told(order, plan, variant, guess, found, as_json=as_json)


def _told(
    order: SpeculateOrder,
    plan: speculation.Plan,
    variant: Variant,
    guess: Variant,
    found: speculation.Found,
    *,
    as_json: bool,
) -> Told:
    levels = tuple(figures.by_level(streams, found.turns) for streams in plan.levels)
    result = Speculation(
        model=variant.artifact.name,
        draft=guess.artifact.name,
        domains=tuple(figures.by_domain(domain, found.pairs) for domain in plan.domains),
        levels=levels,
        break_even=figures.break_even(levels),
    )
    return files.told(
        result,
        speculated.table(result),
        order.out,
        FILE,
        as_json=as_json,
        measured=any(domain.pairs for domain in result.domains),
    )


def _plan(order: SpeculateOrder) -> speculation.Plan:
    chosen: list[Domain] = []
    for name in order.domains:
        known = next((domain for domain in DOMAINS if domain == name), None)
        if known is None:
            raise UnknownName.among("kind of text", name, DOMAINS)
        if known not in chosen:
            chosen.append(known)
    if order.prompts > domains.MOST:
        raise BadInput(
            f"--prompts {order.prompts}: there are {domains.MOST} different ones of each kind",
            hint=f"give at most {domains.MOST}",
        )
    levels = []
    for word in order.concurrency:
        if not word.isdecimal() or not 1 <= int(word) <= 64:  # noqa: PLR2004 - slots of a server
            raise BadInput(f"{word!r} is no level", hint="write --concurrency 1,2,4")
        levels.append(int(word))
    return speculation.Plan(
        tuple(chosen), order.prompts, order.tokens, tuple(sorted(set(levels) | {1})), order.seed
    )


def _require_room(facts: ArtifactFacts, draft: ArtifactFacts, profile: EngineProfile) -> None:
    """Raise `TooLittleRoom` unless both servers fit, one of them with the draft."""
    past = history.memory_here()
    model, guesses = (memory.parts(one, profile, past).needed for one in (facts, draft))
    needed = 2 * model + guesses
    if needed > (free := memory.available_bytes()):
        raise TooLittleRoom(
            f"the model twice and its draft would take about {disk.size(needed)} of memory, and"
            f" {disk.size(free)} are free",
            hint="close programs, or take a smaller quant or fewer at a time",
        )


def _single(subject: str) -> Chosen:
    chosen = subjects.choose(subject)
    if len(chosen.files) != 1 or chosen.engine != "llamacpp":
        raise UnsupportedSubject(
            f"{subject} is not one GGUF file for llama.cpp",
            hint="name one file: drafts are tried on llama.cpp",
        )
    return chosen


def _draft(order: SpeculateOrder) -> Chosen:
    if order.draft is not None:
        return _single(order.draft)
    if order.subject != subjects.BUNDLED:
        raise BadInput(
            "no draft model was named",
            hint="--draft FILE: a much smaller model of the same family; bundled has its own",
        )
    return _single(str(subjects.bundled("draft.gguf")))
