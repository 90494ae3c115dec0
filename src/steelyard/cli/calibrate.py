"""`steelyard calibrate`: how wrong are this machine's own clock and client?"""

from __future__ import annotations

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
def calibrate(*, as_json: bool) -> int:
    """Measure the instrument's own error on this machine, in at most three seconds.

    A small server with known truth is driven as a real one is; what is found stands beside every
    latency from then on. It is kept for a day, and `bench` and `sweep` do this by themselves when
    there is none: call it when the machine has become quieter than it was.
    """
    from steelyard.app import calibrating

    with Screen(quiet=as_json) as screen:
        checked = calibrating.calibrate_text(screen.emit, as_json=as_json)
    echo(checked.text)
    return checked.exit_code
