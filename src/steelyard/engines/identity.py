"""What is served, compared with what was asked for; a difference refuses the run.

The engine's word is set against the file's own header and hash, which were read beforehand. Not
aware of how the questions are put.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar, assert_never

from steelyard.domain.errors import UnsupportedSubject, WrongModel
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Proof
from steelyard.domain.subject import ArtifactFacts, ServedFacts, Subject, Variant
from steelyard.engines.api import IdentityClaim

T = TypeVar("T", int, str)


def verify(
    claim: IdentityClaim,
    subject: Subject,
    facts: ArtifactFacts | None,
    path: Path,
    called: str = "",
) -> tuple[Proof, ...]:
    """Return what was proved; raise `WrongModel` naming what was wanted and what is served.

    `called` is how the server is to call the model, where that is not the artifact's name.
    """
    name, profile = subject.artifact.name, subject.profile
    proofs = [
        _path(claim.model_path, path, name),
        _same("served name", claim.name, called or name, name),
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


def verify_served(claim: IdentityClaim, variant: Variant) -> tuple[Proof, ...]:
    """Compare what a server of somebody else's says of a model with what it said at first.

    Raises `WrongModel` where it says something else. Nothing is proved where it says nothing.
    """
    planned = variant.facts
    if not isinstance(planned, ServedFacts):
        raise UnsupportedSubject(f"{variant.label} is a file, and no server's word stands for it")
    same = []
    for what, was, now in (
        ("digest", planned.digest, claim.digest),
        ("quant", planned.quant, claim.quant),
        ("parameters", planned.parameters, claim.parameters),
        ("tensor bytes", planned.tensor_bytes, claim.tensor_bytes),
        ("vocabulary", planned.vocabulary, claim.vocabulary),
    ):
        if isinstance(was, Missing) or isinstance(now, Missing):
            continue
        if was.value != now.value:
            raise WrongModel(
                f"{variant.artifact.name!r} is another model than when the sweep began: its {what} "
                f"was {was.value} and is {now.value}",
                hint="somebody has put another in its place there: sweep anew in another --out",
            )
        same.append(what)
    if not same:
        return ()
    return (Proof("served model", passed=True, found=f"the same {', '.join(same)} as planned"),)


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
