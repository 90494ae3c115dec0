"""A written function put to its hidden tests, in the sandbox and nowhere else.

Only calls go in and results come out: what is right stays here, so that no trick inside can pass
for it. A program that ends Python, hangs or floods fails the test at which it does. Where nothing
can be contained, nothing is run, and the mark is `not_run`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import CannotContain
from steelyard.domain.task import Answer, Mark, NotRun, Outcome, Trial
from steelyard.platform import containment
from steelyard.platform.sandbox import Limits, Ran
from steelyard.tasks import json_text
from steelyard.tasks.code import hidden
from steelyard.tasks.code.composing import NAME, Composed
from steelyard.tasks.code.extracting import Found, find
from steelyard.tasks.scoring import outcome_of
from steelyard.tasks.values import JsonObject, same_json

_CALLING: Final = Path(__file__).with_name("calling.py")
LIMITS: Final = Limits(cpu_s=2, wall_s=20.0)
_KILLED: Final = 137
_SHOWN_CHARS: Final = 300
# Why an answer was not tried out: another time, or elsewhere, it may be.
UNTRIED: Final = ("no_sandbox", "sandbox_failed")


@final
@dataclass(frozen=True, slots=True)
class CodeScorer:
    """Reads a function out of an answer and says how it is to be tried out."""

    made: Composed

    def mark(self, answer: Answer) -> Mark | Trial:
        """Mark what is no such function; all else is to be tried out."""
        found = find(answer, NAME)
        if found.flexible is None:
            return marked(outcome_of(answer, None, right=False), found, None)
        if not found.defines:
            outcome = outcome_of(answer, found.flexible, right=False)
            return marked(outcome, found, f"no function {NAME} is defined")
        return Trial(partial(self.tried, answer, found, found.flexible))

    def tried(self, answer: Answer, found: Found, code: str) -> Mark:
        """Call the function with all hidden arguments and compare what it gives."""
        tests = hidden.tests(self.made)
        try:
            ran = containment.sandbox().run(_program(code, tests), LIMITS)
        except CannotContain as refused:
            return marked(NotRun("no_sandbox"), found, str(refused))
        if ran.ending == "not_begun":
            return marked(NotRun("sandbox_failed"), found, ran.complaint or f"code {ran.code}")
        failed = _failed(tests, ran)
        # Of a text that was cut a whole block counts where it passes.
        outcome = outcome_of(answer, code, right=failed is None, bare=True)
        return marked(outcome, found, failed)


def marked(outcome: Outcome, found: Found, failed: str | None) -> Mark:
    """Return a mark with both readings of the answer, and what failed in one printable line."""
    shown = None if failed is None else _printable(failed)[:_SHOWN_CHARS]
    return Mark(
        outcome,
        {"strict": found.strict, "flexible": found.flexible, "failed": shown},
        {"answer_form": found.strict is not None},
    )


def _program(code: str, tests: Sequence[hidden.Test]) -> str:
    case = json.dumps({"source": code, "name": NAME, "given": [test.given for test in tests]})
    return f"{_CALLING.read_text(encoding='utf-8')}\n\nmain({case!r}, RESULTS)\n"


def _failed(tests: Sequence[hidden.Test], ran: Ran) -> str | None:
    """Name the first test that did not pass, or return None."""
    lines = ran.said.split(b"\n")
    for number, test in enumerate(tests, 1):
        said = _said(lines[number - 1]) if number < len(lines) else None
        if said is not None and "failed" in said:
            return f"the code itself fails: {said['failed']}"
        why = _ended(ran) if said is None else _differs(said, test.wanted)
        if why:
            given = ", ".join(map(repr, test.given))
            return f"test {number} of {len(tests)} ({test.why}): {NAME}({given}) {why}"
    return None


def _said(line: bytes) -> JsonObject | None:
    # Written by whatever ran inside: it may be anything.
    return json_text.whole_object(line.decode(errors="replace"))


def _differs(said: JsonObject, wanted: Any) -> str:
    if "raised" in said:
        return f"raises {said['raised']}"
    if "other" in said:
        return f"gives back a {said['other']}"
    if "value" not in said or not same_json(said["value"], wanted):
        return f"gives {said.get('value')!r}, not {wanted!r}"
    if said.get("same") is not True:
        return "gives something else when called again"
    return "" if said.get("kept") is True else "changes its argument"


def _ended(ran: Ran) -> str:
    if ran.ending == "out_of_time":
        return f"does not come back within {LIMITS.wall_s:g} s"
    if ran.ending == "said_too_much":
        return "gives back more than fits"
    if ran.code == _KILLED:
        return f"takes more than {LIMITS.cpu_s} s of processor time"
    return f"ends Python with code {ran.code}"


def _printable(text: str) -> str:
    """Return model-made text in one line that moves no terminal's cursor."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
