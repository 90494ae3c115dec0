"""What a door prints: text from models, servers and files moves no cursor and changes no colour."""

from __future__ import annotations

from typing import Final

import click

_KEPT: Final = "\n\t"
_CONTROLS: Final = {
    code: "\N{REPLACEMENT CHARACTER}"
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if chr(code) not in _KEPT
}


def printable(text: str) -> str:
    """Return a text without control characters other than line ends and tabs."""
    return text.translate(_CONTROLS)


def echo(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Print a text, with a line end unless it has its own."""
    click.echo(printable(text), nl=nl, err=err)
