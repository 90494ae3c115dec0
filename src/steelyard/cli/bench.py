"""`steelyard bench`: measure any server under any load, with the error of every number."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli.live import LiveScreen
from steelyard.cli.progress import width
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION, Finite


@click.command()
@click.argument("subject")
@click.option("--engine", help="What the server is, e.g. ollama; of a file: what is to serve it.")
@click.option("--model", help="The model to ask for, where the server has several.")
@click.option("--concurrency", help="Requests at a time, e.g. 8 or 1,8,32.  [default: 1]")
@click.option(
    "--batching",
    type=click.Choice(["continuous", "static", "both"]),
    help="Of --concurrency: each answer makes room for the next request, or a whole wave ends"
    " before the next begins, or both in turns.  [default: continuous]",
)
@click.option("--rate", help="Requests a second, whether or not answers come: 5, or 1,2,5.")
@click.option("--arrivals", help="With --rate: poisson, constant or gamma[:CV].")
@click.option("--cap", type=click.IntRange(1), help="With --rate: at most so many at a time.")
@click.option("--ramp", help="rate:1..20/60s or streams:1..64/60s.")
@click.option("--steps", help="rate:1,2,5/30s or streams:1,8,32/30s.")
@click.option("--trace", type=click.Path(path_type=Path), help="Replay a recorded load.")
@click.option("--trace-speed", type=Finite(0.001), help="2: in half the time.")
@click.option("--conversations", help="users=8,turns=4,think=2s.")
@click.option(
    "--load",
    type=click.Choice(["concurrency", "long-context", "soak"]),
    help="A load by its name: rising concurrency, rising depth, or one for a long time.",
)
@click.option("--requests", type=click.IntRange(1), help="How many.  [default: by load]")
@click.option("--duration", type=DURATION, help="How long, e.g. 60s.")
@click.option(
    "--prompts",
    help="synthetic:in=N,out=N · FILE (.txt .jsonl .csv) · sharegpt:FILE · prefix:prefix=N,in=N"
    " · images:n=N,width=N,height=N."
    "  [default: synthetic:in=512,out=128, or the lengths of --trace]",
)
@click.option("--slo", help="Objectives: ttft_p95=500ms,tpot_p95=50ms,errors=1%.")
@click.option("--find-knee", is_flag=True, help="Search the highest rate that is sustained.")
@click.option("--compare", help="A second server or file, measured in turns with the first.")
@click.option(
    "--blocks",
    type=click.IntRange(2, 100),
    help="Of --compare and --batching both: blocks of four turns.  [default: 6]",
)
@click.option("--warmup", type=click.IntRange(0, 100), default=1, show_default=True)
@click.option(
    "--timeout",
    type=DURATION,
    default="120s",
    show_default=True,
    help="The longest silence of one request; after it the request has failed.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 31) - 1),
    help="Of prompts and moments: the same again.  [default: a new one each time]",
)
@click.option("--processes", type=click.IntRange(1, 64), default=1, help="Of the client.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Of an engine that is started here.")
@click.option(
    "--runtime",
    type=click.Choice(["wheel", "native", "container", "docker", "podman"]),
    help="Its llama.cpp: the one that came with us, or the one on PATH; or any engine from its"
    " published image, by docker or podman.  [default: wheel]",
)
@click.option(
    "--image", metavar="NAME@sha256:…", help="With --runtime container: another image than usual."
)
@click.option("--device", help="What it computes on: auto, cpu, cuda, cuda:1, rocm, metal, vulkan.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the API key.")
@click.option("--send-key-anywhere", is_flag=True, help="Even where it can be read on its way.")
@click.option("--cacert", type=click.Path(path_type=Path), help="Whose certificates to believe.")
@click.option("--insecure", is_flag=True, help="Believe any certificate; the record says so.")
@click.option("--probe", is_flag=True, help="Then try out what the server can do, for 10 s.")
@click.option("--sidecar", is_flag=True, help="Of a file: afterwards also time the bare engine.")
@click.option("--strict", is_flag=True, help="Exit 3 when the client is what limits.")
@click.option("--conventions", is_flag=True, help="Also as other tools would have said it.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the bench.")
def bench(*, as_json: bool, conventions: bool, **options: object) -> int:
    """Measure a server under a load, and say how wrong each number may be.

    SUBJECT is the address of any OpenAI-compatible server, or a model file (or a name that
    `steelyard models list` shows), which is then served by an engine of ours.

    \b
    steelyard bench http://127.0.0.1:8080 --concurrency 1,8,32
    steelyard bench http://127.0.0.1:8080 --rate 5 --duration 60s --slo ttft_p95=500ms
    steelyard bench bundled --concurrency 4 --prompts synthetic:in=256,out=64
    steelyard bench FOLDER@vllm --runtime container --concurrency 8
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.benches import benching
    from steelyard.app.benches.request import BenchRequest

    request = BenchRequest.of(options)
    with LiveScreen(quiet=as_json) as screen:
        done = benching.perform(request, screen.emit)
    if as_json:
        echo(done.json, nl=False)
        for line in done.ends:  # the summary alone does not say what the exit code is for
            echo(line, err=True)
    else:
        echo(done.text(width(), conventions=conventions))
    if done.interrupted:
        echo(done.interrupted, err=True)
    return done.exit_code
