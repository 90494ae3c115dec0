"""The tests that an answer is put to and never shown: what is easily forgotten, chance, faults.

Faults are planted into the known solution; for each one that no test notices another input is
looked for that shows it, and becomes a test. A fault that 3,000 inputs do not show is taken for no
fault. What is right is said by the known solution. Not aware of answers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal, TypeAlias, final

from steelyard.tasks.code.composing import FORMS, Arguments, Composed, arguments, edges, run
from steelyard.tasks.code.mutants import mutants
from steelyard.tasks.items import content_hash
from steelyard.tasks.values import same_json

_DRAWN: Final = 30
_SEARCHED: Final = 3000
_SHOWN: Final = 2
_TRIED_FOR_EXAMPLES: Final = 40
_EXAMPLE_CHARS: Final = 70

Why: TypeAlias = Literal["example", "edge", "drawn", "fault"]


@final
@dataclass(frozen=True, slots=True)
class Test:
    """One call and what it has to give; `why` says where it comes from."""

    why: Why
    given: Arguments
    wanted: Any


def examples(made: Composed) -> tuple[Test, ...]:
    """Return the calls that the prompt shows: short ones that give something, and not the same."""
    rng = _random(made, "examples")
    found: list[Test] = []
    for _ in range(_TRIED_FOR_EXAMPLES):
        given = arguments(made.takes, rng)
        wanted = run(made.text, given)
        short = len(repr(given)) + len(repr(wanted)) <= _EXAMPLE_CHARS + 10 * len(found)
        if wanted and short and all(wanted != other.wanted for other in found):
            found.append(Test("example", given, wanted))
        if len(found) == _SHOWN:
            break
    return tuple(found)


@functools.lru_cache(maxsize=1024)
def tests(made: Composed) -> tuple[Test, ...]:
    """Return all tests of a function, the same ones on every machine."""
    rng = _random(made, "tests")
    drawn = [arguments(made.takes, rng, FORMS[n % len(FORMS)]) for n in range(_DRAWN)]
    known = [
        *examples(made),
        *(Test("edge", given, run(made.text, given)) for given in edges(made.takes)),
        *(Test("drawn", given, run(made.text, given)) for given in drawn),
    ]
    known = [test for test in known if not isinstance(test.wanted, type)]
    for changed in mutants(made.text):
        if not any(shown(test, changed) for test in known):
            known += _showing(made, changed, rng)
    return tuple(known)


def shown(test: Test, changed: str) -> bool:
    """Say whether a test notices what was changed in its function."""
    return not same_json(run(changed, test.given), test.wanted)


def _showing(made: Composed, changed: str, rng: Random) -> list[Test]:
    """Return a test that notices the change, if there is one."""
    for number in range(_SEARCHED):
        given = arguments(made.takes, rng, FORMS[number % len(FORMS)])
        test = Test("fault", given, run(made.text, given))
        if shown(test, changed):
            return [test]
    return []


def _random(made: Composed, purpose: str) -> Random:
    return Random(content_hash(purpose, *made.key))
