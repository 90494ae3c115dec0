"""`steelyard models find|pull|pin|unpin|remove|each`: models on a hub, and on the way from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION, SIZE

_F = TypeVar("_F", bound=Callable[..., Any])


def _which(command: _F) -> _F:
    """Add the options that say which files of a repository count."""
    for option in (
        click.option("--revision", help="Branch, tag or commit. [default: main]"),
        click.option("--exclude", multiple=True, help="Leave out files that fit this glob."),
        click.option("--include", multiple=True, help="Only files that fit this glob."),
    ):
        command = option(command)
    return command


def _patience(command: _F) -> _F:
    """Add the options that say how long a hub is waited for."""
    for option in (
        click.option(
            "--timeout", type=DURATION, default="30s", show_default=True, help="Longest silence."
        ),
        click.option(
            "--retries",
            type=click.IntRange(0, 100),
            default=5,
            show_default=True,
            help="Attempts in a row that bring nothing.",
        ),
    ):
        command = option(command)
    return command


@click.command("find")
@click.argument("subject")
@_which
@_patience
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def find(*, as_json: bool, **options: Any) -> None:
    """List the quants that a hub offers of a model, and whether they may be fetched.

    SUBJECT is ORG/NAME on the Hugging Face hub, or an Ollama model: NAME for all of its tags,
    NAME:TAG for one. A quant shown here is what a name or the registry claims. The globs choose
    among files, and among the tags of a NAME.

    \b
    steelyard models find unsloth/Qwen3-4B-GGUF --exclude '*UD-*'
    steelyard models find ollama:llama3.2 --include '*q4_K_M'
    steelyard models find ollama:llama3.2:1b --json
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.hub import find_texts, pulling

    echo(find_texts.find_text(pulling.HubRequest(**options), as_json=as_json))


@click.command("pull")
@click.argument("subject")
@_which
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder. [default: the Hugging Face cache, or Ollama's store]",
)
@click.option(
    "--jobs", type=click.IntRange(1, 16), default=3, show_default=True, help="Files at once."
)
@click.option("--disk-reserve", type=SIZE, default="1GB", show_default=True, help="Left free.")
@_patience
@click.option("--yes", is_flag=True, help="Fetch even if it is more than 20 GB.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def pull(*, as_json: bool, dry_run: bool, **options: Any) -> None:
    """Fetch the files of a model: resumed, checked against the hub's digests, never half.

    SUBJECT is ORG/NAME:QUANT (or several: ORG/NAME:Q8_0,Q4_K_M), or the NAME[:TAG] of an Ollama
    model. The token comes from HF_TOKEN or the hub's own login.

    \b
    steelyard models pull unsloth/Qwen3-4B-GGUF:Q4_K_M
    steelyard models pull unsloth/Qwen3-4B-GGUF --include '*Q8_0*' --out ~/models/qwen3 --dry-run
    steelyard models pull ollama:llama3.2:1b
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.hub import pull_texts, pulling

    request = pulling.HubRequest(**options)
    if dry_run:
        echo(pull_texts.plan_text(pulling.plan(request), as_json=as_json))
        return
    with Screen(quiet=as_json) as screen:
        ahead, done = pulling.pull(request, screen.emit)
    echo(pull_texts.pulled_text(ahead, done, as_json=as_json))


@click.command("pin")
@click.argument("subject")
def pin(*, subject: str) -> None:
    """Pin a fetched model, ORG/NAME[:QUANT]: nothing of Steelyard's deletes it."""
    from steelyard.app.hub import keeping_models

    echo(keeping_models.pin_text(subject))


@click.command("unpin")
@click.argument("subject")
def unpin(*, subject: str) -> None:
    """Take the pins of a fetched model, ORG/NAME[:QUANT], away."""
    from steelyard.app.hub import keeping_models

    echo(keeping_models.unpin_text(subject))


@click.command("remove")
@click.argument("subject")
@click.option("--yes", is_flag=True, help="Delete; without it only said what would go.")
def remove(*, subject: str, yes: bool) -> None:
    """Delete a fetched model, ORG/NAME[:QUANT]; never one that is pinned or in use."""
    from steelyard.app.hub import keeping_models

    echo(keeping_models.remove_text(subject, yes=yes))


@click.command("each", context_settings={"ignore_unknown_options": True})
@click.argument("subject")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@_which
@click.option("--keep", multiple=True, help="Do not delete this variant after its run.")
@click.option("--keep-all", is_flag=True, help="Delete nothing.")
@click.option("--no-prefetch", is_flag=True, help="Fetch nothing while the command runs.")
@click.option(
    "--jobs", type=click.IntRange(1, 16), default=3, show_default=True, help="Files at once."
)
@click.option("--disk-reserve", type=SIZE, default="1GB", show_default=True, help="Left free.")
@_patience
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def each(
    *,
    command: tuple[str, ...],
    keep: tuple[str, ...],
    keep_all: bool,
    no_prefetch: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Fetch, run COMMAND on, and delete again the variants of SUBJECT, one after the other.

    In COMMAND {} stands for the file and {quant} for its name. The next variant is fetched while
    the command runs; that takes a little of the machine, so use --no-prefetch where time is
    measured. Pinned variants, and those that were here before, are not deleted.

    \b
    steelyard models each org/name-GGUF:Q8_0,Q4_K_M --no-prefetch -- steelyard engines bench {}
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.hub import each as row
    from steelyard.app.hub import pulling

    hub = pulling.HubRequest(**options)
    request = row.EachRequest(hub, command, keep, keep_all, not no_prefetch)
    with Screen(quiet=as_json) as screen:
        outcome = row.perform(request, screen.emit)
    echo(outcome.text(as_json=as_json))
    return outcome.exit_code


COMMANDS: Final = (find, pull, pin, unpin, remove, each)
