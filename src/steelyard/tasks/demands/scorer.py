"""Marks an answer that has constraints to keep and something to say. Not aware of how it is asked.

An answer is right if it keeps every constraint and says what was asked, and nothing of the others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks.demands.content import Content
from steelyard.tasks.demands.rules import RULES
from steelyard.tasks.scoring import mark_of, refuses, without_thought


@final
@dataclass(frozen=True, slots=True)
class DemandScorer:
    """Right if all constraints hold and the content is there; which of them held is kept too.

    `checks` holds pairs of a name and its arguments, as JSON text.
    """

    checks: str
    content: Content

    def mark(self, answer: Answer) -> Mark:
        """Check the whole answer; a cut one is right only if nothing is missing."""
        text = without_thought(answer)
        told: list[tuple[str, dict[str, Any]]] = json.loads(self.checks)
        held = {name: bool(text) and RULES[name](text, arguments) for name, arguments in told}
        kept = all(held.values())
        right = kept and self.content.said(text)
        readable = None if not text or (not kept and refuses(text)) else text
        return mark_of(answer, text if kept else None, readable, held, right=right)
