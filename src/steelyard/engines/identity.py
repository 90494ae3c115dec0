"""What is served, compared with what was asked for; a difference refuses the run.

The engine's word is set against the file's own header and hash, which were read beforehand. Not
aware of how the questions are put.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar, assert_never

from steelyard.domain.errors import WrongModel
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Proof
from steelyard.domain.subject import ArtifactFacts, Subject
from steelyard.engines.api import IdentityClaim

T = TypeVar("T", int, str)


def verify(
    claim: IdentityClaim, subject: Subject, facts: ArtifactFacts | None, path: Path
) -> tuple[Proof, ...]:
    """Return what was proved; raise `WrongModel` naming what was wanted and what is served."""
    name, profile = subject.artifact.name, subject.profile
    proofs = [
        _path(claim.model_path, path, name),
        _same("served name", claim.name, name, name),
        _same("context per slot", claim.context_tokens, profile.context_tokens, name),
        _same("slots", claim.slots, profile.slots, name),
    ]
    if facts is not None:
        proofs += [
            _same("parameters", claim.parameters, facts.parameters, name),
            _same("tensor bytes", claim.tensor_bytes, facts.tensor_bytes, name),
            _same("vocabulary", claim.vocabulary, facts.vocabulary, name),
        ]
    return tuple(proofs)


def verify_answers(claim: IdentityClaim, models: Iterable[str | None]) -> Proof:
    """Check the name that every answer carried against what the server called itself."""
    match claim.name:
        case Missing() as reason:
            return Proof("answering model", passed=False, found=str(reason))
        case Measured(value=name):
            named = {model for model in models if model is not None}
            if not named:
                return Proof("answering model", passed=False, found="no answer named its model")
            if strangers := sorted(named - {name}):
                raise WrongModel(
                    f"asked {name!r}, and {', '.join(map(repr, strangers))} answered",
                    hint="another server may have taken over the port: stop it and try again",
                )
            return Proof("answering model", passed=True, found=name)
        case _:
            assert_never(claim.name)


def _path(served: Reading[str], wanted: Path, name: str) -> Proof:
    match served:
        case Missing() as reason:
            return Proof("model file", passed=False, found=str(reason))
        case Measured(value=path):
            if not _one_file(Path(path), wanted):
                raise _wrong("model file", name, str(wanted), path)
            # Its folder belongs to this machine, and what is proved goes into reports.
            return Proof("model file", passed=True, found=wanted.name)
        case _:
            assert_never(served)


def _same(what: str, served: Reading[T], wanted: T, name: str) -> Proof:
    match served:
        case Missing() as reason:
            return Proof(what, passed=False, found=str(reason))
        case Measured(value=value):
            if value != wanted:
                raise _wrong(what, name, str(wanted), str(value))
            return Proof(what, passed=True, found=str(value))
        case _:
            assert_never(served)


def _wrong(what: str, name: str, wanted: str, served: str) -> WrongModel:
    return WrongModel(
        f"the server is not serving {name!r}: {what} should be {wanted} and is {served}",
        hint="nothing was measured; check that the files of the ladder have not been changed",
    )


def _one_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False
