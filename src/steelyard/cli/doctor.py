"""`steelyard doctor`: does everything that a sweep needs work here?"""

from __future__ import annotations

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def doctor(*, as_json: bool) -> int:
    """Check this installation and this machine: kernels, engine, clock error, store, room."""
    from steelyard.app.engines import machinery

    with Screen(quiet=as_json) as screen:
        checked = machinery.doctor(screen.emit, as_json=as_json)
    echo(checked.text)
    return checked.exit_code
