"""Read JSON back into domain types, and write it: strict, with one clear message on bad input.

The canonical writer is `domain.ids.plain`; this file is its inverse, built on pydantic, and so is
imported late and never from `--help`.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from steelyard.domain.errors import BadInput
from steelyard.domain.ids import plain

T = TypeVar("T")


def encode(value: object, *, indent: int | None = None) -> str:
    """Return JSON text of a domain value (fields at their default are left out)."""
    return json.dumps(plain(value), indent=indent, sort_keys=True, ensure_ascii=False)


def decode(kind: type[T], text: str | bytes, *, source: str) -> T:
    """Read JSON text into `kind`; raise `BadInput` that names `source` and the offending key."""
    try:
        raw = json.loads(text)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{source} is not JSON: {error}", hint="write it again or restore it"
        ) from None
    return from_plain(kind, raw, source=source)


def from_plain(kind: type[T], raw: object, *, source: str) -> T:
    """Read plain JSON values into `kind`; raise `BadInput` naming the first offending key."""
    try:
        value = _adapter(cast("Any", kind)).validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BadInput(f"{source}: {where}: {first['msg']}") from None
    for path, key, known in _unknown_keys(value, raw, ()):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        raise BadInput(f"{source}: unknown key {'.'.join((*path, key))!r}", hint=hint)
    return cast("T", value)


def schema(kind: type[object]) -> dict[str, Any]:
    """Return the JSON Schema of a domain type."""
    return _adapter(cast("Any", kind)).json_schema()


def _unknown_keys(
    value: object, raw: object, where: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, list[str]]]:
    """Yield keys of `raw` that the decoded `value` has no field for."""
    if dataclasses.is_dataclass(value) and isinstance(raw, Mapping):
        known = [field.name for field in dataclasses.fields(value)]
        for key, item in raw.items():
            if key in known:
                yield from _unknown_keys(getattr(value, key), item, (*where, key))
            else:
                yield where, str(key), known
    elif isinstance(value, Mapping) and isinstance(raw, Mapping):
        for key, item in raw.items():
            yield from _unknown_keys(value.get(key), item, (*where, str(key)))
    elif isinstance(value, tuple | list) and isinstance(raw, list | tuple):
        for index, (item, raw_item) in enumerate(zip(value, raw, strict=False)):
            yield from _unknown_keys(item, raw_item, (*where, str(index)))


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
