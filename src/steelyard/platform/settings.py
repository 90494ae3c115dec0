"""Where the user's data lies and what the user has set. The only reader of the environment.

`settings.toml` in the data folder may hold one table, `[ratings]`, which maps a metric's name to
the four limits of its bands; whether the metric exists is `analysis.ratings`' to say, which knows
them. Not aware of metrics, campaigns or doors.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, final

import platformdirs

from steelyard.domain.errors import BadInput, UnknownName

Bands: TypeAlias = tuple[float, float, float, float]

HOME_VARIABLE: Final = "STEELYARD_HOME"
FILE_NAME: Final = "settings.toml"
_TABLES: Final = ("ratings",)
_LIMITS: Final = 4


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every campaign of this user on this machine."""

    home: Path
    ratings: Mapping[str, Bands] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The store."""
        return self.home / "steelyard.db"

    @property
    def calibration(self) -> Path:
        """What the instrument found about itself on this machine."""
        return self.home / "instrument.json"

    @property
    def engine_profiles(self) -> Path:
        """The user's own engine profiles, one YAML file each."""
        return self.home / "engine-profiles"

    @property
    def forge(self) -> Path:
        """Checkpoints and logs of training."""
        return self.home / "forge"


def load(variables: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; `variables` stands in for the environment where it is given.

    Raises:
        BadInput: the file cannot be read or a limit is no number.
        UnknownName: a table that does not exist.
    """
    known = os.environ if variables is None else variables
    home = Path(known.get(HOME_VARIABLE) or platformdirs.user_data_dir("steelyard")).expanduser()
    path = home / FILE_NAME
    if not path.is_file():
        return Settings(home)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}", hint="mend it, or move it away") from None
    for table in raw:
        if table not in _TABLES:
            raise UnknownName.among(f"setting in {path}", table, _TABLES)
    return Settings(home, _ratings(path, raw.get("ratings", {})))


def _ratings(path: Path, raw: object) -> dict[str, Bands]:
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: ratings is not a table", hint="write [ratings] on a line alone")
    return {str(name): _bands(path, str(name), limits) for name, limits in raw.items()}


def _bands(path: Path, name: str, limits: object) -> Bands:
    numbers = (
        [float(x) for x in limits if isinstance(x, int | float) and not isinstance(x, bool)]
        if isinstance(limits, list)
        else []
    )
    if not isinstance(limits, list) or len(numbers) != len(limits) or len(numbers) != _LIMITS:
        raise BadInput(
            f"{path}: ratings.{name} is {limits!r}, not four numbers",
            hint="four limits, from excellent to poor: [30, 20, 10, 5]",
        )
    if numbers not in (sorted(numbers), sorted(numbers, reverse=True)):
        raise BadInput(
            f"{path}: ratings.{name} goes up and down: {limits!r}",
            hint="order the four limits from excellent to poor",
        )
    return numbers[0], numbers[1], numbers[2], numbers[3]
