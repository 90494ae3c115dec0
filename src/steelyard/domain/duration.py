"""A span of time as people write it: `45m`, `90s`, `1h30m`, `500ms`. Not aware of options."""

from __future__ import annotations

import math
import re
from typing import Final

EXAMPLES: Final = "45m, 90s, 1h30m or 500ms"
_PARTS: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(text: str) -> float | None:
    """Return the seconds, which may be none at all or without end; None for no duration."""
    typed = text.strip().lower()
    parts = _PARTS.findall(typed)
    if not parts or "".join(number + unit for number, unit in parts) != typed:
        return None
    return math.fsum(float(number) * _SECONDS[unit] for number, unit in parts)
