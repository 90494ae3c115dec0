"""Strict YAML: keys and values that are known, each with the line it stands on.

Not aware of what the keys mean.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from steelyard.domain.errors import BadInput


def read(path: Path, known: Collection[str]) -> tuple[Any, dict[str, int]]:
    """Return the keys of a file with their values, and the line of each key.

    Raises `BadInput` for what is no YAML, has a key twice, or has one that is not `known`.
    """
    raw = _loaded(path)
    lines = {str(key): raw.lc.key(key)[0] + 1 for key in raw}
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise BadInput(
                f"{path}, line {lines[str(key)]}: unknown key {str(key)!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}",
            )
    return raw, lines


def _loaded(path: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        found = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise BadInput(f"{path} cannot be read: {why}", hint="check the path") from None
    except RecursionError:
        raise BadInput(
            f"{path} is nested too deeply to be read", hint="write one `key: value` a line"
        ) from None
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = f", line {mark.line + 1}" if mark is not None else ""
        what = error.problem if isinstance(error, MarkedYAMLError) else str(error)
        raise BadInput(
            f"{path}{line} is no YAML: {what}", hint="write one `key: value` a line"
        ) from None
    if not isinstance(found, CommentedMap):
        raise BadInput(f"{path} holds no keys", hint="write one `key: value` a line")
    return found
