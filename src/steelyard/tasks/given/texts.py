"""Scorers of running text: equal, equal but for form, a few edits away, holding or matching a text.

A text that was cut off at the limit is wrong about nothing but a finished `Answer:` line: it is
right if it is right already where the whole is compared, and `truncated` otherwise. Not aware of
files or rows.
Edit distance: Hyyrö (2003), "A bit-vector algorithm for computing Levenshtein and Damerau edit
distances", one big integer for a column.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.domain.task import Answer, Mark, NotRun
from steelyard.platform import matching
from steelyard.tasks.scoring import (
    final_line,
    finished_part,
    is_cut,
    mark_of,
    refuses,
    states,
    without_thought,
)

TOO_SLOW: Final = "pattern_too_slow"
_QUOTES: Final = re.escape("\"'`*_()[]{}<>«»„“”‘’‚‹›¡¿")
_EDGE: Final = re.compile(rf"(?<![^\W_])[{_QUOTES}]+|[{_QUOTES}.,;:!?…。]+(?!\w)")
_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\s+(?=\S)")


def plain(text: str) -> str:
    """Return a text without what is only form: case, English articles, punctuation at edges."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = _ARTICLE.sub("", _EDGE.sub(" ", folded))
    return " ".join(bare.split())


def distance(left: str, right: str) -> int:
    """Return how many insertions, deletions and replacements lie between two texts."""
    if not left or not right:
        return max(len(left), len(right))
    left, right = sorted((left, right), key=len)  # the shorter one is the wide integer
    peq: dict[str, int] = {}
    for place, letter in enumerate(left):
        peq[letter] = peq.get(letter, 0) | 1 << place
    full, last = (1 << len(left)) - 1, 1 << (len(left) - 1)
    up, down, found = full, 0, len(left)
    for letter in right:
        same = peq.get(letter, 0)
        flat = (((same & up) + up) ^ up) | same | down
        more, less = down | ~(flat | up) & full, up & flat
        found += bool(more & last) - bool(less & last)
        more, less = (more << 1 | 1) & full, less << 1 & full
        up, down = less | ~(flat | more) & full, more & flat
    return found


def text_mark(answer: Answer, right: Callable[[str], bool], *, cut_may_be_right: bool) -> Mark:
    """Mark the whole of what was said; what is cut off or declines has no reading."""
    text, cut = without_thought(answer), is_cut(answer)
    found = bool(text) and (cut_may_be_right or not cut) and right(text)
    unread = not text or (not found and (cut or refuses(text)))
    readable = None if unread else text
    return mark_of(answer, readable, readable, {}, right=found)


@final
@dataclass(frozen=True, slots=True)
class ExactScorer:
    """The very text, white space at its ends aside."""

    accepted: tuple[str, ...]

    def mark(self, answer: Answer) -> Mark:
        """Right if it is one of those accepted."""
        wanted = {text.strip() for text in self.accepted}
        return text_mark(answer, wanted.__contains__, cut_may_be_right=True)


@final
@dataclass(frozen=True, slots=True)
class NormalisedScorer:
    """The same words: case, English articles and punctuation at the edges of words aside.

    Where a line begins with `Answer:`, what follows it is the answer.
    """

    accepted: tuple[str, ...]

    def mark(self, answer: Answer) -> Mark:
        """Right if what was said, or its `Answer:` line, is one of those accepted."""
        wanted = {plain(text) for text in self.accepted}
        said = without_thought(answer)
        text = finished_part(answer) if is_cut(answer) else said
        last = final_line(text)
        whole = plain(said) in wanted
        if last is None or whole:
            return text_mark(answer, lambda text: plain(text) in wanted, cut_may_be_right=True)
        right = plain(last) in wanted
        return mark_of(answer, None, last, {}, right=right, stated=states(text))


@final
@dataclass(frozen=True, slots=True)
class ContainsScorer:
    """Texts that the answer must hold: all of them, or any."""

    wanted: tuple[str, ...]
    every: bool = False
    ignore_case: bool = True

    def mark(self, answer: Answer) -> Mark:
        """Look for the texts; an answer that was cut off is not read."""

        def folded(text: str) -> str:
            return " ".join((text.casefold() if self.ignore_case else text).split())

        def right(text: str) -> bool:
            held = (folded(one) in folded(text) for one in self.wanted)
            return all(held) if self.every else any(held)

        return text_mark(answer, right, cut_may_be_right=False)


@final
@dataclass(frozen=True, slots=True)
class PatternScorer:
    """A regular expression that the answer must match: somewhere in it, or as a whole.

    Where the match takes longer than the limit, in seconds of processor time, nothing is known of
    the answer.
    """

    pattern: str
    whole: bool = False
    ignore_case: bool = False
    limit_s: float = matching.CPU_S

    def mark(self, answer: Answer) -> Mark:
        """Match; what was matched is the reading."""
        flags = re.IGNORECASE if self.ignore_case else 0
        text = without_thought(answer)
        if not text or is_cut(answer):  # no match would count
            return text_mark(answer, lambda _: False, cut_may_be_right=False)
        try:
            found = matching.find(
                self.pattern, text, flags=flags, whole=self.whole, cpu_s=self.limit_s
            )
        except matching.TooSlowError:
            return Mark(NotRun(TOO_SLOW))
        mark = text_mark(answer, lambda _: found is not None, cut_may_be_right=False)
        if found is None or mark.extracted["flexible"] is None:
            return mark
        return replace(mark, extracted={"strict": found, "flexible": found})


@final
@dataclass(frozen=True, slots=True)
class EditScorer:
    """At most so many edits away, as a share of the longer text's length."""

    accepted: tuple[str, ...]
    most: float = 0.1

    def mark(self, answer: Answer) -> Mark:
        """Compare with the nearest of those accepted; the share of edits is kept."""
        said = without_thought(answer)
        share = min(self._share(said, one.strip()) for one in self.accepted)
        mark = text_mark(answer, lambda _: share <= self.most, cut_may_be_right=True)
        return replace(mark, extracted={**mark.extracted, "edits": f"{share:.4f}"})

    @staticmethod
    def _share(said: str, wanted: str) -> float:
        longest = max(len(said), len(wanted))
        return distance(said, wanted) / longest if longest else 0.0


@final
@dataclass(frozen=True, slots=True)
class Unscored:
    """No answer is known: what is said is kept, and nothing is claimed of it."""

    why: str = "no_known_answer"

    def mark(self, answer: Answer) -> Mark:
        """Return no mark, with the reason."""
        del answer
        return Mark(NotRun(self.why))
