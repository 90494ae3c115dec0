"""`steelyard sweep`: a model in, a decision out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from steelyard.cli import questions
from steelyard.cli.progress import Screen, width
from steelyard.cli.shown import echo
from steelyard.cli.values import CORES, DURATION, NAMES, SIZE, Finite


@click.command()
@click.argument("subject", default="bundled")
@click.option("--engine", help="Of files: llamacpp, mlx, transformers; of a server: what it is.")
@click.option("--models", type=NAMES, help="Of a server: those to compare, the reference first.")
@click.option("--reference", help="Of a server: the model that the others are compared with.")
@click.option("--against", multiple=True, help="Another server of the same engine, with its own.")
@click.option(
    "--quants", type=NAMES, help="The ladder to make, e.g. Q8_0,Q6_K,Q4_K_M. [default: five steps]"
)
@click.option(
    "--suite",
    type=click.Choice(["quick", "full"]),
    default="quick",
    show_default=True,
    help="Four families at level 1, and how many items. `eval` has suites of its own: quick and"
    " quality, with every family from level 2 on.",
)
@click.option("--items", type=click.IntRange(1, 5000), help="Items per task family.")
@click.option("--level", type=click.IntRange(1, 3), default=1, help="Difficulty of the items.")
@questions.private
@click.option(
    "--thinking",
    type=click.IntRange(0, 1_000_000),
    metavar="TOKENS",
    default=0,
    help="Room to think: so many tokens more for each answer to an item. [default: none]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="Threads of the engine. [default: all cores but one]",
)
@click.option("--affinity", type=CORES, help="Cores of the engine, e.g. 0-3.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--warmup",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help="Requests before a workload is timed, at least; 0: none.",
)
@click.option("--repeats", type=click.IntRange(1, 50), help="Timing blocks. [default: by suite]")
@click.option("--context", type=click.IntRange(256), help="Context in tokens per stream.")
@click.option("--margin", type=Finite(0.1, 50), default=3.0, help="Points of loss.")
@click.option("--strict", is_flag=True, help="Strict control profile: noise above 3 % blocks.")
@click.option("--imatrix", type=click.Path(path_type=Path), help="Importance matrix to use.")
@click.option("--requantise", is_flag=True, help="Quantise from an already quantised file.")
@click.option(
    "--runtime",
    type=click.Choice(["wheel", "native"]),
    default="wheel",
    help="llama.cpp from the wheel, or from PATH. [default: wheel]",
)
@click.option("--device", help="What it computes on: auto, cpu, cuda, cuda:1, rocm, metal, vulkan.")
@click.option("--sidecar", is_flag=True, help="At the end also time the bare engine.")
@click.option(
    "--soak",
    type=DURATION,
    is_flag=False,
    flag_value="30m",
    help="Then keep what was chosen under load: alone 30 min, or e.g. --soak 10m.",
)
@click.option("--include-polluted", is_flag=True, help="Compare polluted runs too, and say so.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--resume", is_flag=True, help="Go on with the sweep in --out.")
@click.option("--budget", type=DURATION, help="Time it may take, e.g. 45m.")
@click.option("--yes", is_flag=True, help="Start even if it will take more than an hour.")
@click.option("--include", multiple=True, help="Of a hub's files, only those of this glob.")
@click.option("--exclude", multiple=True, help="Of a hub's files, none of this glob.")
@click.option("--keep", multiple=True, help="Of what is fetched, keep this variant too.")
@click.option("--keep-all", is_flag=True, help="Remove nothing of what is fetched.")
@click.option(
    "--disk-reserve", type=SIZE, default="1GB", show_default=True, help="Left free by a fetch."
)
@click.option("--api-key-env", metavar="NAME", help="Of a server: variable with the API key.")
@click.option("--send-key-anywhere", is_flag=True, help="Even where it can be read on its way.")
@click.option("--cacert", type=click.Path(path_type=Path), help="Whose certificates to believe.")
@click.option("--insecure", is_flag=True, help="Believe any certificate; the record says so.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the sweep.")
def sweep(*, as_json: bool, **options: Any) -> int:
    """Weigh the quants of a model and say which one to use on this machine.

    SUBJECT is a GGUF file, a folder that holds a ladder of quants, a name that `steelyard models
    list` shows, hf:ORG/NAME:QUANT,QUANT… to fetch from a hub, the address of a server that is up,
    or nothing for the bundled model. What is fetched is removed again at the end, but for what is
    recommended and the reference.

    \b
    steelyard sweep
    steelyard sweep http://127.0.0.1:11434 --models qwen3:8b-q8_0,qwen3:8b-q4_K_M
    steelyard sweep ~/models/qwen3-4b-f16.gguf --quants Q8_0,Q5_K_M,Q4_K_M --budget 45m
    steelyard sweep ~/models/qwen3-4b-gguf/ --suite full --yes
    steelyard sweep --resume --out sweeps/qwen3-4b
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.sweeps import plan_text, sweeping
    from steelyard.app.sweeps.spec import SweepRequest

    request = SweepRequest(**options)
    with Screen(quiet=as_json) as screen:
        if request.dry_run:
            echo(plan_text.dry_run_text(request, screen.emit, as_json=as_json))
            return 0
        outcome = sweeping.perform(request, screen.emit)
    echo(outcome.json if as_json else outcome.text(width()))
    return outcome.exit_code
