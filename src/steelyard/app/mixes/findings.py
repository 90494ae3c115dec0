"""What a recipe lab found, as it is handed from the search to those who keep it and tell it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import final

from steelyard.analysis.mixes import Proof
from steelyard.app.mixes.ground import Axis, Ground
from steelyard.campaigns.mixing import Finished
from steelyard.models import ladder
from steelyard.models.mixes import Choice
from steelyard.runs.divergence import Sums


@final
@dataclass(frozen=True, slots=True)
class Stock:
    """The stock mix with one importance matrix or none; divergence sums are the search text's."""

    axis: Axis
    order: ladder.Order
    sums: Sums

    @property
    def total(self) -> float:
        """The divergence by which the stock mixes are compared."""
        return math.fsum(self.sums)


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """The files of a better mix: the ladder's folder with the mix in it, and the recipe."""

    mix: Path
    recipe: Path
    folder: Path
    sha256: str


@final
@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search. `ways` are the options of each of `groups`, the stock mix's first.

    `base` is the stock mix with the importance matrix that suits it best on the search text;
    `held_out` has the sums of all `stocks` where a mix was proved.
    """

    ground: Ground
    stocks: tuple[Stock, ...]
    base: Stock
    groups: tuple[str, ...]
    ways: tuple[tuple[Choice, ...], ...]
    finished: Finished
    proof: Proof | None = None
    held_out: tuple[Sums, ...] = ()
    mix_bytes: int = 0
    kept: Kept | None = None

    @property
    def earlier(self) -> Path | None:
        """The recipe that another search for the same stock mix has left in the folder."""
        path = self.ground.out / f"{self.ground.stem}-mix.recipe.json"
        return path if path.is_file() else None
