"""`steelyard run`: one RunSpec in, one RunRecord out; what the sweep itself uses."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.command()
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder in which the subject's bytes lie (found by sha256).",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole record.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a RunSpec and stop.")
@click.option("--example", is_flag=True, help="Print a RunSpec for the bundled model and stop.")
def run(
    *,
    spec: Path | None,
    models: tuple[Path, ...],
    out: Path | None,
    as_json: bool,
    schema: bool,
    example: bool,
) -> int:
    """Execute one RunSpec: start the engine, verify it, measure, stop it, write the record.

    \b
    steelyard run --example > spec.json
    steelyard run spec.json
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app import running

    if schema or example:
        echo(running.spec_schema() if schema else running.example_spec())
        return 0
    if spec is None:
        raise click.UsageError("give a SPEC file; `steelyard run --example` prints one")
    with Screen(quiet=as_json) as screen:
        finished = running.run_spec(spec, models, out, screen.emit)
    echo(finished.json if as_json else finished.text)
    return finished.exit_code
