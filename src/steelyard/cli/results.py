"""`steelyard results`: what was measured so far."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli.shown import echo


@click.group()
def results() -> None:
    """List, show, compare and export stored runs."""


@results.command("list")
@click.option("--model", help="Only runs whose file name contains this.")
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True)
@click.option("--simulated", is_flag=True, help="List runs on the scripted engine apart, below.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_runs(*, model: str | None, limit: int, simulated: bool, as_json: bool) -> None:
    """List stored runs, the newest first."""
    from steelyard.app.results import results as stored

    echo(stored.list_text(model, limit, simulated=simulated, as_json=as_json))


@results.command("show")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the whole record as JSON.")
def show(*, run: str, as_json: bool) -> None:
    """Show one RUN, named by its id or the beginning of it."""
    from steelyard.app.results import results as stored

    echo(stored.show_text(run, as_json=as_json))


@results.command("compare")
@click.argument("first")
@click.argument("second")
@click.option("--include-polluted", is_flag=True, help="Compare polluted runs too, and say so.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def compare(*, first: str, second: str, include_polluted: bool, as_json: bool) -> None:
    """Compare run SECOND with run FIRST: paired right answers, and speeds side by side."""
    from steelyard.app.results import results as stored

    echo(stored.compare_text(first, second, as_json=as_json, include_polluted=include_polluted))


@results.command("export")
@click.option("--format", "form", type=click.Choice(["csv", "json", "jsonl"]), default="csv")
@click.option("--out", type=click.Path(path_type=Path), help="File. [default: standard output]")
@click.option("--simulated", is_flag=True, help="Export runs on the scripted engine too.")
def export(*, form: str, out: Path | None, simulated: bool) -> None:
    """Export stored runs, one row a run, or whole records as JSON."""
    from steelyard.app.results import results as stored

    text = stored.export_text(form, out, simulated=simulated)
    echo(text, nl=False)


@results.command("rebuild")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
def rebuild(*, folders: tuple[Path, ...]) -> None:
    """Load the records of sweep FOLDERS into the database again."""
    from steelyard.app.results import results as stored

    echo(stored.rebuild_text(folders))
