"""`steelyard models frontier`: the best quality that fits here, searched, run and confirmed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from steelyard.cli.models_fit import Tokens
from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION, NAMES, SIZE, Finite


@click.command("frontier")
@click.argument("subject")
@click.option("--memory", type=SIZE, help="Most it may take, as 24GB.  [default: what is free]")
@click.option("--context", type=Tokens(), help="Tokens to fill, as 32k.  [default: 4096]")
@click.option(
    "--min-speed",
    type=Finite(0.01),
    default=5.0,
    show_default=True,
    help="Tokens a second with the context full.",
)
@click.option("--max-kld", type=Finite(0.0), help="Most KL divergence, in nats.")
@click.option("--min-bpw", type=Finite(0.0), help="Fewest bits per weight.")
@click.option("--budget", type=DURATION, default="10m", show_default=True, help="Time it may take.")
@click.option("--quants", type=NAMES, help="Q8_0,Q4_K_M  [default: Q8_0 to Q2_K, or all there]")
@click.option(
    "--kv",
    type=NAMES,
    default="f16,q8_0,q4_0",
    show_default=True,
    help="Types of the cache; keys/values as q8_0/q4_0.",
)
@click.option("--gpu-layers", type=NAMES, help="0,20,all  [default: as many as fit, and none]")
@click.option("--draft", help="Draft model to try beside it: FILE or bundled.")
@click.option(
    "--imatrix", type=click.Path(path_type=Path), help="Importance matrix to quantise by."
)
@click.option("--requantise", is_flag=True, help="Quantise from an already quantised file.")
@click.option("--threads", type=click.IntRange(1, 4096), help="[default: all cores but one]")
@click.option("--device", help="What it computes on: auto, cpu, cuda, cuda:1, rocm, metal, vulkan.")
@click.option("--runtime", type=click.Choice(["wheel", "native"]), default="wheel")
@click.option("--calibrate", is_flag=True, help="Measure this machine's rates first: a minute.")
@click.option("--out", type=click.Path(path_type=Path), help="PROFILE.yaml. [default: your own]")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the runs.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def frontier(*, as_json: bool, **options: Any) -> int:
    """Find the best quality within memory, context and speed, and run it with its context full.

    SUBJECT is a GGUF file, whose quants are made as in a sweep, a folder with a ladder of them, a
    name, or `bundled`. Quants, types of the cache, layers on a GPU, experts off it and a draft
    model are searched; what surely fails is ruled out first, the rest is run from the best quality
    down. The winner is run once more and written as an engine profile. Exit code 1: nothing fits.

    \b
    steelyard models frontier bundled --memory 100MB --context 2k --min-speed 50 --budget 3m
    steelyard models frontier ~/ladders/qwen3-8b --memory 24GB --context 32k --min-speed 15
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.frontier import searching
    from steelyard.app.frontier.ground import FrontierRequest

    request = FrontierRequest(**options)
    with Screen(quiet=as_json) as screen:
        told = searching.perform(request, screen.emit)
    echo(told.json if as_json else told.text)
    return told.exit_code
