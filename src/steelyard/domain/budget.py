"""What a recording proxy may spend: money, tokens, time; and how people write it.

Not aware of how anything is counted (`runs.allowance`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.errors import BadInput

_PART: Final = re.compile(r"(\d+(?:\.\d+)?(?:e\d{1,2})?)\s*(usd|tok|h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0}
_EXAMPLE: Final = "write 2usd, 1e6tok or 30m; several with commas"


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent: US dollars, tokens in and out together, seconds. None: no end."""

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, text: str) -> Budget:
        """Read what a person wrote; raise `BadInput` with an example."""
        found: dict[str, float] = {}
        for part in text.lower().split(","):
            match = _PART.fullmatch(part.strip())
            if match is None or not math.isfinite(amount := float(match[1])) or amount <= 0:
                raise BadInput(f"{part.strip()!r} is no budget", hint=_EXAMPLE)
            kind = match[2] if match[2] in ("usd", "tok") else "time"
            if kind in found:
                raise BadInput(f"{text!r} names one kind of budget twice", hint=_EXAMPLE)
            found[kind] = amount * _SECONDS.get(match[2], 1.0)
        tokens = found.get("tok")
        if tokens is not None and tokens < 1:
            raise BadInput(f"{text!r} is less than a token", hint=_EXAMPLE)
        return cls(found.get("usd"), None if tokens is None else int(tokens), found.get("time"))

    def __str__(self) -> str:
        parts = [
            *([f"{self.usd:g} USD"] if self.usd is not None else []),
            *([f"{self.tokens:,} tokens"] if self.tokens is not None else []),
            *([f"{self.seconds:g} s"] if self.seconds is not None else []),
        ]
        return ", ".join(parts) or "no limit"
