"""`steelyard engines profiles` and `preflight`: what an engine is given, and what it loads."""

from __future__ import annotations

import click

from steelyard.cli.shown import echo

_RUNTIME = click.option(
    "--runtime",
    type=click.Choice(["wheel", "native", "container"]),
    default="wheel",
    show_default=True,
    help="Whose options to check against: those of the wheel, or of llama-server on PATH.",
)


@click.group("profiles")
def profiles() -> None:
    """List, show and check engine profiles: settings of an engine, by name.

    Used behind a subject: `steelyard bench bundled@llamacpp/llamacpp-batch`.
    """


@profiles.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_profiles(*, as_json: bool) -> None:
    """List the built-in profiles and your own."""
    from steelyard.app.profiles import profiles as rooms

    echo(rooms.list_text(as_json=as_json))


@profiles.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show_profile(*, name: str, as_json: bool) -> None:
    """Show the profile NAME: its file, and each setting that comes of it."""
    from steelyard.app.profiles import profiles as rooms

    echo(rooms.show_text(name, as_json=as_json))


@profiles.command("check")
@click.argument("name_or_file")
@click.option("--engine", help="For this engine only.  [default: each that it names]")
@_RUNTIME
def check_profile(*, name_or_file: str, engine: str | None, runtime: str) -> None:
    """Check a profile, by NAME or FILE, against what its engine takes."""
    from steelyard.app.profiles import profiles as rooms

    echo(rooms.check_text(name_or_file, engine, runtime))


@click.command("preflight")
@click.argument("subject_or_format")
@click.option("--engine", help="This engine only.  [default: all that load files]")
@click.option("--device", help="cpu, cuda, cuda:1, sm_86, gfx1100, …  [default: each one here]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def preflight(
    *, subject_or_format: str, engine: str | None, device: str | None, as_json: bool
) -> int:
    """Say which engines load SUBJECT_OR_FORMAT on what; a no has its reason and the nearest yes.

    A format is gguf, safetensors, mlx, exl2, exl3, awq, gptq, fp8, nvfp4, mxfp4 or bnb, with a
    quant behind a colon where there is one. Exit code 1 where nothing does.

    \b
    steelyard engines preflight awq --device sm_75
    steelyard engines preflight gguf:IQ4_XS --engine llamacpp
    """  # noqa: D301 - \b is click's own mark
    from steelyard.app.engines import preflights

    answered = preflights.answer(subject_or_format, engine, device, as_json=as_json)
    echo(answered.text)
    return answered.exit_code
