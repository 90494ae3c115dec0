"""BM25: passages ranked by the words that they share with a question.

A rare word counts for more, a second mention for less than the first, a long passage for less than
a short one. Words are runs of letters and digits in lower case; nothing is stemmed or left out.
Formula: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009),
with k1 = 1.2 and b = 0.75, and the weight ln(1 + (N - n + 0.5) / (n + 0.5)) that is never negative.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, final

K1: Final = 1.2
B: Final = 0.75
_WORD: Final = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """Return the words that are looked for."""
    return _WORD.findall(text.lower())


@final
class Bm25:
    """An index over some texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(words(text)) for text in texts]
        lengths = [sum(one.values()) for one in counts]
        mean = sum(lengths) / len(lengths) if any(lengths) else 1.0
        self._size = len(texts)
        self._weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for at, (one, length) in enumerate(zip(counts, lengths, strict=True)):
            damping = K1 * (1 - B + B * length / mean)
            for word, count in one.items():
                self._weights[word].append((at, count * (K1 + 1) / (count + damping)))

    def ranked(self, question: str) -> list[int]:
        """Return the places of texts that share a word with it, best first, ties by place."""
        scores = self.scores(question)
        return sorted(scores, key=lambda at: (-scores[at], at))

    def scores(self, question: str) -> dict[int, float]:
        """Return the worth of each text that shares a word with it, by its place."""
        scores: dict[int, float] = defaultdict(float)
        for word in words(question):
            listed = self._weights.get(word, ())
            rarity = math.log1p((self._size - len(listed) + 0.5) / (len(listed) + 0.5))
            for at, weight in listed:
                scores[at] += rarity * weight
        return scores
