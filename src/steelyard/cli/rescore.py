"""`steelyard rescore`: stored answers marked again."""

from __future__ import annotations

import click

from steelyard.cli import questions
from steelyard.cli.shown import echo


@click.command()
@click.argument("run")
@questions.by
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def rescore(*, run: str, by: str, as_json: bool) -> None:
    """Mark the stored answers of RUN again, as this version reads them, without a request.

    RUN is the folder of an evaluation or run, or the beginning of a run's id. The stored record
    stays as it is; what changed is listed.
    """
    from steelyard.app.evals import rescoring

    echo(rescoring.rescore_text(run, by_level=by == "level", as_json=as_json))
