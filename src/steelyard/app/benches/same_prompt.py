"""Do two engines that are about to take turns get the same prompt? Asked before anything is timed.

Of one model on two engines a difference is refused with what differs: their speeds would be those
of two prompts. Where nobody knows that it is one model, or an engine does not show its prompts, it
is said and no more. Not aware of how the turns are taken.
"""

from __future__ import annotations

from typing import Final

from steelyard.analysis import sameness
from steelyard.domain.errors import EngineError, UnsupportedSubject
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import RunSpec
from steelyard.domain.subject import ArtifactFacts
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import PromptFacts
from steelyard.reports import sameness as report
from steelyard.runs.execute import Session

_TRIED: Final = (
    "The quick brown fox jumps over 13 lazy dogs.",
    "  List three towns:\n\n- Zürich\n",
)


def require(first: Session, second: Session, emit: Emit) -> None:
    """Raise `UnsupportedSubject` with the difference where one model gets two prompts."""
    sides = (first, second)
    engines = [session.spec.subject.engine for session in sides]
    if engines[0] == engines[1]:
        return
    found: dict[str, list[PromptFacts]] = {}
    for session in sides:
        name = f"{session.spec.subject.artifact.name}@{session.spec.subject.engine}"
        try:
            found[name] = [_facts(session, text) for text in _TRIED]
        except (UnsupportedSubject, EngineError) as error:
            emit(
                Noted(
                    f"that both get the same prompt is not proved: {error}. What differs may be "
                    "the template, and not the engine",
                    warning=True,
                )
            )
            return
    differs = sameness.differences(found)
    if not differs:
        return
    text = report.refused(differs)
    if _one_model(first.facts, second.facts):
        for session in sides:  # neither is measured, and each record says why
            session.found.outcome, session.found.reason = "failed", f"bad_input: {text}"
        raise UnsupportedSubject(text, hint="give both the same template and tokenizer")
    emit(Noted(f"{text}\n(nobody knows whether they serve one model)", warning=True))


def _facts(session: Session, text: str) -> PromptFacts:
    spec: RunSpec = session.spec
    request = GenerationRequest(
        (Message("user", text),),
        max_tokens=1,
        seed=spec.controls.seed,
        sampling=spec.controls.sampling,
        stream=False,
    )
    return session.opened.engine.prompt_facts(request)


def _one_model(first: ArtifactFacts | None, second: ArtifactFacts | None) -> bool:
    """Whether both are files of one model, whatever its format: as many weights and tokens."""
    if first is None or second is None:
        return False
    return (first.parameters, first.vocabulary) == (second.parameters, second.vocabulary)
