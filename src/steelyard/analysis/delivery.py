"""Whether long questions came to the model whole: what is not proved is `not_run`, never wrong.

Two witnesses: the engine's count of the prompt, and three check words at its head, middle and tail
that the answer is to repeat. A missing check word alone proves no cut, since a model may fail to
repeat it. So the rules are, for the items of one length at one server:

1. Counted clearly below what was sent: cut (`prompt_cut`), whatever the answer says.
2. One check word came back in none of at least eight answers, each other one in half of them or
   more: no model forgets like that, a server that cuts and miscounts does (`canary_missing`).
3. Counted whole: it was read, and a missing check word is the model's own.
4. Not counted, or not surely: a check word that any answer repeated shows that the server passes
   that part on at this length; an item that lacks a word nobody repeated is `canary_missing`.

Not aware of engines, or of what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from steelyard.domain.reading import Missing
from steelyard.domain.stream import Attempt
from steelyard.domain.task import Mark, NotRun
from steelyard.tasks.long_text import CHECK_WORDS, POSITIONS

CUT: Final = "prompt_cut"
MISSING: Final = "canary_missing"
REASONS: Final = frozenset({CUT, MISSING})
# A count that is learned from usage is off by a percent or two; one by its tokenizer is not.
_CUT_SHARE: Final = 0.05
_WHOLE_SHARE: Final = 0.01
_SLACK: Final = 8
_ENOUGH: Final = 8
_OFTEN: Final = 0.5

Count: TypeAlias = Literal["whole", "cut", "unknown"]


def settled(attempts: Iterable[Attempt], marks: Mapping[str, Mark]) -> dict[str, Mark]:
    """Return the marks of one task, those of questions that did not come whole as not run.

    Items that were asked at no length stay as they are.
    """
    last: dict[str, Attempt] = {}
    for attempt in sorted(attempts, key=lambda a: (a.sample, a.ask, a.tries)):
        if attempt.prompt_tokens_wanted is not None and attempt.outcome.kind == "completed":
            last[attempt.sample] = attempt
    long = {
        item: (counted(last[item]), seen(mark))
        for item, mark in marks.items()
        if item in last and not isinstance(mark.outcome, NotRun)
    }
    arrived = {item: words for item, (count, words) in long.items() if count != "cut"}
    silent, proved = _silent(arrived), frozenset().union(*arrived.values())
    found = dict(marks)
    for item, (count, words) in long.items():
        missing = set(POSITIONS) - words
        if count == "cut":
            found[item] = _not_run(marks[item], CUT)
        elif missing & silent or (count == "unknown" and missing - proved):
            found[item] = _not_run(marks[item], MISSING)
    return found


def counted(attempt: Attempt) -> Count:
    """Say what the engine's own count of a prompt tells: an answer from a cache counts too."""
    wanted = attempt.prompt_tokens_wanted
    if wanted is None or isinstance(attempt.usage, Missing):
        return "unknown"
    came = attempt.usage.value.prompt_tokens
    if came >= wanted * (1 - _WHOLE_SHARE) - _SLACK:
        return "whole"
    return "cut" if came < wanted * (1 - _CUT_SHARE) - _SLACK else "unknown"


def seen(mark: Mark) -> frozenset[str]:
    """Return the positions whose check words came back, in the answer or in thought."""
    said = mark.extracted.get(CHECK_WORDS) or ""
    return frozenset(part for part in said.split(", ") if part)


def _silent(answers: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the one position that no answer has, where each other one came back often."""
    if len(answers) < _ENOUGH:
        return frozenset()
    times = {p: sum(p in words for words in answers.values()) for p in POSITIONS}
    never = [p for p in POSITIONS if not times[p]]
    others = [count for p, count in times.items() if p not in never]
    if len(never) == 1 and all(count >= _OFTEN * len(answers) for count in others):
        return frozenset(never)
    return frozenset()


def _not_run(mark: Mark, why: str) -> Mark:
    return Mark(NotRun(why), mark.extracted)
