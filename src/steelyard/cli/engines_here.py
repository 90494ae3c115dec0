"""`steelyard engines install|uninstall|compare`: engines of our own, and one beside the other."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.command("install")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def install(*, names: tuple[str, ...]) -> None:
    """Install engines (mlx, transformers) or harnesses (lm-eval, inspect).

    Each goes into an environment of its own.

    Nothing of it goes into Steelyard's. An install that fails or is broken off leaves nothing.

    \b
    steelyard engines install mlx
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import environments

    with Screen() as screen:
        text = environments.install_text(names, screen.emit)
    echo(text)


@click.command("uninstall")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def uninstall(*, names: tuple[str, ...]) -> None:
    """Remove engines and harnesses that `engines install` fetched."""
    from steelyard.app.engines import environments

    echo(environments.uninstall_text(names))


@click.command("compare")
@click.argument("subjects", nargs=-1, required=True, metavar="SUBJECT...")
@click.option("--prompts", type=click.IntRange(1, 2000), default=20, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Threads. [default: as in a sweep]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the report.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def compare(
    *,
    subjects: tuple[str, ...],
    prompts: int,
    seed: int,
    threads: int | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Give several engines the same prompts at temperature 0: agreement and speed.

    Rendered tokens, chat template, end tokens and sampler are compared first; a difference refuses
    the comparison, shows it and exits with 1.

    \b
    steelyard engines compare bundled@llamacpp FOLDER@mlx FOLDER@transformers
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import comparison

    order = comparison.CompareOrder(subjects, prompts, seed, threads, out)
    with Screen(quiet=as_json) as screen:
        compared = comparison.compare(order, screen.emit, as_json=as_json)
    echo(compared.text)
    return compared.exit_code
