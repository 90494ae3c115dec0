"""Planted tool calls as the chat API carries them: in pieces, whole, or wrongly as text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.scripted.plan import PlannedCall

PIECE: Final = re.compile(r"\s?\w{1,4}|\s|[^\w\s]")


@final
@dataclass(frozen=True, slots=True)
class CallPiece:
    """A piece of the call with this index; the first one has its id and name."""

    index: int
    arguments: str
    id: str = ""
    name: str = ""

    def delta(self) -> dict[str, object]:
        """Return it as the chat API streams it."""
        function: dict[str, object] = {"arguments": self.arguments}
        if not self.name:
            return {"index": self.index, "function": function}
        named = {"name": self.name, **function}
        return {"index": self.index, "id": self.id, "type": "function", "function": named}


def called(calls: Sequence[PlannedCall], *, broken: bool) -> Iterator[CallPiece]:
    """Cut calls into pieces, one after the other; broken ones lose their last bracket."""
    for index, call in enumerate(calls):
        yield CallPiece(index, "", call.id or f"call_{index}", call.name)
        arguments = call.arguments[:-1] if broken else call.arguments
        yield from (CallPiece(index, piece) for piece in PIECE.findall(arguments))


def as_text(call: PlannedCall) -> str:
    """Write a call as a server does whose parser did not know it for one."""
    return f'<tool_call>\n{{"name": "{call.name}", "arguments": {call.arguments}}}\n</tool_call>\n'


def joined(pieces: Sequence[CallPiece]) -> list[dict[str, object]]:
    """Return whole calls."""
    found: dict[int, CallPiece] = {}
    for piece in pieces:
        begun = found.get(piece.index, replace(piece, arguments=""))
        found[piece.index] = replace(begun, arguments=begun.arguments + piece.arguments)
    return [call.delta() for call in found.values()]
