"""What a message of the chat API carries besides its text: files, by their kind. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, TypeAlias

Files: TypeAlias = tuple[tuple[str, bytes], ...]


def content(raw: object) -> tuple[str, Files]:
    """Return the text of a message and its files; raise `ValueError` for what is no part."""
    if not isinstance(raw, list):
        return str(raw), ()
    texts, files = [], []
    for part in raw:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "input_audio", "input_audio": {"data": str(data)}}:
                files.append(("audio", base64.b64decode(data, validate=True)))
            case {"type": ("image_url" | "audio_url" | "video_url") as name}:
                files.append((name.removesuffix("_url"), _opened(part[name])))
            case _:
                raise ValueError(f"unsupported content part: {part!r}")
    return "".join(texts), tuple(files)


def _opened(link: Mapping[str, Any]) -> bytes:
    """Return the bytes of a data URL."""
    head, comma, data = str(link["url"]).partition(",")
    if not head.startswith("data:") or not head.endswith(";base64") or not comma:
        raise ValueError(f"no data URL: {head[:80]}")
    return base64.b64decode(data, validate=True)
