"""What the sandbox costs: a program run in it, beside the same Python started plainly.

Turns alternate, so that a busy machine meets both alike. The third column is an answer of the
family `code` put to all of its hidden tests, in one run. Ends with 1 where the goal is missed.

    python benchmarks/sandbox.py [TURNS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from steelyard.domain.task import Answer, Mark, Right, Task, Trial
from steelyard.platform import containment
from steelyard.tasks.registry import questions

GOAL_MS = 100.0
TURNS = 60


def ms(work: Callable[[], object]) -> float:
    """Return how long something took, in milliseconds."""
    began = time.monotonic_ns()
    work()
    return (time.monotonic_ns() - began) / 1e6


def told(name: str, found: list[float]) -> str:
    """Return median, and the fifth and ninety-fifth hundredth."""
    cuts = statistics.quantiles(found, n=20)
    return f"{name:<44} {statistics.median(found):7.1f} ms   [{cuts[0]:.1f}, {cuts[-1]:.1f}]"


def main(turns: int) -> int:
    """Measure and print."""
    began = time.monotonic_ns()
    sandbox = containment.sandbox()
    proof_ms = (time.monotonic_ns() - began) / 1e6
    item = questions(Task("code", items=1))[0]
    plain = [os.path.realpath(sys.executable), "-I", "-S", "-B", "-c", "pass"]

    def tried() -> None:
        step = item.on(Answer(f"```python\n{item.answer}```", "stop"))
        assert isinstance(step, Trial)
        mark = step.mark()
        assert isinstance(mark, Mark)
        assert mark.outcome == Right(), mark

    tried()  # its hidden tests are made once
    started, contained, whole = [], [], []
    for _ in range(turns):
        started.append(ms(lambda: subprocess.run(plain, check=True)))
        contained.append(ms(lambda: sandbox.run("pass")))
        whole.append(ms(tried))
    extra = [inside - bare for inside, bare in zip(contained, started, strict=True)]
    load = os.getloadavg()[0]
    print(f"{turns} turns, {os.cpu_count()} cores, load {load:.1f}; median [5 %, 95 %]")
    print(told("Python alone", started))
    print(told("an empty program in the sandbox", contained))
    print(told("more than Python alone", extra))
    print(told("an answer with all of its hidden tests", whole))
    print(f"{'the proof before the first use, once':<44} {proof_ms:7.1f} ms")
    missed = statistics.median(extra) > GOAL_MS
    print(f"goal: at most {GOAL_MS:.0f} ms more than Python alone: {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else TURNS))
