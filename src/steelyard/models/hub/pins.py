"""Which fetched models may not be deleted: the user's word, kept by digest.

One small file in the data folder, changed whole under a lock. Not aware of where the files lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput
from steelyard.models.hub import holding
from steelyard.platform import atomic

_NAME: Final = "pins.json"
_VERSION: Final = 1


@final
@dataclass(frozen=True, slots=True)
class Pins:
    """The pins kept in the data folder `home`."""

    home: Path

    def read(self) -> Mapping[str, str]:
        """Return the pinned digests with the names that they were pinned under.

        Raises `BadInput` for a file that cannot be read: to take it for empty would delete.
        """
        path = self.home / _NAME
        try:
            raw = json.loads(path.read_bytes())
            return {str(key): str(name) for key, name in dict(raw["pins"]).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            raise BadInput(
                f"{path} cannot be read, so nobody knows what is pinned",
                hint="mend it, or remove it and pin again what shall stay",
            ) from None

    def add(self, digests: Iterable[str], name: str) -> None:
        """Pin files under a name."""
        self._change(lambda pins: pins.update(dict.fromkeys(digests, name)))

    def drop(self, digests: Iterable[str]) -> None:
        """Take the pins of files away."""
        gone = set(digests)

        def drop(pins: dict[str, str]) -> None:
            for key in gone & set(pins):
                del pins[key]

        self._change(drop)

    def _change(self, how: Callable[[dict[str, str]], None]) -> None:
        with holding.alone(self.home / f".{_NAME}.lock"):
            pins = dict(self.read())
            how(pins)
            text = json.dumps({"version": _VERSION, "pins": pins}, indent=1, sort_keys=True)
            atomic.write(self.home / _NAME, text.encode())
