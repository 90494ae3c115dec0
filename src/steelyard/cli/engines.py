"""`steelyard engines`: which engines this machine can run, and whether they compute right."""

from __future__ import annotations

import rich_click as click

from steelyard.cli.progress import Screen


@click.group()
def engines() -> None:
    """List engines and check that they compute right."""


@engines.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_engines(*, as_json: bool) -> None:
    """List engines, the runtimes found on this machine, and what each engine can do."""
    from steelyard.app import machinery

    click.echo(machinery.engines_text(as_json=as_json))


@engines.command("check")
@click.argument("engine", default="llamacpp")
@click.option("--runtime", type=click.Choice(["wheel", "native"]), default="wheel")
def check_engine(*, engine: str, runtime: str) -> int:
    """Start ENGINE and replay known arithmetic on it: right logits, or WRONG_LOGITS."""
    from steelyard.app import machinery

    with Screen() as screen:
        checked = machinery.check_engine(engine, runtime, screen.emit)
    click.echo(checked.text)
    return checked.exit_code
