"""Planted vectors: each word of a text counts at a place that its hash names. Pure.

Texts that share words are alike, and nothing else is: enough to see that what was sent came back
and was used, and no measure of any embedding model.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

SIZE: Final = 256
_WORD: Final = re.compile(r"[a-z0-9]+")


def vector(text: str) -> list[float]:
    """Return the vector of a text."""
    counts = [0.0] * SIZE
    for word in _WORD.findall(text.lower()):
        counts[zlib.crc32(word.encode()) % SIZE] += 1.0
    return counts


def answer(body: bytes, model: str) -> Mapping[str, Any]:
    """Return the answer to a request for embeddings; raise `ValueError` for what is none."""
    asked = json.loads(body)
    texts = asked.get("input") if isinstance(asked, dict) else None
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("input is a text or a list of texts")
    rows = [
        {"object": "embedding", "index": at, "embedding": vector(text)}
        for at, text in enumerate(texts)
    ]
    return {"object": "list", "model": model, "data": rows}
