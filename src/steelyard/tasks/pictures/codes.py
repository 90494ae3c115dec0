"""The scorer of codes: letters and digits of a known form, wherever they stand in an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks.scoring import finished_part, mark_of

_BARE: Final = "* .\"'`"


@final
@dataclass(frozen=True, slots=True)
class CodeScorer:
    """One code of the form `pattern`: strictly alone, flexibly the only one that is said."""

    value: str
    pattern: re.Pattern[str]

    def mark(self, answer: Answer) -> Mark:
        """Compare without regard to case and to the hyphen in the middle."""
        text = finished_part(answer)
        bare = text.strip(_BARE).upper()
        strict = bare if self.pattern.fullmatch(bare) else None
        flexible = strict
        if flexible is None:
            said = set(self.pattern.findall(text))
            flexible = said.pop() if len(said) == 1 else None
        right = flexible is not None and _plain(flexible) == _plain(self.value)
        held = {"answer_form": strict is not None}
        return mark_of(answer, strict, flexible, held, right=right)


def _plain(code: str) -> str:
    return code.replace("-", "")
