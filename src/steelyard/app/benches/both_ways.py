"""`--batching`: requests that go out in waves, and a level that is measured both ways.

A wave begins together and ends whole before the next; both ways means turns of either, in blocks of
four. Says how long those turns are, and refuses what no wave can be made of. Not aware of servers
or of what else was asked for.
"""

from __future__ import annotations

from typing import Final

from steelyard.domain.errors import BadInput

BOTH: Final = "both"
# A turn's beginning, in which all places are filled at once, is a wave on either side.
_WAVES_LEAST: Final = 2
_WAVES: Final = 4


def refuse(batching: str | None, *, find_knee: bool, compare: str | None, processes: int) -> None:
    """Raise `BadInput` where `batching` goes with nothing else that was asked for."""
    if batching in (None, "continuous"):
        return
    if find_knee:
        raise BadInput(
            f"--find-knee keeps places filled, which --batching {batching} does not",
            hint="leave --batching out",
        )
    if batching == BOTH and compare is not None:
        raise BadInput(
            "--compare takes turns between two servers, --batching both between two ways",
            hint="compare under --batching static, or measure each server with --batching both",
        )
    if processes > 1:
        raise BadInput(
            f"--batching {batching} takes one process of the client: it sees when a wave has ended",
            hint="leave --processes out",
        )


def requests(streams: int, asked: int | None, blocks: int) -> int:
    """Return how many requests either way is sent over all of its turns: whole waves in each.

    Each block has two turns of either way. `asked` is rounded up to whole waves.
    """
    turns = 2 * blocks
    if asked is None:
        return turns * _WAVES * streams
    least = turns * _WAVES_LEAST * streams
    if asked < least:
        raise BadInput(
            f"--requests {asked} is too few for {turns} turns of either way at {streams} at a time:"
            f" a turn takes {_WAVES_LEAST} waves",
            hint=f"--requests {least} or more, fewer --blocks, or leave --requests out",
        )
    waves = -(-asked // (turns * streams))
    return turns * waves * streams
