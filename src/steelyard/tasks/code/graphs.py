"""Steps of functions on graphs: `value` maps each node to the nodes that its arrows lead to.

Walks go as many rounds as there are nodes, which is enough and always ends. `start` is the second
argument of such a function. Not aware of prompts.
"""

from __future__ import annotations

from typing import Final

from steelyard.tasks.code.steps import Step

_FAR: Final = """\
far = {start: 0}
for far_now in range(len(value)):
    for n in sorted(far):
        if far[n] == far_now:
            for m in value[n]:
                if m not in far:
                    far[m] = far_now + 1
"""
_SEEN: Final = """\
seen = {n: {n} for n in value}
for _ in value:
    for n in value:
        for m in value[n]:
            seen[n] = seen[n] | seen[m]
"""

GRAPHS: Final = (
    Step("graph", "graph", "Turn every arrow round.",
         "turned = {n: [] for n in value}\nfor n in sorted(value):\n    for m in value[n]:\n"
         "        turned[m].append(n)\nvalue = turned"),
    Step("graph", "graph", "Drop every arrow that leads to a node whose name comes before, by code"
         " points, the name of the node that the arrow leaves.",
         "value = {n: [m for m in value[n] if m >= n] for n in value}"),
    Step("graph", "graph", "For every arrow add the arrow that leads back, unless it is there.",
         "both = {n: list(value[n]) for n in value}\nfor n in value:\n    for m in value[n]:\n"
         "        if n not in both[m]:\n            both[m].append(n)\nvalue = both"),
    Step("graph", "graph", "Drop all arrows that leave nodes which more than {k} arrows leave.",
         "value = {n: value[n] if len(value[n]) <= {k} else [] for n in value}", (1, 2, 3)),
    Step("graph", "graph", "Drop all arrows that lead to start.",
         "value = {n: [m for m in value[n] if m != start] for n in value}"),
    Step("graph", "words", "List by code points the nodes that can be reached from start in at most"
         " {k} steps, start included.",
         _FAR + "value = sorted(n for n in far if far[n] <= {k})", (1, 2, 3)),
    Step("graph", "words", "List by code points the nodes to which the shortest way from start has"
         " exactly {k} steps.",
         _FAR + "value = sorted(n for n in far if far[n] == {k})", (1, 2, 3)),
    Step("graph", "words", "List by code points the nodes that cannot be reached from start; start"
         " itself can.",
         _FAR + "value = sorted(n for n in value if n not in far)"),
    Step("graph", "words", "List by code points the nodes from which start can be reached, start"
         " included.",
         _SEEN + "value = sorted(n for n in value if start in seen[n])"),
    Step("graph", "words", "List by code points the nodes that lie on a way that leads back to"
         " them.",
         _SEEN + "value = sorted(n for n in value if any(n in seen[m] for m in value[n]))"),
    Step("graph", "table", "Map every node that can be reached from start to the number of steps of"
         " the shortest way to it; 0 for start.",
         _FAR + "value = far"),
    Step("graph", "table", "Map every node to the number of nodes that can be reached from it,"
         " itself included.",
         _SEEN + "value = {n: len(seen[n]) for n in value}"),
    Step("graph", "table", "Map every node to the number of arrows that lead to it.",
         "value = {n: sum(value[m].count(n) for m in value) for n in value}"),
    Step("graph", "table", "Map every node to the number of arrows that leave it.",
         "value = {n: len(value[n]) for n in value}"),
)  # fmt: skip
