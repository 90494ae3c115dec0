"""How well `eval --budget T` keeps its time, as a user sees it: the command from start to end.

`python benchmarks/budget.py [--budgets 20,60,120] [--runs 3] [--busy 0,4] [--subjects both]` asks a
scripted server (half of `--pace` to the first token, a hundredth of it for each further one, give
or take a fifth; families differ in how much they let a model say, so their answers take from 0.7 to
several times the pace) and the bundled model, beside so many programs that keep a core busy each.
It prints a Markdown table with a line a run. `over` is what the command took beyond the budget, as
a share of that; `broken off` are the items of the part that the end of the time left out.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from steelyard.scripted import plan as scripts
from steelyard.scripted.plan import Plan

_ASKED = re.compile(r"STOPPED EARLY: ([\d,]+) of")
_CUT = re.compile(r"\. ([\d,]+) more were broken off")
_SPIN = "while True: pass"


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--budgets", default="20,60,120", help="Seconds.")
    flags.add_argument("--busy", default="0,4", help="Busy programs beside it.")
    flags.add_argument("--runs", type=int, default=3)
    flags.add_argument("--pace", type=float, default=0.5, help="Seconds.")
    flags.add_argument("--subjects", choices=["both", "scripted", "bundled"], default="both")
    flags.add_argument("--words", default="--items 1000", help="What else is typed.")
    options = flags.parse_args()
    print("| asked of | busy | load | budget, s | items asked | broken off | took, s | over |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, server(Path(name), options.pace) as url:
        subjects = {"scripted": url, "bundled": "bundled"}
        os.environ["STEELYARD_HOME"] = str(Path(name) / "home")
        warm_up = ["eval", "bundled", "--items", "1", "--out", f"{name}/first"]
        subprocess.run(command(warm_up), capture_output=True, check=False)  # its proof is kept
        for busy in map(int, options.busy.split(",")):
            for told, subject in subjects.items():
                if options.subjects not in ("both", told):
                    continue
                for budget in map(float, options.budgets.split(",")):
                    for _ in range(options.runs):
                        words = [subject, "--budget", f"{budget:g}s", *options.words.split()]
                        out = tempfile.mkdtemp(dir=name)
                        with spinning(busy):
                            row = timed(["eval", *words, "--out", out], budget)
                        print(f"| {told} | {busy} | {row} |", flush=True)


def timed(words: list[str], budget: float) -> str:
    """Run one command; return the rest of its row."""
    load = os.getloadavg()[0]
    began = time.monotonic()
    done = subprocess.run(command(words), capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    asked, cut = _ASKED.search(done.stdout), _CUT.search(done.stdout)
    said = asked[1] if asked else "none" if done.returncode else "all"
    broken = cut[1] if cut else "—"
    return f"{load:.0f} | {budget:g} | {said} | {broken} | {took:.1f} | {took / budget - 1:+.1%}"


def command(words: list[str]) -> list[str]:
    """Return the command line of a user's words."""
    return [sys.executable, "-m", "steelyard.cli.main", *words]


@contextmanager
def spinning(count: int) -> Iterator[None]:
    """Keep so many programs busy meanwhile."""
    with ExitStack() as stack:
        for _ in range(count):
            child = stack.enter_context(subprocess.Popen([sys.executable, "-c", _SPIN]))
            stack.callback(child.kill)
        yield


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
