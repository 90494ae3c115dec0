"""A reference pack: what its header says of the reference, and what a check against it finds.

Divergences are KL(reference || subject) in nats a position. Not aware of files or of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from steelyard.domain.reading import Reading
from steelyard.domain.summary import Estimate

PACK_VERSION = 1
Way: TypeAlias = Literal["library", "server"]


@final
@dataclass(frozen=True, slots=True)
class PackFacts:
    """Of which model and text a pack is, and how fine.

    Windows of `window_tokens` tokens are read from an empty context and scored from `score_from`
    on. Each position holds its `top` most probable tokens and `drawn` ones of the rest.
    `vocabulary_sha256` is of the tokens' texts in order, `probe_tokens` are those that the
    reference's tokenizer makes of a fixed text. `floor` is what the reference's own probabilities
    diverge from their pack by, in nats: all of it is rounding.
    """

    version: int
    model: str
    model_sha256: str
    quant: str
    vocabulary: int
    vocabulary_sha256: str
    probe_tokens: tuple[int, ...]
    text: str
    text_sha256: str
    window_tokens: int
    score_from: int
    windows: int
    positions: int
    top: int
    drawn: int
    floor: float
    engine: str
    made_by: str


@final
@dataclass(frozen=True, slots=True)
class PackCheck:
    """How far a subject is from the reference of a pack.

    By the `library` all its probabilities are known, and the rest of the vocabulary is estimated
    without bias from the drawn tokens. A `server` tells the `told` most probable tokens, the rest
    is one bin, and `divergence` is a lower bound: `left_out` allows for what it misses, twice what
    the bin would add if it diverged as much for its mass as the less likely half of what was told.
    `rest_mass` is the reference's mean probability outside the tokens that were compared one by
    one; `silent` are positions at which the server told nothing, which count nowhere else.
    """

    subject: str
    way: Way
    pack_sha256: str
    facts: PackFacts
    divergence: Estimate
    p99: Estimate
    p999: Estimate
    same_top: Estimate
    positions: int
    silent: int
    told: Reading[int]
    rest_mass: float
    left_out: Reading[float]
