"""What a model is made of: every number that its training depends on, hashed.

Two trainings of one recipe hash see the same batches in the same order. Arithmetic differs
between processors, so weights agree in quality, not in bytes. Not aware of torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final, final


@final
@dataclass(frozen=True, slots=True)
class Recipe:
    """One training: shape, batches, curriculum and rates.

    Rates follow warm-up, plateau, linear decay. `steps` and `decay_steps` are the plan; a running
    training may be told to decay earlier, and its log says so.
    """

    name: str
    layers: int
    feed_forward: int
    seed: int = 1
    rows: tuple[tuple[int, int], ...] = ((0, 16),)  # from this step on, so many rows a batch
    positions: int = 256
    # From this step on, the shares of math_words, reading, logic, formats: what is learned rests.
    families: tuple[tuple[int, tuple[int, int, int, int]], ...] = (
        (0, (30, 20, 30, 20)),
        (4000, (32, 26, 32, 10)),
    )
    steps: int = 20_000
    decay_steps: int = 2000
    warmup_steps: int = 20
    repeat_steps: int = 100
    drill_steps: int = 1500
    drill_share: float = 0.65  # of conversations, until then
    late_drill_share: float = 0.25
    long_share: float = 0.1  # of the decay phase, in batches of 4,096 positions
    long_positions: int = 4096
    target_share: float = 0.25  # of a batch's positions that carry a loss
    prompt_weight: float = 0.1  # of a prompt token, beside 1 for an answer token
    matrix_rate: float = 0.003
    vector_rate: float = 0.002
    weight_decay: float = 0.01
    facts: int = 500
    mix_revision: int = 4

    def rows_at(self, step: int) -> int:
        """Rows of one step's batch."""
        return [rows for start, rows in self.rows if start <= step][-1]

    def families_at(self, step: int) -> tuple[int, int, int, int]:
        """Shares of the four families at one step."""
        return [shares for start, shares in self.families if start <= step][-1]

    def tokens_at(self, step: int) -> int:
        """Positions of one step's batch."""
        return self.rows_at(step) * self.positions

    @property
    def sha256(self) -> str:
        """Hash of every field."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


BASE: Final = Recipe("base", layers=4, feed_forward=768, rows=((0, 8), (6000, 16)))
DRAFT: Final = Recipe(
    "draft",
    layers=1,
    feed_forward=512,
    steps=1500,
    decay_steps=400,
    repeat_steps=50,
    drill_steps=400,
)
SMOKE: Final = Recipe(
    "smoke",
    layers=2,
    feed_forward=512,
    steps=120,
    decay_steps=30,
    repeat_steps=0,
    drill_steps=60,
    long_share=0.0,
)
RECIPES: Final = {recipe.name: recipe for recipe in (BASE, DRAFT, SMOKE)}
