"""Where the prompts of a load come from, and how a person says so.

A source is identity only: settings, and for a file the sha256 and the number of prompts in it. The
texts read from the file travel beside it in `Prompts`, the path in neither. Turning a source into
requests is `workloads.prompts`'. Not aware of tokens, engines or clocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, assert_never, final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.prompts import (
    OUTPUT_TOKENS,
    Form,
    FromFile,
    Images,
    Prefix,
    PromptSource,
    Recorded,
    ShareGpt,
    Synthetic,
)
from steelyard.workloads.rows import Row, rows_of, sharegpt_rows

Number = TypeVar("Number", int, float)

# A shorter prompt has no room for a beginning of its own, so it would repeat by accident.
SHORTEST_TOKENS: Final = 16
_FORMS: Final[Mapping[str, Form]] = {".txt": "txt", ".jsonl": "jsonl", ".csv": "csv"}
_KINDS: Final = ("synthetic", "prefix", "sharegpt", "images")
_IMAGES_MOST: Final = 64
_PIXELS_MOST: Final = 4096  # a side


@final
@dataclass(frozen=True, slots=True)
class Prompts:
    """A source, and the texts that were read for it; none where they are made up."""

    source: PromptSource
    rows: tuple[Row, ...] = ()


def read(text: str) -> Prompts:
    """Read what a person typed, and the file that it names; raise `BadInput` with the way out.

    `synthetic:in=512,out=128,in_sd=50,out_sd=20`, `prefix:prefix=1024,in=128,out=64,groups=8`,
    `images:n=1,width=448,height=336,in=32,out=128`, `sharegpt:FILE[,out=N]` or `FILE[,out=N]`.
    """
    name, colon, rest = text.strip().partition(":")
    if name == "synthetic":
        return Prompts(_synthetic(rest))
    if name == "prefix":
        return Prompts(_prefix(rest))
    if name == "images":
        return Prompts(_images(rest))
    if name == "sharegpt":
        path, output = _file_named(rest, "sharegpt")
        data = _bytes_of(path)
        found = sharegpt_rows(data, str(path))
        return Prompts(ShareGpt(_sha256(data), len(found), output), found)
    if colon and name.isidentifier() and not _file_named(text, "")[0].exists():
        raise UnknownName.among("kind of prompts", name, _KINDS)
    return _from_file(text.strip())


def described(source: PromptSource) -> str:
    """Return the source in a few words; those that are made up as they are typed."""
    match source:
        case Synthetic(input_tokens=i, output_tokens=o, input_sd=i_sd, output_sd=o_sd):
            spread = f",in_sd={i_sd:g}" if i_sd else ""
            spread += f",out_sd={o_sd:g}" if o_sd else ""
            return f"synthetic:in={i},out={o}{spread}"
        case Prefix(prefix_tokens=p, input_tokens=i, output_tokens=o, groups=g):
            return f"prefix:prefix={p},in={i},out={o},groups={g}"
        case FromFile():
            return f"{source.rows} prompts of a .{source.form} file, sha256 {source.sha256[:12]}"
        case ShareGpt():
            return f"{source.rows} ShareGPT conversations, sha256 {source.sha256[:12]}"
        case Recorded(prompt_tokens=lengths):
            return f"lengths of {len(lengths)} recorded requests"
        case Images(images=n, width=w, height=h, input_tokens=i, output_tokens=o):
            return f"images:n={n},width={w},height={h},in={i},out={o}"
        case _:
            assert_never(source)


def _images(rest: str) -> Images:
    given = _settings("images", rest, ("n", "width", "height", "in", "out"))
    plain = Images()
    made = Images(
        _take(given, "n", _whole, plain.images),
        _take(given, "width", _whole, plain.width),
        _take(given, "height", _whole, plain.height),
        _take(given, "in", _prompt_length, plain.input_tokens),
        _take(given, "out", _whole, plain.output_tokens),
    )
    if made.images > _IMAGES_MOST or max(made.width, made.height) > _PIXELS_MOST:
        raise BadInput(
            f"images: {made.images} pictures of {made.width} × {made.height} are too many or large",
            hint=f"{_IMAGES_MOST} a prompt and {_PIXELS_MOST} pixels a side are the most",
        )
    return made


def _synthetic(rest: str) -> Synthetic:
    given = _settings("synthetic", rest, ("in", "out", "in_sd", "out_sd"))
    plain = Synthetic()
    return Synthetic(
        _take(given, "in", _prompt_length, plain.input_tokens),
        _take(given, "out", _whole, plain.output_tokens),
        _take(given, "in_sd", _spread, plain.input_sd),
        _take(given, "out_sd", _spread, plain.output_sd),
    )


def _prefix(rest: str) -> Prefix:
    given = _settings("prefix", rest, ("prefix", "in", "out", "groups"))
    plain = Prefix()
    return Prefix(
        _take(given, "prefix", _prompt_length, plain.prefix_tokens),
        _take(given, "in", _prompt_length, plain.input_tokens),
        _take(given, "out", _whole, plain.output_tokens),
        _take(given, "groups", _whole, plain.groups),
    )


def _from_file(text: str) -> Prompts:
    path, output = _file_named(text, "")
    data = _bytes_of(path)
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise BadInput(
            f"prompts are not read from {path.name}: its ending is none of {', '.join(_FORMS)}",
            hint="rename it, or write sharegpt:FILE for ShareGPT's JSON",
        )
    found = rows_of(data, form, str(path))
    source = FromFile(_sha256(data), len(found), form, output or OUTPUT_TOKENS)
    return Prompts(source, found)


def _file_named(text: str, kind: str) -> tuple[Path, int | None]:
    """Return the path and the output length; a file whose name holds a comma is itself."""
    path, comma, rest = text.rpartition(",")
    if not comma or "=" not in rest or Path(text).expanduser().exists():
        path, rest = text, ""
    if not path:
        raise BadInput(f"{kind or 'prompts'} names no file", hint="write sharegpt:FILE, or FILE")
    given = _settings(kind or "a file", rest, ("out",))
    return Path(path).expanduser(), _take(given, "out", _whole, 0) or None


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInput(
            f"there is no file {path}",
            hint=f"give a file of prompts, or one of {', '.join(f'{k}:…' for k in _KINDS)}",
        ) from None
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror}", hint="give a file that can be"
        ) from None


def _settings(kind: str, rest: str, known: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.strip().partition("=")
        if not equals or not value:
            raise BadInput(
                f"{kind}: {part.strip()!r} is no setting", hint=f"write {known[0]}=NUMBER"
            )
        if key not in known:
            raise UnknownName.among(f"setting of {kind}", key, known)
        if key in given:
            raise BadInput(f"{kind}: {key} is given twice", hint="give it once")
        given[key] = value
    return given


def _take(
    given: Mapping[str, str], key: str, parse: Callable[[str, str], Number], default: Number
) -> Number:
    return parse(key, given[key]) if key in given else default


def _whole(key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()) or int(value) < 1:
        raise BadInput(f"{key}={value} is no whole number above 0", hint=f"write {key}=128")
    return int(value)


def _prompt_length(key: str, value: str) -> int:
    tokens = _whole(key, value)
    if tokens < SHORTEST_TOKENS:
        raise BadInput(
            f"{key}={value} leaves no room for a beginning of its own: prompts would repeat",
            hint=f"take {SHORTEST_TOKENS} tokens or more",
        )
    return tokens


def _spread(key: str, value: str) -> float:
    digits = value.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit()):
        raise BadInput(f"{key}={value} is no spread in tokens", hint=f"write {key}=50")
    return float(value)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
