"""A machine with made-up GPUs: programs on PATH that answer as a driver and a llama-server do.

`llama-server` lists the cards and serves by the scripted engine, whose plan says how speed follows
the layers and the GPUs; what it was started with is kept in a file, one line a start. While it is
up, `nvidia-smi` shows so many MiB in use for each of its layers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.app.doors import Said, steelyard
from tests.llamalib import tiny

from steelyard.runs.places import SCRIPT
from steelyard.scripted import plan as plans
from steelyard.scripted.plan import Plan

MIB_A_LAYER = 100
_SMI = """\
import pathlib, sys
if "memory.used" in sys.argv[1]:
    state = pathlib.Path({state!r})
    print(500 + {mib} * int(state.read_text() if state.exists() else 0))
else:
    for number in range({cards}):
        print(f"{{number}}, NVIDIA H200, 143771 MiB, 9.0, 570.86")
"""
_SERVER = """\
import os, pathlib, signal, sys
words = sys.argv[1:]
if "--list-devices" in words:
    print("Available devices:")
    for number in range({cards}):
        print(f"  CUDA{{number}}: NVIDIA H200 (143771 MiB, 143000 MiB free)")
    sys.exit(0)
if "--version" in words:
    print("version: 1 (made up)")
    sys.exit(0)
model = words[words.index("--model") + 1]
if model.endswith("steelyard/bundled/base.gguf"):  # its arithmetic is asked for: a CPU's will do
    for name in ("--device", "--tensor-split", "--split-mode"):
        if name in words:
            at = words.index(name)
            del words[at : at + 2]
    words[words.index("--n-gpu-layers") + 1] = "0"
    os.execv(sys.executable, [sys.executable, "-m", "steelyard.llamalib.server", *words])
with open({log!r}, "a") as log:
    log.write(" ".join(words) + "\\n")
from steelyard.scripted import __main__ as scripted
known = {{flag for action in scripted.parser()._actions for flag in action.option_strings}}
taken, given = [], iter(words)
for word in given:
    value = next(given) if word not in ("--metrics", "--no-kv-unified") else None
    if word in known:
        taken += [word, value]
    if word == "--tensor-split":
        taken += ["--gpus", str(len(value.split(",")))]
layers = dict(zip(taken[::2], taken[1::2]))["--n-gpu-layers"]
pathlib.Path({state!r}).write_text(layers)
def end(*_):
    pathlib.Path({state!r}).unlink(missing_ok=True)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
sys.exit(scripted.main([*taken, "--plan", {plan!r}]))
"""


@dataclass(frozen=True)
class Machine:
    """A model, a user's home, and programs that are found first."""

    folder: Path
    model: Path

    @property
    def starts(self) -> list[str]:
        """Return what llama-server was started with, in order."""
        log = self.folder / "starts"
        return log.read_text().splitlines() if log.exists() else []

    def run(self, *words: str | Path) -> Said:
        """Run `steelyard WORDS` as a user of this machine does."""
        return steelyard(self.folder, *words, path=f"{self.folder / 'bin'}:/usr/bin:/bin")


def machine(folder: Path, plan: Plan, *, cards: int = 0, layers: int = 8) -> Machine:
    """Lay it out; without cards there is neither a driver nor a llama-server."""
    model = tiny.write(folder / "m.gguf", tiny.Shape(context=4096, layers=layers))
    script = plans.write(plan, folder / SCRIPT)
    (folder / "bin").mkdir()
    state, log = str(folder / "layers"), str(folder / "starts")
    programs = {
        "nvidia-smi": _SMI.format(state=state, mib=MIB_A_LAYER, cards=cards),
        "llama-server": _SERVER.format(state=state, log=log, cards=cards, plan=str(script)),
    }
    for name, words in programs.items() if cards else ():
        program = folder / "bin" / name
        program.write_text(f"#!{sys.executable}\n{words}")
        program.chmod(0o755)
    return Machine(folder, model)
