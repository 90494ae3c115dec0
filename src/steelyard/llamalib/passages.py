"""Token passages to be scored: what goes between the process that asks and the one that decodes.

A passage is decoded alone, from an empty context; positions from `score_from` on are scored, each
against the token that really stands there. Not aware of text or tokenizers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from steelyard.domain.errors import BadInput


@final
@dataclass(frozen=True, slots=True)
class Passage:
    """Tokens; the first `score_from` of them are context only (at least one is)."""

    tokens: tuple[int, ...]
    score_from: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.score_from < len(self.tokens):
            raise BadInput(
                f"a passage of {len(self.tokens)} tokens has nothing to score from position"
                f" {self.score_from}",
                hint="use longer passages",
            )

    @property
    def scored(self) -> int:
        """How many positions are scored."""
        return len(self.tokens) - self.score_from


def write(path: Path, passages: Sequence[Passage]) -> Path:
    """Write passages as JSON, whole or not at all: a kill must not leave half of them."""
    plain = [{"tokens": list(p.tokens), "score_from": p.score_from} for p in passages]
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(plain))
    return part.replace(path)


def read(path: Path) -> tuple[Passage, ...]:
    """Read passages; raise `BadInput` for a file that holds none."""
    try:
        raw = json.loads(path.read_bytes())
        found = tuple(
            Passage(tuple(int(token) for token in item["tokens"]), int(item["score_from"]))
            for item in raw
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} holds no token passages: {error}", hint="write it again") from None
    if not found:
        raise BadInput(f"{path} holds no token passages", hint="write it again")
    return found


def targets(passages: Sequence[Passage]) -> npt.NDArray[np.int32]:
    """Return the token that stands at each scored position, in the order of the scores."""
    tokens = [token for p in passages for token in p.tokens[p.score_from :]]
    return np.array(tokens, np.int32)
