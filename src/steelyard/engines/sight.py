"""Can this server be shown pictures, sounds or films? Asked before any item is.

By the engine's flags, then by the server's own word of the model that it serves, then by a small
request with a sample and the same without. A server that leaves out what it does not understand
counts as many tokens for both: its answers would be guesses and look like wrong ones. Control calls
only. Not aware of items.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NoReturn, Protocol

from steelyard.domain.errors import BadInput, EngineError, Refused, UnsupportedSubject
from steelyard.domain.reading import Measured
from steelyard.domain.stream import Usage
from steelyard.domain.subject import Subject
from steelyard.domain.task import Media, Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Capabilities, Dialect, HttpCall, IdentityClaim, Projects
from steelyard.engines.wires import openai
from steelyard.media.samples import Kind, sample

REFUSED: Final = "media_refused"
UNTRIED: Final = "media_untried"
# By these a request is refused for what it holds, in words that nobody may know. Others may pass,
# or go by who asks, how often and how much.
_FOR_ITS_FORM: Final = frozenset({400, 415, 422})
_PLURAL: Final[dict[Kind, str]] = {"image": "pictures", "audio": "sounds", "video": "films"}
_OTHER: Final = "serve a model that sees or hears, or leave these tasks out"
_PROJECTOR: Final = (
    "write --mmproj and the absolute path of the model's projector into extra_args of an engine "
    "profile, or start llama-server with it and give its URL"
)
_SHOWN: Final = 200


class Server(Protocol):
    """A server that is up: one of ours or of somebody else's."""

    @property
    def dialect(self) -> Dialect:
        """How it is spoken to."""

    def ask(self, call: HttpCall) -> object:
        """Make a control call."""

    def identity(self) -> IdentityClaim:
        """Ask what is served."""


def require_engine(dialect: Dialect, kinds: Iterable[Kind], subject: Subject | None = None) -> None:
    """Raise `UnsupportedSubject` where the engine takes none of these, whatever it serves.

    `subject` is what is to be started; None for a server that is up.
    """
    for kind in sorted(kinds):
        if not _flag(dialect.capabilities, kind):
            raise UnsupportedSubject(
                f"{dialect.name} takes no {_PLURAL[kind]}, and some are to be shown",
                hint="`steelyard engines list` names engines; vllm, sglang and llamacpp take them",
            )
        if subject is not None and isinstance(dialect, Projects) and not dialect.projects(subject):
            raise UnsupportedSubject(
                f"{subject.artifact.name!r} would be served without a projector, as text only, and "
                f"{_PLURAL[kind]} are to be shown",
                hint=_PROJECTOR,
            )


def require_model(server: Server, kinds: Iterable[Kind]) -> None:
    """Raise `UnsupportedSubject` unless the server takes a sample of each of these kinds.

    Raises `EngineError` or `BadInput` where that could not be found out.
    """
    wanted = sorted(kinds)
    if not wanted:
        return
    require_engine(server.dialect, wanted)
    takes = server.identity().takes
    for kind in wanted:
        if isinstance(takes, Measured) and kind not in takes.value:
            _refuse(server, kind, "by its own word the model takes none")
    bare = _counted(server, ())
    for kind in wanted:
        try:
            shown = _counted(server, (sample(kind),))
        except (EngineError, BadInput) as error:
            # The same without the sample was answered just before.
            its_form = isinstance(error, Refused) and error.status in _FOR_ITS_FORM
            otherwise = REFUSED if its_form else ""
            if openai.failure_code(str(error), otherwise=otherwise) == REFUSED:
                _refuse(server, kind, f"it answered {str(error)[:_SHOWN]!r}")
            raise
        if bare is not None and shown == bare:
            _refuse(
                server,
                kind,
                f"it counted {bare} prompt tokens with a sample and without, so that the sample "
                "was left out in silence",
            )


def _refuse(server: Server, kind: Kind, why: str) -> NoReturn:
    hint = _PROJECTOR if isinstance(server.dialect, Projects) else _OTHER
    raise UnsupportedSubject(
        f"the {server.dialect.name} server cannot be shown {_PLURAL[kind]}: {why}",
        hint=hint if kind != "video" else f"{hint}; films need ffmpeg beside the server",
    )


def _flag(can: Capabilities, kind: Kind) -> bool:
    return {"image": can.images, "audio": can.audio, "video": can.video}[kind]


def _counted(server: Server, media: tuple[Media, ...]) -> int | None:
    """Return how many prompt tokens the server counts of a short question with these."""
    question = Message("user", "What is this?", media)
    request = GenerationRequest((question,), max_tokens=1, stream=False)
    answer = server.ask(server.dialect.encode(request))
    events = server.dialect.decode(json.dumps(answer))
    return next((event.prompt_tokens for event in events if isinstance(event, Usage)), None)
