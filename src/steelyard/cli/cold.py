"""`steelyard engines cold`: how long until an engine answers after nothing was there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.command("cold")
@click.argument("subject", default="bundled")
@click.option(
    "--starts",
    type=click.IntRange(1, 1000),
    default=6,
    show_default=True,
    help="Of each kind; 6 is the fewest for which a median has an interval.",
)
@click.option("--words", type=click.IntRange(1, 4096), default=96, show_default=True, help="Asked.")
@click.option("--tokens", type=click.IntRange(1, 4096), default=8, show_default=True, help="Back.")
@click.option("--engine", help="Of a server at an address: which it is.  [default: asked]")
@click.option("--model", help="Of a server at an address: which of its models.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the API key.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Of an engine that is started here.")
@click.option("--device", help="What it computes on: auto, cpu, cuda, cuda:1, rocm, metal, vulkan.")
@click.option("--runtime", type=click.Choice(["wheel", "native"]), help="Its llama.cpp.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for cold.json.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def cold(*, as_json: bool, **options: Any) -> int:
    """Measure load time and first request, with the model's file on disk and in memory.

    SUBJECT is a model with its engine, which is started again and again; or the address of an
    Ollama or a llama.cpp router, which is told to unload the model and loads it for the next
    request. Exit code 3 for a server that cannot.

    \b
    steelyard engines cold bundled
    steelyard engines cold ~/models/qwen3-4b-q4_k_m.gguf --runtime native --starts 10
    steelyard engines cold http://127.0.0.1:11434 --model llama3.2
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import cold_starts
    from steelyard.app.engines.cold_grounds import ColdRequest

    request = ColdRequest(**options)
    with Screen(quiet=as_json) as screen:
        told = cold_starts.perform(request, screen.emit, as_json=as_json)
    echo(told.text)
    return told.exit_code
