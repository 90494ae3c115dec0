"""Engine profiles as files: strict YAML in, settings with their line numbers out, and back.

A key that is not known is refused with the nearest that is, and with its line; so is a value of
the wrong kind, and a key twice. What a profile does not set is left to the work at hand. Not aware
of where files lie, nor of what an engine makes of them: that is `app.profiles`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import BadInput
from steelyard.domain.subject import EngineProfile
from steelyard.engines.devices import ALL_LAYERS, SPLIT_MODES
from steelyard.engines.images import require_reference
from steelyard.platform import yaml_keys

DRAFT: Final = "draft_model"
IMAGE: Final = "image"
_MOST: Final = 1 << 31


@final
@dataclass(frozen=True, slots=True)
class ProfileFile:
    """One engine profile by name: for which engines, and the fields of `EngineProfile` it sets.

    `lines` has the line of each key. `draft` is the file of a draft model as it was written, found
    from the profile's own folder, `image` the image of an engine that is started in a container.
    """

    name: str
    path: Path
    engines: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    description: str = ""
    draft: str = ""
    built_in: bool = False
    image: str = ""

    def over(self, usual: EngineProfile) -> EngineProfile:
        """Return `usual` with what this profile sets."""
        from dataclasses import replace

        return replace(usual, **self.settings)

    def at(self, key: str) -> str:
        """Say where a key stands, for messages."""
        line = self.lines.get(key)
        return f"{self.path}, line {line}" if line else str(self.path)


def read(path: Path, *, built_in: bool = False) -> ProfileFile:
    """Read one file; raise `BadInput` that names file, line and what is wrong with it."""
    raw, lines = yaml_keys.read(path, _KEYS)
    found = {str(key): _checked(path, lines, str(key), value) for key, value in raw.items()}
    engines = found.pop("engine", ())
    if not engines:
        raise BadInput(
            f"{path} does not say for which engine it is", hint="add a line: engine: llamacpp"
        )
    description, draft = found.pop("description", ""), found.pop(DRAFT, "")
    image = found.pop(IMAGE, "")
    _refuse_contradictions(path, lines, found)
    return ProfileFile(path.stem, path, engines, found, lines, description, draft, built_in, image)


def text(engine: str, settings: Mapping[str, Any], comments: tuple[str, ...]) -> str:
    """Return a profile as a file: comments first, then each setting on a line of its own."""
    lines = [f"# {line}".rstrip() for line in comments]
    lines.append(f"engine: {engine}")
    for key, value in settings.items():
        lines.append(f"{key}: {json.dumps(list(value) if isinstance(value, tuple) else value)}")
    return "\n".join(lines) + "\n"


def _checked(path: Path, lines: Mapping[str, int], key: str, value: Any) -> Any:
    kind, check = _KEYS[key]
    try:
        return check(value)
    except (TypeError, ValueError):
        shown = json.dumps(value, default=str)
        raise BadInput(
            f"{path}, line {lines[key]}: {key} is {shown}, not {kind}",
            hint="`steelyard engines profiles show default` names a file to begin with",
        ) from None


def _refuse_contradictions(path: Path, lines: Mapping[str, int], found: Mapping[str, Any]) -> None:
    usual = EngineProfile()
    batch = found.get("batch_tokens", usual.batch_tokens)
    micro = found.get("micro_batch_tokens", usual.micro_batch_tokens)
    if micro > batch and lines.keys() & {"batch_tokens", "micro_batch_tokens"}:
        key = "micro_batch_tokens" if "micro_batch_tokens" in found else "batch_tokens"
        raise BadInput(
            f"{path}, line {lines[key]}: a micro-batch of {micro} tokens does not fit a batch of "
            f"{batch}",
            hint="raise batch_tokens, or lower micro_batch_tokens",
        )
    if "split_mode" in found and found.get("gpus", usual.gpus) == 1:
        raise BadInput(
            f"{path}, line {lines['split_mode']}: on one GPU nothing is split",
            hint="add gpus: 2, or leave split_mode out",
        )


# ── what a key may hold ─────────────────────────────────────────────────────────────────────────


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return int(value)

    return check


def _layers(value: Any) -> int:
    return ALL_LAYERS if value == "all" else _whole(0, ALL_LAYERS)(value)


def _split_mode(value: Any) -> str:
    if value not in SPLIT_MODES:
        raise ValueError
    return str(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return str(value)


def _image(value: Any) -> str:
    return require_reference(_word(value))


def _words(value: Any) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found:
        raise TypeError
    return tuple(_word(each) for each in found)


def _arguments(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or any(isinstance(v, bool | dict | list) for v in value):
        raise TypeError
    return tuple(str(each) for each in value)


_KEYS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "engine": ("an engine or a list of engines", _words),
    "description": ("a text", _word),
    "context_tokens": ("a whole number from 256 on", _whole(256, _MOST)),
    "slots": ("a whole number from 1 to 1,024", _whole(1, 1024)),
    "threads": ("a whole number from 1 to 1,024", _whole(1, 1024)),
    "batch_tokens": ("a whole number from 1 on", _whole(1, _MOST)),
    "micro_batch_tokens": ("a whole number from 1 on", _whole(1, _MOST)),
    "gpu_layers": ("a whole number of layers, or all", _layers),
    "gpus": ("a whole number from 1 to 64", _whole(1, 64)),
    "split_mode": ("row, tensor or layer", _split_mode),
    "kv_type": ("a type such as f16 or q8_0", _word),
    "kv_type_v": ("a type such as f16 or q8_0", _word),
    "flash_attention": ("true or false", _switch),
    "extra_args": ("a list of words", _arguments),
    DRAFT: ("a file, or bundled", _word),
    IMAGE: ("an image, best as NAME@sha256:…", _image),
}
