"""A program put to a suite of tests that somebody published or wrote, in the sandbox alone.

Tests of this kind run beside the program, which could look for them; hidden calls
(`tasks.code.scoring`) are stricter, and our own family uses those. Where a reference solution is
known and fails here, the tests need what the sandbox has not, and nothing is known of the answer.
"""

from __future__ import annotations

import functools
import json
import re
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import CannotContain
from steelyard.domain.task import Answer, Mark, NotRun, Trial
from steelyard.platform import containment
from steelyard.platform.sandbox import Limits
from steelyard.tasks import json_text
from steelyard.tasks.code.extracting import Found, find
from steelyard.tasks.code.scoring import marked
from steelyard.tasks.scoring import outcome_of

_ASSERTING: Final = Path(__file__).with_name("asserting.py")
LIMITS: Final = Limits(cpu_s=6, wall_s=30.0)
_PASSED: Final = ""
_CALLED: Final = re.compile(
    r"\bassert[\s(]+(?:(?:set|sorted|list|tuple|math\.isclose)\()*"
    r"([A-Za-z_]\w*)\("
)


@final
@dataclass(frozen=True, slots=True)
class SuiteScorer:
    """Reads a program out of an answer; `function` is the name that the tests call.

    `before` is put in front of it: imports and helpers that the question gave. `reference` is a
    whole program that must pass, where one is known.
    """

    function: str
    tests: str
    before: str = ""
    reference: str = ""

    def mark(self, answer: Answer) -> Mark | Trial:
        """Mark what is no such program; all else is to be tried out."""
        found = find(answer, self.function)
        if found.flexible is None:
            return marked(outcome_of(answer, None, right=False), found, None)
        if not found.defines:
            outcome = outcome_of(answer, found.flexible, right=False)
            return marked(outcome, found, f"no function {self.function} is defined")
        return Trial(partial(self.tried, answer, found, found.flexible))

    def tried(self, answer: Answer, found: Found, code: str) -> Mark:
        """Run the program and its tests."""
        try:
            if self.reference and (why := _failure(self.reference, self.tests)) != _PASSED:
                return marked(NotRun("reference_fails"), found, f"the known solution: {why}")
            failed = _run(f"{self.before}\n{code}\n", self.tests)
        except CannotContain as refused:
            return marked(NotRun("no_sandbox"), found, str(refused))
        except _NotBegunError as error:
            return marked(NotRun("sandbox_failed"), found, str(error))
        # Of a text that was cut a whole block counts where it passes.
        outcome = outcome_of(answer, code, right=failed == _PASSED, bare=True)
        return marked(outcome, found, failed or None)


def called_by(tests: str) -> str | None:
    """Return the function that the first assertion calls, where that can be told."""
    found = _CALLED.search(tests)
    return None if found is None else found[1]


class _NotBegunError(Exception):
    """The sandbox did not come to run anything."""


@functools.lru_cache(maxsize=4096)
def _failure(source: str, tests: str) -> str:
    return _run(source, tests)


def _run(source: str, tests: str) -> str:
    """Return how a program fails its tests; empty where it passes."""
    word = secrets.token_hex(16)
    case = json.dumps({"source": source, "tests": tests, "word": word})
    program = f"{_ASSERTING.read_text(encoding='utf-8')}\n\nmain({case!r}, RESULTS)\n"
    ran = containment.sandbox().run(program, LIMITS)
    if ran.ending == "not_begun":
        raise _NotBegunError(ran.complaint or f"code {ran.code}")
    said = json_text.whole_object(ran.said.split(b"\n")[0].decode(errors="replace")) or {}
    if said.get("passed") == word:
        return _PASSED
    if "wrong" in said:
        return f"a test fails: {said['wrong']}"
    if "failed" in said:
        return f"the code itself fails: {said['failed']}"
    if ran.ending == "out_of_time":
        return f"does not come back within {LIMITS.wall_s:g} s"
    return f"ends Python with code {ran.code}"
