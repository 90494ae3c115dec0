"""`steelyard proxy`: a recording proxy in front of a server or a model, or a recording played."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from steelyard.cli.progress import Screen
from steelyard.cli.shown import echo
from steelyard.cli.values import DURATION
from steelyard.domain.budget import Budget
from steelyard.domain.errors import BadInput

_OF_REPLAYS: Final = ("replay", "host", "port")


@click.command()
@click.argument("subject", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: free]"
)
@click.option("--budget", help="End of it: 2usd, 1e6tok, 30m, or several with commas.")
@click.option(
    "--replay",
    type=click.Path(path_type=Path),
    help="Answer from this recording, offline; takes no SUBJECT.",
)
@click.option("--engine", help="What the server is, e.g. ollama; of a file: what is to serve it.")
@click.option("--model", help="The model to ask for, where the server has several.")
@click.option(
    "--timeout",
    type=DURATION,
    default="10m",
    show_default=True,
    help="The longest silence of one request; after it the request has failed.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Places of an engine that is started here.",
)
@click.option("--context", type=click.IntRange(256), help="Tokens of each place.  [default: 4096]")
@click.option("--threads", type=click.IntRange(1, 1024), help="Of an engine that is started here.")
@click.option(
    "--runtime",
    type=click.Choice(["wheel", "native", "container", "docker", "podman"]),
    help="Of an engine that is started here, as in `eval`.  [default: wheel]",
)
@click.option(
    "--image", metavar="NAME@sha256:…", help="With --runtime container: another image than usual."
)
@click.option("--device", help="What it computes on: auto, cpu, cuda, cuda:1, rocm, metal, vulkan.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the API key.")
@click.option("--send-key-anywhere", is_flag=True, help="Even where it can be read on its way.")
@click.option("--cacert", type=click.Path(path_type=Path), help="Whose certificates to believe.")
@click.option("--insecure", is_flag=True, help="Believe any certificate; the record says so.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON at the end.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the recording.")
def proxy(
    *,
    subject: str | None,
    host: str,
    port: int,
    budget: str | None,
    replay: Path | None,
    streams: int,
    context: int | None,
    as_json: bool,
    out: Path | None,
    **how: object,
) -> int:
    """Stand in front of SUBJECT, pass requests on unchanged, and record them, until Ctrl+C.

    SUBJECT is the address of any OpenAI-compatible server, or a model file (or a name that
    `steelyard models list` shows), which is then served by an engine of ours. Point any program at
    the address that is printed. The record lands beside those of benches.

    \b
    steelyard proxy http://127.0.0.1:8080 --port 9000 --budget 1e6tok
    steelyard proxy --replay proxies/FOLDER --port 9000
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.benches.request import BenchRequest, is_address
    from steelyard.app.proxying import proxying
    from steelyard.app.proxying.serving import ProxyRequest

    with Screen(quiet=as_json) as screen:
        if replay is not None:
            _refuse_beside_a_replay(replay)
            echo(proxying.replay(replay, host, port, screen.emit))
            return 0
        if subject is None:
            raise BadInput(
                "a proxy stands in front of something", hint="name an address or a model file"
            )
        if is_address(subject) and _typed("streams"):
            raise BadInput(
                "--streams is for an engine that is started here: this server runs already",
                hint="leave --streams out",
            )
        request = ProxyRequest(
            BenchRequest.of({"subject": subject, **how}),
            host,
            port,
            streams,
            context,
            Budget() if budget is None else Budget.read(budget),
            out,
        )
        done = proxying.perform(request, screen.emit)
    echo(done.text(as_json=as_json))
    return done.exit_code


def _typed(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def _refuse_beside_a_replay(replay: Path) -> None:
    """Raise `BadInput` for what says nothing where a recording answers."""
    command = click.get_current_context().command
    typed = [p for p in command.params if p.name not in _OF_REPLAYS and _typed(str(p.name))]
    if typed:
        names = ", ".join(p.opts[0] if isinstance(p, click.Option) else "SUBJECT" for p in typed)
        raise BadInput(
            f"a recording answers by itself: it takes no {names}",
            hint=f"steelyard proxy --replay {replay}, with --host and --port at most",
        )
