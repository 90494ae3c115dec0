"""What a server was found to do when it was tried, beside what is believed of it.

Not aware of how it was asked: `runs.probe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from steelyard.domain.reading import Missing, Reading

# `yes` and `no` were seen; `refused`: the server answered with an error; `unclear`: its answer
# shows nothing either way; `not_tried`: there was no time left, or no way to ask.
Answered: TypeAlias = Literal["yes", "no", "refused", "unclear", "not_tried"]


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried, what was seen, and in which words."""

    name: str
    answered: Answered
    seen: str = ""


@final
@dataclass(frozen=True, slots=True)
class Probed:
    """What one probe found. `context_tokens` is the longest prompt that was taken whole.

    A prompt counts as whole when the server counts as many tokens as its words come to; a server
    that cuts a prompt counts what is left. `elapsed_s` is how long all of it took, in seconds.
    """

    findings: tuple[Finding, ...]
    context_tokens: Reading[int] = Missing("not_probed")
    elapsed_s: float = 0.0

    def answered(self, name: str) -> Answered:
        """Return what was found of one thing."""
        return next((f.answered for f in self.findings if f.name == name), "not_tried")
