"""`steelyard engines`: which engines run here, whether they compute right, how fast bare."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from steelyard.cli import cold, engine_profiles, engines_here, gpu_scaling, speculate
from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import NAMES


@click.group()
def engines() -> None:
    """List engines, check that they compute right, time them without a server."""


engines.add_command(engines_here.install)
engines.add_command(engines_here.uninstall)
engines.add_command(engines_here.compare)
engines.add_command(speculate.speculate)
engines.add_command(cold.cold)
engines.add_command(gpu_scaling.offload)
engines.add_command(gpu_scaling.parallel)


@engines.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_engines(*, as_json: bool) -> None:
    """List engines, the runtimes found on this machine, and what each engine can do."""
    from steelyard.app.engines import machinery

    echo(machinery.engines_text(as_json=as_json))


@engines.command("check")
@click.argument("engine", default="llamacpp")
@click.option("--runtime", type=click.Choice(["wheel", "native"]), default="wheel")
def check_engine(*, engine: str, runtime: str) -> int:
    """Start ENGINE and replay known arithmetic on it: right logits, or WRONG_LOGITS."""
    from steelyard.app.engines import machinery

    with Screen() as screen:
        checked = machinery.check_engine(engine, runtime, screen.emit)
    echo(checked.text)
    return checked.exit_code


@engines.command("bench")
@click.argument("subject", default="bundled")
@click.option("--threads", type=click.IntRange(1), help="Threads. [default: as in a sweep]")
@click.option("--prompt", type=click.IntRange(0), default=512, show_default=True, help="Tokens.")
@click.option("--output", type=click.IntRange(0), default=128, show_default=True, help="Tokens.")
@click.option(
    "--depth",
    type=NAMES,
    default="0,2048",
    show_default=True,
    help="Tokens already in the context, one or several numbers.",
)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--runtime",
    type=click.Choice(["auto", "wheel", "native"]),
    default="auto",
    help="`auto` takes llama-bench where it is on PATH.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for sidecar.json.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def bench_engine(
    *,
    subject: str,
    threads: int | None,
    prompt: int,
    output: int,
    depth: tuple[str, ...],
    repeats: int,
    runtime: Literal["auto", "wheel", "native"],
    out: Path | None,
    as_json: bool,
) -> int:
    """Time the bare engine on SUBJECT: prefill and decoding, without server or sampling.

    \b
    steelyard engines bench bundled --depth 0,1024 --repeats 3
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import sidecars

    order = sidecars.BenchOrder(subject, threads, prompt, output, depth, repeats, runtime, out)
    with Screen(quiet=as_json) as screen:
        benched = sidecars.bench_text(order, screen.emit, as_json=as_json)
    echo(benched.text)
    return benched.exit_code


@engines.command("probe")
@click.argument("subject")
@click.option("--model", help="The model to ask for, where the server has several.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the API key.")
@click.option("--send-key-anywhere", is_flag=True, help="Even where it can be read on its way.")
@click.option("--cacert", type=click.Path(path_type=Path), help="Whose certificates to believe.")
@click.option("--insecure", is_flag=True, help="Believe any certificate.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def probe_engine(*, as_json: bool, **options: object) -> None:
    """Try out what a server can do: streaming, seed, log-probabilities, schema, tools, context.

    SUBJECT is the address of a server, or a model that is then served here. Takes about ten
    seconds; `steelyard bench SUBJECT --probe` does it after a bench and stores it with the run.

    \b
    steelyard engines probe http://127.0.0.1:8080
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.benches.request import BenchRequest
    from steelyard.app.engines import probing

    request = BenchRequest.of(options)
    with Screen(quiet=as_json) as screen:
        text = probing.probe_text(request, screen.emit, as_json=as_json)
    echo(text)


engines.add_command(engine_profiles.profiles)
engines.add_command(engine_profiles.preflight)
