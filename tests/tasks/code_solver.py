"""A second solver of the family `code`: it reads the prompt's sentences and computes.

It shares no code with the generator and works otherwise than the known solutions do, with other
library functions, sets and recursion. A disagreement is a bug in one of the two.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable
from itertools import accumulate, groupby, pairwise
from typing import Any

Graph = dict[str, list[str]]
_POINTS: list[tuple[str, Callable[..., Any]]] = []


def _says(pattern: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(how: Callable[..., Any]) -> Callable[..., Any]:
        _POINTS.append((pattern, how))
        return how

    return keep


def steps(prompt: str) -> list[str]:
    """Return the numbered sentences of a prompt."""
    return re.findall(r"^    \d+\. (.+)$", prompt, re.MULTILINE)


def solver(prompt: str) -> Callable[..., Any]:
    """Return a function that does what the prompt asks."""
    todo = []
    for sentence in steps(prompt):
        found = [(m, how) for says, how in _POINTS if (m := re.fullmatch(says, sentence))]
        assert len(found) == 1, (sentence, len(found))
        todo.append(found[0])

    def solve(value: Any, start: str = "") -> Any:
        for match, how in todo:
            groups = [int(g) if re.fullmatch(r"-?\d+", g) else g for g in match.groups()]
            value = how(value, *groups, start) if how in _STARTED else how(value, *groups)
        return value

    return solve


# ── text ────────────────────────────────────────────────────────────────────────────────────
_says(r"Reverse the text\.")(lambda t: "".join(reversed(t)))
_says(r"Remove every vowel \(a, e, i, o, u, small or capital\)\.")(
    lambda t: re.sub(r"(?i)[aeiou]", "", t)
)
_says(r"Keep only the letters\.")(lambda t: re.sub(r"[^A-Za-z]", "", t))
_says(r"Make capital letters small and small letters capital\.")(
    lambda t: "".join(c.lower() if c.isupper() else c.upper() for c in t)
)
_says(
    r"Move the first (\d) (?:characters|numbers) to the end; a (?:text|list) of at most \d"
    r" (?:characters|numbers) stays as it is\."
)(lambda t, k: t if len(t) <= k else t[k:] + t[:k])
_says(r"Keep the (?:characters|words) at positions 0, (\d), twice \d and so on, counted from 0\.")(
    lambda t, k: _joined(t, [c for i, c in enumerate(t) if i % k == 0])
)
_says(r"Write every character (\d) times in a row\.")(
    lambda t, k: re.sub(r"(?s)(.)", lambda m: m[1] * k, t)
)
_says(r"Replace each run of the same character by a single one\.")(
    lambda t: "".join(c for c, _ in groupby(t))
)
_says(r"Replace every digit by 9 minus that digit\.")(
    lambda t: t.translate(str.maketrans("0123456789", "9876543210"))
)
_says(r"Put the number of its characters and a colon in front of the text\.")(
    lambda t: f"{len(t)}:{t}"
)
_says(r'Replace every space by "(.)"\.')(lambda t, k: str(k).join(t.split(" ")))
_says(r"Split the text at spaces into words; there are no empty words\.")(
    lambda t: re.findall(r"[^ ]+", t)
)
_says(r"Cut the text into pieces of (\d) characters; the last may be shorter\.")(
    lambda t, k: re.findall(rf"(?s).{{1,{k}}}", t)
)
_says(r"Count how often each character occurs, leaving spaces out\.")(
    lambda t: dict(Counter(t.replace(" ", "")))
)
_says(r"Count the different characters\.")(lambda t: len(Counter(t)))
_says(r"Find the length of the longest run of one character; 0 for an empty text\.")(
    lambda t: max([len(list(run)) for _, run in groupby(t)] or [0])
)


def _joined(like: Any, parts: list[Any]) -> Any:
    return "".join(parts) if isinstance(like, str) else parts


# ── words ───────────────────────────────────────────────────────────────────────────────────
_says(r"Drop every word shorter than (\d) characters\.")(
    lambda ws, k: list(filter(lambda w: len(w) > k - 1, ws))
)
_says(r"Put the (?:words|numbers) into the opposite order\.")(lambda ws: list(reversed(ws)))
_says(r"Reverse every word\.")(lambda ws: ["".join(reversed(w)) for w in ws])
_says(r"Sort the words by length, shortest first, and words of the same length by code points\.")(
    lambda ws: sorted(sorted(ws), key=len)
)
_says(r"Keep only the first of (?:words|numbers) that are the same\.")(
    lambda ws: list(dict.fromkeys(ws))
)
_says(r"Move the first character of every word to that word's end\.")(
    lambda ws: [re.sub(r"(?s)^(.)(.*)$", r"\2\1", w) for w in ws]
)
_says(r"Drop every word in which some character occurs more than once\.")(
    lambda ws: [w for w in ws if max(Counter(w).values(), default=0) < 2]
)
_says(r"Make all letters of the words at odd positions capital; positions count from 0\.")(
    lambda ws: [w if i % 2 == 0 else w.upper() for i, w in enumerate(ws)]
)
_says(
    r"Join each word with the next one, so that there is one word less; an empty list stays empty\."
)(lambda ws: ["".join(pair) for pair in pairwise(ws)])
_says(r'Join the words with "(.+)" between them\.')(
    lambda ws, k: "".join(w if i == 0 else f"{k}{w}" for i, w in enumerate(ws))
)
_says(
    r"Take the first (\d) characters of each word, or all of a shorter one, and join them with"
    r" nothing between\."
)(lambda ws, k: "".join(c for w in ws for i, c in enumerate(w) if i < k))
_says(r"Count how often each word occurs\.")(lambda ws: dict(Counter(ws)))
_says(r"Map each word to the position at which it occurs last, counted from 0\.")(
    lambda ws: {w: len(ws) - 1 - ws[::-1].index(w) for w in set(ws)}
)
_says(r"Replace each word by its length\.")(lambda ws: list(map(len, ws)))
_says(r"Find the length of the longest word; 0 if there is none\.")(
    lambda ws: max([0, *map(len, ws)])
)
_says(r"Count the words that are longer than the word before them\.")(
    lambda ws: len([1 for a, b in pairwise(map(len, ws)) if a < b])
)
# ── numbers ─────────────────────────────────────────────────────────────────────────────────
_says(r"Keep only multiples of (\d)\.")(lambda ns, k: [n for n in ns if n == k * (n // k)])
_says(r"Drop every number below (-?\d+)\.")(lambda ns, k: [n for n in ns if not n < k])
_says(
    r"Replace every number by what is left over when it is divided by (\d), which is never"
    r" negative\."
)(lambda ns, k: [n - k * (n // k) for n in ns])
_says(r"Replace each number by the sum of all numbers up to it, itself included\.")(
    lambda ns: list(accumulate(ns))
)
_says(
    r"Replace the list by the differences of neighbours, each number minus the one before it; one"
    r" number alone leaves an empty list\."
)(lambda ns: [b - a for a, b in pairwise(ns)])
_says(r"Sort the numbers, largest first\.")(lambda ns: sorted(ns)[::-1])
_says(r"Multiply each number by its position, counted from 1\.")(
    lambda ns: [n * (i + 1) for i, n in enumerate(ns)]
)
_says(r"Add (-?\d+) to every number\.")(lambda ns, k: [n + k for n in ns])
_says(r"Replace every number above (\d+) by \d+\.")(lambda ns, k: [min(n, k) for n in ns])
_says(r"Add all numbers up\.")(lambda ns: [*accumulate([0, *ns])][-1])
_says(r"Subtract the smallest number from the largest; 0 for an empty list\.")(
    lambda ns: -min(-n for n in ns) - min(ns) if ns else 0
)
_says(r"Count the numbers that are larger than the number before them\.")(
    lambda ns: len([1 for a, b in pairwise(ns) if a < b])
)
_says(
    r"Find the length of the longest stretch of neighbours in which each number is larger than the"
    r" one before it; 0 for an empty list\."
)(
    lambda ns: max(
        (
            j - i
            for i in range(len(ns))
            for j in range(i + 1, len(ns) + 1)
            if all(a < b for a, b in pairwise(ns[i:j]))
        ),
        default=0,
    )
)
_says(r"Map each number, written as text, to how often it occurs\.")(
    lambda ns: dict(Counter(map(str, ns)))
)
_says(r"Write each number as text\.")(lambda ns: [f"{n}" for n in ns])
# ── tables ──────────────────────────────────────────────────────────────────────────────────
_says(r"Keep only entries with a value of at least (\d)\.")(
    lambda d, k: {n: d[n] for n in d if not d[n] < k}
)
_says(r"Add (-?\d) to every value\.")(lambda d, k: {n: d[n] + k for n in d})
_says(r"Drop every entry whose name has more than (\d) characters\.")(
    lambda d, k: {n: d[n] for n in d if not len(n) > k}
)
_says(r"Replace each value by the number of entries with a larger value\.")(
    lambda d: {n: sorted(d.values(), reverse=True).index(d[n]) for n in d}
)
_says(r"Subtract the smallest value from every value\.")(
    lambda d: {n: d[n] + max(-v for v in d.values()) for n in d}
)
_says(
    r"Merge entries whose names begin with the same character into one that is named by this"
    r" character; its value is the sum of theirs\."
)(lambda d: {c: sum(v for n, v in d.items() if n.startswith(c)) for c in {n[0] for n in d}})
_says(r"Multiply each value by the number of characters of its name\.")(
    lambda d: {n: sum(d[n] for _ in n) for n in d}
)
_says(
    r"Replace each value by what is left over when it is divided by (\d), which is never negative\."
)(lambda d, k: {n: v - k * (v // k) for n, v in d.items()})
_says(r"List the names by value, largest first, and names of the same value by code points\.")(
    lambda d: [n for v in sorted(set(d.values()))[::-1] for n in sorted(m for m in d if d[m] == v)]
)
_says(r"List the names by code points\.")(lambda d: sorted(d.keys()))
_says(r"List by code points the names whose value is the largest that occurs\.")(
    lambda d: sorted(n for n in d if not any(v > d[n] for v in d.values()))
)
_says(r"List the values in the order of their names by code points\.")(
    lambda d: [v for _, v in sorted(d.items())]
)
_says(r"Add all values up\.")(lambda d: sum(d[n] for n in d))
_says(r"Count the different values\.")(lambda d: len(Counter(d.values())))


# ── graphs ──────────────────────────────────────────────────────────────────────────────────
def _far(graph: Graph, start: str) -> dict[str, int]:
    found, waiting = {start: 0}, deque([start])
    while waiting:
        node = waiting.popleft()
        for following in graph[node]:
            if following not in found:
                found[following] = found[node] + 1
                waiting.append(following)
    return found


_says(r"Turn every arrow round\.")(
    lambda g: {n: [m for m in sorted(g) for o in g[m] if o == n] for n in g}
)
_says(
    r"Drop every arrow that leads to a node whose name comes before, by code points, the name of"
    r" the node that the arrow leaves\."
)(lambda g: {n: [m for m in g[n] if not m < n] for n in g})
_says(r"For every arrow add the arrow that leads back, unless it is there\.")(
    lambda g: {n: g[n] + [m for m in g if n in g[m] and m not in g[n]] for n in g}
)
_says(r"Drop all arrows that leave nodes which more than (\d) arrows leave\.")(
    lambda g, k: {n: [] if len(g[n]) > k else g[n] for n in g}
)
_says(r"Map every node to the number of nodes that can be reached from it, itself included\.")(
    lambda g: {n: len(_far(g, n)) for n in g}
)
_says(r"Map every node to the number of arrows that lead to it\.")(
    lambda g: {n: [m for arrows in g.values() for m in arrows].count(n) for n in g}
)
_says(r"Map every node to the number of arrows that leave it\.")(
    lambda g: {n: sum(1 for _ in g[n]) for n in g}
)
_says(r"List by code points the nodes that lie on a way that leads back to them\.")(
    lambda g: sorted(n for n in g if any(n in _far(g, m) for m in g[n]))
)
_STARTED = [
    _says(r"Drop all arrows that lead to start\.")(
        lambda g, start: {n: [m for m in g[n] if m != start] for n in g}
    ),
    _says(
        r"List by code points the nodes that can be reached from start in at most (\d) steps, start"
        r" included\."
    )(lambda g, k, start: sorted(n for n, far in _far(g, start).items() if not far > k)),
    _says(
        r"List by code points the nodes to which the shortest way from start has exactly (\d)"
        r" steps\."
    )(lambda g, k, start: sorted(n for n, far in _far(g, start).items() if far == k)),
    _says(r"List by code points the nodes that cannot be reached from start; start itself can\.")(
        lambda g, start: sorted(set(g) - set(_far(g, start)))
    ),
    _says(r"List by code points the nodes from which start can be reached, start included\.")(
        lambda g, start: sorted(n for n in g if start in _far(g, n))
    ),
    _says(
        r"Map every node that can be reached from start to the number of steps of the shortest way"
        r" to it; 0 for start\."
    )(_far),
]
