"""`steelyard tune`: search the engine's settings for a goal, and prove the gain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION


@click.command()
@click.argument("subject")
@click.option(
    "--for",
    "goal",
    type=click.Choice(["ttft", "throughput", "balanced"]),
    default="balanced",
    show_default=True,
    help="Shortest wait, most tokens of all streams together, or both.",
)
@click.option("--budget", type=DURATION, default="5m", show_default=True, help="Time it may take.")
@click.option("--out", type=click.Path(path_type=Path), help="PROFILE.yaml. [default: your own]")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the runs.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    help="Requests at a time.  [default: 1 for ttft, else 4]",
)
@click.option("--prompts", help="As in a bench.  [default: by goal, e.g. synthetic:in=512,out=8]")
@click.option("--device", help="What it computes on: auto, cpu, cuda, cuda:1, rocm, metal, vulkan.")
@click.option("--runtime", type=click.Choice(["wheel", "native"]), help="Its llama.cpp.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def tune(*, as_json: bool, **options: Any) -> int:
    """Search threads, batch, micro-batch, slots, cache type and flash attention for a goal.

    SUBJECT is a model that is started here; behind it an engine profile may stand, which is then
    the baseline. The winner is written as an engine profile where its gain over the baseline is
    beyond noise. Exit code 1 where there is no such gain: then nothing is written.

    \b
    steelyard tune bundled --for ttft --budget 2m
    steelyard tune ~/models/qwen3-4b-q4_k_m.gguf --for throughput --concurrency 8 --out fast.yaml
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import tuning

    request = tuning.TuneRequest(**options)
    with Screen(quiet=as_json) as screen:
        tuned = tuning.perform(request, screen.emit)
    echo(tuned.json if as_json else tuned.text)
    return tuned.exit_code
