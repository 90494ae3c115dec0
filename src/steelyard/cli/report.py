"""`steelyard report`: a sweep's report again, from its stored records."""

from __future__ import annotations

from pathlib import Path

import click

from steelyard.cli.shown import echo


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--include-polluted", is_flag=True, help="Compare polluted runs too, and say so.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def report(*, run: Path, include_polluted: bool, as_json: bool) -> int:
    """Compute the summary of the sweep in folder RUN again and write its reports.

    The same records give the same summary, byte for byte, on any day.
    """
    from steelyard.app.sweeps import reporting

    outcome = reporting.report_again(run, include_polluted=include_polluted)
    echo(outcome.json if as_json else outcome.text(100))
    return outcome.exit_code
