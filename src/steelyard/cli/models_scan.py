"""`steelyard models scan|copy|index`: models in folders and stores."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo


@click.command("scan")
@click.argument("places", metavar="[FOLDERS]", nargs=-1)
@click.option("--hash", "hashed", is_flag=True, help="Verify claimed digests and duplicates.")
@click.option("--plain-http", is_flag=True, help="Also ask a store on plain http elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def scan(*, places: tuple[str, ...], hashed: bool, plain_http: bool, as_json: bool) -> None:
    """Look through FOLDERS, or the usual places, for models in every format and store.

    The usual places are model folders, the Hugging Face cache and Ollama's store; such stores are
    also recognised inside FOLDERS, and an address may stand there too. Only headers are read. What
    holds the same bytes is told by size, beginning and end; with --hash it is known.

    \b
    steelyard models scan
    steelyard models scan ~/models /mnt/disk --hash
    steelyard models scan https://models.example/llm/ --json
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.stores import stored_models

    request = stored_models.ScanRequest(places, hashed, plain_http)
    with Screen(quiet=as_json) as screen:
        text = stored_models.scan_text(request, screen.emit, as_json=as_json)
    echo(text)


@click.command("copy")
@click.argument("model")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), help="Folder. [default: this one]"
)
@click.option("--plain-http", is_flag=True, help="Also fetch from plain http elsewhere.")
def copy(*, model: str, out: Path, plain_http: bool) -> None:
    """Take MODEL out of its store into a folder, verified against the store's digest.

    MODEL is a name that `models scan` shows, or an address with the name behind a #.

    \b
    steelyard models copy ollama:llama3.2:1b --out ~/models
    steelyard models copy hf:unsloth/Qwen3-4B-GGUF:Q4_K_M
    steelyard models copy 'https://models.example/llm/#tiny-Q8_0' --out ~/models
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.stores import stored_models

    with Screen() as screen:
        request = stored_models.CopyRequest(model, out, plain_http)
        text = stored_models.copy_text(request, screen.emit)
    echo(text)


@click.command("index")
@click.argument("folder", type=click.Path(path_type=Path))
def index(*, folder: Path) -> None:
    """Hash the models below FOLDER and write index.json: any web server then is a model store."""
    from steelyard.app.stores import stored_models

    with Screen() as screen:
        text = stored_models.index_text(folder, screen.emit)
    echo(text)


COMMANDS: Final = (scan, copy, index)
