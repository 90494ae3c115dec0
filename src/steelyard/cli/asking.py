"""The options that say how a subject is reached or served, the same for all that asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

from steelyard.cli.values import DURATION

Command: TypeAlias = Callable[..., Any]


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return what adds these options to a command, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


reached: Final = together(
    click.option(
        "--engine", help="What the server is, e.g. ollama; of a file: what is to serve it."
    ),
    click.option("--model", help="The model to ask for, where the server has several."),
    click.option(
        "--timeout",
        type=DURATION,
        default="120s",
        show_default=True,
        help="The longest silence of one request; after it the request has failed.",
    ),
    click.option(
        "--thinking",
        type=click.IntRange(0, 1_000_000),
        metavar="TOKENS",
        default=0,
        help="Room to think: so many tokens more for each answer.  [default: none]",
    ),
    click.option(
        "--threads", type=click.IntRange(1, 1024), help="Of an engine that is started here."
    ),
    click.option(
        "--runtime",
        type=click.Choice(["wheel", "native", "container", "docker", "podman"]),
        help="Its llama.cpp: the one that came with us, or the one on PATH; or any engine from its"
        " published image, by docker or podman.  [default: wheel]",
    ),
    click.option(
        "--image",
        metavar="NAME@sha256:…",
        help="With --runtime container: another image than usual.",
    ),
    click.option(
        "--device", help="What it computes on: auto, cpu, cuda, cuda:1, rocm, metal, vulkan."
    ),
    click.option("--api-key-env", metavar="NAME", help="Variable that holds the API key."),
    click.option("--send-key-anywhere", is_flag=True, help="Even where it can be read on its way."),
    click.option(
        "--cacert", type=click.Path(path_type=Path), help="Whose certificates to believe."
    ),
    click.option("--insecure", is_flag=True, help="Believe any certificate; the record says so."),
)
