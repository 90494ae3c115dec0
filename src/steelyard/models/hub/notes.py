"""What has been said of fetched files, kept by digest: pins, and for whom a file was fetched.

A pin is the user's word that nothing may delete a file. A claim says that a sweep fetched it for
itself and may delete it again; whoever asks for the file by name takes the claim away. Small files
in the data folder, changed whole under a lock. Not aware of where the models lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.errors import BadInput
from steelyard.models.hub import holding
from steelyard.platform import atomic

Kind: TypeAlias = Literal["pins", "claims"]
_VERSION: Final = 1
_LOST: Final[Mapping[Kind, tuple[str, str]]] = {
    "pins": ("nobody knows what is pinned", "pin again what shall stay"),
    "claims": ("nobody knows what sweeps have fetched", "what they have fetched then stays"),
}


@final
@dataclass(frozen=True, slots=True)
class Notes:
    """The notes of one kind, kept in the data folder `home`."""

    home: Path
    kind: Kind

    @property
    def path(self) -> Path:
        """The file that they are kept in."""
        return self.home / f"{self.kind}.json"

    def read(self) -> Mapping[str, str]:
        """Return the digests and what is said of each: a pin's name, a claim's sweep.

        Raises `BadInput` for a file that cannot be read: to take it for empty would delete.
        """
        try:
            raw = json.loads(self.path.read_bytes())
            return {str(key): str(name) for key, name in dict(raw[self.kind]).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            lost, again = _LOST[self.kind]
            raise BadInput(
                f"{self.path} cannot be read, so {lost}", hint=f"mend it, or remove it: {again}"
            ) from None

    def add(self, digests: Iterable[str], name: str) -> None:
        """Say it of some files."""
        self._change(lambda notes: notes.update(dict.fromkeys(digests, name)))

    def drop(self, digests: Iterable[str]) -> None:
        """Take back what was said of files."""
        gone = set(digests)
        if not gone & set(self.read()):
            return

        def drop(notes: dict[str, str]) -> None:
            for key in gone & set(notes):
                del notes[key]

        self._change(drop)

    def _change(self, how: Callable[[dict[str, str]], None]) -> None:
        with holding.alone(self.home / f".{self.path.name}.lock"):
            notes = dict(self.read())
            how(notes)
            text = json.dumps({"version": _VERSION, self.kind: notes}, indent=1, sort_keys=True)
            atomic.write(self.path, text.encode())
