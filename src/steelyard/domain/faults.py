"""What casts doubt on a run: its cautions, and what was proved of its subject and did not hold.

Not aware of how either was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from steelyard.domain.caution import Caution
from steelyard.domain.run import Proof, RunRecord


@final
@dataclass(frozen=True, slots=True)
class Faults:
    """The cautions of a run and its proofs that failed; both are empty where nothing is wrong."""

    cautions: tuple[Caution, ...] = ()
    failed: tuple[Proof, ...] = ()


def faults_of(record: RunRecord) -> Faults:
    """Return what casts doubt on a run, as its record tells it."""
    return Faults(record.cautions, tuple(one for one in record.proofs if not one.passed))
