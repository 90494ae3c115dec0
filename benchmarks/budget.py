"""How well `eval --suite quality --budget T` keeps its time on a server of a known pace.

`python benchmarks/budget.py [--budgets 20,60,180] [--pace 0.5]` serves the scripted engine: half of
`--pace` to the first token, a hundredth of it for each further one, give or take a fifth. Families
differ in how much they let a model say, so their answers take from 0.7 to several times the pace.
It asks the whole suite within each budget and prints a Markdown table. `over` is what all of it
took beyond the budget, as a share of that.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelyard.app.benches.request import BenchRequest
from steelyard.app.evals.request import EvalRequest, evaluate
from steelyard.domain.errors import SteelyardError
from steelyard.scripted import plan as scripts
from steelyard.scripted.plan import Plan


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--budgets", default="20,60,180", help="Seconds.")
    flags.add_argument("--pace", type=float, default=0.5, help="Seconds.")
    flags.add_argument("--streams", type=int, default=2)
    options = flags.parse_args()
    print("| pace, s | budget, s | items asked | took, s | over |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, server(Path(name), options.pace) as url:
        os.environ["STEELYARD_HOME"] = str(Path(name) / "home")
        for budget in map(float, options.budgets.split(",")):
            out = Path(name) / f"{budget:g}"
            request = EvalRequest(
                BenchRequest.of({"subject": url}), (), None, None, options.streams, None, out,
                suite="quality", budget=budget,
            )  # fmt: skip
            began = time.monotonic()
            try:
                said = evaluate(request, lambda _: None).found.stopped.partition(" items")[0]
            except SteelyardError as error:
                said = str(error)
            took = time.monotonic() - began
            over = took / budget - 1
            print(
                f"| {options.pace:g} | {budget:g} | {said} | {took:.1f} | {over:+.1%} |", flush=True
            )


@contextmanager
def server(folder: Path, pace_s: float) -> Iterator[str]:
    """Serve answers that are none, each in its planted time."""
    plan = scripts.write(
        Plan(ttft_s=pace_s / 2, gap_s=pace_s / 100, jitter=0.2), folder / "plan.json"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "steelyard.scripted", "--port", str(port), "--parallel", "2"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*words, "--plan", str(plan)], stdout=quiet, stderr=quiet) as child:
        try:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.kill()


if __name__ == "__main__":
    main()
