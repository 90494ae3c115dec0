"""Which engine is it? A server that somebody else runs is recognised by its own word, or named.

First by what every server lists, then by the question that each kind answers in its own way. A name
that the server contradicts is refused; where it says nothing, the user's word is taken. Not aware
of models or keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import api
from steelyard.engines.api import Attachable, HttpCall, Met
from steelyard.engines.url import API

ANY: Final = "openai"
_SILENT: Final = Missing(
    "not_reported", "the server does not say which engine it is; the user's word was taken"
)


@final
@dataclass(frozen=True, slots=True)
class Company:
    """Who is met: `kind` None is any OpenAI-compatible server; `known` is what says so."""

    kind: Attachable | None
    known: Reading[str]


def attachable() -> tuple[str, ...]:
    """Return the names of the engines that a server at an address can be of, `openai` last."""
    found = (name for name in api.dialects() if isinstance(api.dialect(name), Attachable))
    return (*found, ANY)


def chosen(engine: str) -> Attachable | None:
    """Return the dialect of a named engine, None for any.

    Raises `UnknownName` for one that does not exist, `UnsupportedSubject` for one that is only
    started here.
    """
    if engine == ANY:
        return None
    kind = api.dialect(engine)
    if not isinstance(kind, Attachable):
        raise UnsupportedSubject(
            f"{engine} is started here for a file; a server at an address is up already",
            hint=f"leave --engine out, or name one of {', '.join(attachable())}",
        )
    return kind


def named(engine: str, met: Met, ask: Callable[[HttpCall], object], *, where: str) -> Company:
    """Take the user's word for it unless the server's own contradicts it.

    Raises what `chosen` raises, and `UnsupportedSubject` for a server that says it is another one.
    """
    kind = chosen(engine)
    if kind is None:
        return Company(None, Measured(ANY, "client"))
    if _recognised(kind, met, ask):
        return Company(kind, Measured(engine, "engine"))
    other = recognise(met, ask).kind
    if other is not None:
        raise UnsupportedSubject(
            f"{where} says that it is {other.name}, not {engine}",
            hint=f"leave --engine out, or write --engine {other.name}",
        )
    route = kind.encode(GenerationRequest()).path
    if not route.startswith(f"{API}/"):  # of its own, by which such a server would have answered
        raise UnsupportedSubject(
            f"{where} does not answer as {engine} does: it has no {_path(kind)}",
            hint=f"is it the right port? leave --engine out to speak {API} to any server",
        )
    return Company(kind, _SILENT)


def recognise(met: Met, ask: Callable[[HttpCall], object]) -> Company:
    """Return the engine that recognises its own, or nobody."""
    kinds = [api.dialect(name) for name in api.dialects()]
    able = [kind for kind in kinds if isinstance(kind, Attachable)]
    for kind in able:  # what is known already costs no question
        if kind.recognises(met):
            return Company(kind, Measured(kind.name, "engine"))
    for kind in able:
        if _recognised(kind, met, ask):
            return Company(kind, Measured(kind.name, "engine"))
    return Company(None, Missing("not_reported", "the server does not say which engine it is"))


def _recognised(kind: Attachable, met: Met, ask: Callable[[HttpCall], object]) -> bool:
    if kind.recognises(met):
        return True
    if kind.greeting is None:
        return False
    own = ask(kind.greeting)
    return own is not None and kind.recognises(replace(met, own=own))


def _path(kind: Attachable) -> str:
    if kind.greeting is None:
        raise BadInput(f"{kind.name} has neither a route of its own nor a greeting")
    return kind.greeting.path
