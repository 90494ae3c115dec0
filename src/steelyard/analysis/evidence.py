"""All that a sweep's summary is computed from: one frozen value, stored beside the campaign.

Nothing in here depends on the day or the folder: the same evidence gives the same summary. Not
aware of how records are stored or how fidelity was computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from steelyard.analysis.ratings import Bands
from steelyard.domain.campaign import Sweep
from steelyard.domain.instrument import Instrument
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.run import Proof, RunRecord
from steelyard.domain.serverside import Sidecar
from steelyard.domain.summary import Fidelity


@final
@dataclass(frozen=True, slots=True)
class Evidence:
    """What one sweep left behind.

    `runs` in any order, with the canary's and the sentinels' among them (told apart by
    `domain.campaign.role_of`). `fidelity` is keyed by variant label; the reference has none.
    `proofs` are those of the engine (arithmetic); each record carries its own besides. `skipped`
    says what was not run and why, with the keys of `campaigns.instructions.Summarise`. `bands`
    are the user's own rating limits by metric. `elapsed_s` is the monotonic sum over all
    sessions of the campaign. `raw` is keyed by variant label too.
    """

    sweep: Sweep
    runs: tuple[RunRecord, ...]
    fidelity: Mapping[str, Reading[Fidelity]] = field(default_factory=dict)
    instrument: Instrument = Instrument()
    proofs: tuple[Proof, ...] = ()
    phases_s: Mapping[str, float] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    elapsed_s: Reading[float] = Missing("not_measured")
    bands: Mapping[str, Bands] = field(default_factory=dict)
    raw: Mapping[str, Reading[Sidecar]] = field(default_factory=dict)
