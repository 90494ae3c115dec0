"""`steelyard engines offload|parallel`: layers on a GPU, and more GPUs, what they bring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import NAMES


@click.command("offload")
@click.argument("subject", default="bundled")
@click.option(
    "--layers",
    type=NAMES,
    default="0,25%,50%,75%,all",
    show_default=True,
    help="On the GPU: numbers, shares, or all.",
)
@click.option("--rounds", type=click.IntRange(2, 100), default=5, show_default=True)
@click.option("--prompt", type=click.IntRange(1), default=512, show_default=True, help="Tokens.")
@click.option("--output", type=click.IntRange(4), default=64, show_default=True, help="Tokens.")
@click.option("--requests", type=click.IntRange(1), default=4, show_default=True, help="A turn.")
@click.option("--device", help="The GPU: cuda, cuda:1, rocm, metal, vulkan.  [default: the first]")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads. [default: as in a sweep]")
@click.option("--runtime", type=click.Choice(["wheel", "native"]), help="Its llama.cpp.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for offload.json.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def offload(*, as_json: bool, **options: Any) -> int:
    """Measure SUBJECT with more and more of its layers on a GPU, against the processor alone.

    Speeds, memory of host and GPU, energy where a meter is, and the fewest layers that are within
    a tenth of the fastest. Skipped with exit code 3 and the reason where there is no GPU, or where
    this llama.cpp is not built for it; nothing is loaded then.

    \b
    steelyard engines offload ~/models/qwen3-4b-q4_k_m.gguf --runtime native
    steelyard engines offload bundled --runtime native --layers 0,2,4,all --rounds 10
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import offloading

    request = offloading.OffloadRequest(**options)
    with Screen(quiet=as_json) as screen:
        told = offloading.perform(request, screen.emit, as_json=as_json)
    echo(told.text)
    return told.exit_code


@click.command("parallel")
@click.argument("subject", required=False)
@click.option("--gpus", type=NAMES, help="Sizes.  [default: 1,2,4]")
@click.option("--servers", type=NAMES, help="One a size, started by you: 1=URL,2=URL.")
@click.option(
    "--split",
    type=click.Choice(["row", "tensor", "layer"]),
    help="How llama.cpp shares the model: layer is no tensor parallelism.  [default: row]",
)
@click.option("--rounds", type=click.IntRange(2, 100), default=5, show_default=True)
@click.option("--prompt", type=click.IntRange(1), default=512, show_default=True, help="Tokens.")
@click.option("--output", type=click.IntRange(4), default=64, show_default=True, help="Tokens.")
@click.option("--requests", type=click.IntRange(1), help="A turn.  [default: 4, or 2 a stream]")
@click.option("--concurrency", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--engine", help="Of the servers: which engine they are.  [default: asked]")
@click.option("--model", help="Of the servers: which of their models.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the servers' API key.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads. [default: as in a sweep]")
@click.option("--runtime", type=click.Choice(["wheel", "native"]), help="Its llama.cpp.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for parallel.json.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def parallel(*, as_json: bool, **options: Any) -> int:
    """Measure SUBJECT on 1, 2, 4 … GPUs: speed-up, efficiency, serial fraction, overhead.

    llama.cpp is started here for each size. Of vLLM, SGLang and others start one server a size and
    give their addresses. Sizes that there are no GPUs for are skipped and named; exit code 3 where
    fewer than two are left.

    \b
    steelyard engines parallel ~/models/qwen3-4b-q4_k_m.gguf --gpus 1,2,4 --runtime native
    steelyard engines parallel --servers 1=http://127.0.0.1:8001,2=http://127.0.0.1:8002
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import paralleling

    request = paralleling.ParallelRequest(**options)
    with Screen(quiet=as_json) as screen:
        told = paralleling.perform(request, screen.emit, as_json=as_json)
    echo(told.text)
    return told.exit_code
