"""A judge's reply: the shape that is asked for, and a reading that takes nothing else.

Scores are whole numbers from 1 to 5. A schema can list them, so that an engine which binds replies
cannot give another; fractions have no such list, and models agree with themselves less on them.
The reason stands before the score: what is written first is what the score follows from. A fence or
a sentence around the object is no reply, since an answer that is quoted may hold an object of its
own. Not aware of engines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, final

from steelyard.domain.judging import Bound

SCORES: Final = (1, 2, 3, 4, 5)
REASON_CHARS: Final = 400

# Why a reply is none. Each is the judge's doing, and none says anything of the answer.
Fault: TypeAlias = Literal["empty", "truncated", "not_json", "wrapped", "wrong_shape", "off_scale"]
FAULTS: Final[tuple[Fault, ...]] = (
    "empty",
    "truncated",
    "not_json",
    "wrapped",
    "wrong_shape",
    "off_scale",
)


@final
@dataclass(frozen=True, slots=True)
class Scored:
    """A reply that is one: the whole number that was given, and the words before it."""

    number: int
    reason: str

    @property
    def score(self) -> float:
        """The number on a scale from 0 to 1."""
        return (self.number - SCORES[0]) / (SCORES[-1] - SCORES[0])


def schema(bound: Bound) -> str:
    """Return the JSON text of the schema to bind replies to; empty where words alone do."""
    if bound == "words":
        return ""
    reason: dict[str, Any] = {"type": "string"}
    if bound == "schema with lengths":
        reason["maxLength"] = REASON_CHARS
    return json.dumps(
        {
            "type": "object",
            "properties": {"reason": reason, "score": {"type": "integer", "enum": list(SCORES)}},
            "required": ["reason", "score"],
            "additionalProperties": False,
        }
    )


def read(text: str, finish_reason: str | None) -> Scored | Fault:
    """Return what the reply says, or what is wrong with it."""
    text = text.strip()
    if finish_reason == "length":
        return "truncated"
    if not text:
        return "empty"
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return "wrapped" if _holds_object(text) else "not_json"
    if not isinstance(value, dict) or value.keys() != {"reason", "score"}:
        return "wrong_shape"
    reason, number = value["reason"], value["score"]
    if not isinstance(reason, str) or isinstance(number, bool):
        return "wrong_shape"
    if not isinstance(number, int | float):
        return "wrong_shape"
    if number not in SCORES:
        return "off_scale"
    return Scored(int(number), _whole(reason))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says one thing twice: which of them counts, nobody said."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _holds_object(text: str) -> bool:
    """Say whether an object stands somewhere in the text, with something around it."""
    start, end = text.find("{"), text.rfind("}")
    try:
        return start >= 0 and isinstance(json.loads(text[start : end + 1]), dict)
    except (ValueError, RecursionError):
        return False


def _whole(reason: str) -> str:
    """Return the words without halves of characters, which no file could hold."""
    return reason.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
