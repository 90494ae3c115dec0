"""Arithmetic proofs that tests lend each other: a proof holds for a build and a machine."""

from __future__ import annotations

from pathlib import Path

KEPT = Path(__file__).parents[1] / ".pytest_cache" / "steelyard-proofs"


def lend(home: Path) -> None:
    """Link them into a user's data folder, which may not be there yet."""
    KEPT.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    link = home / "proofs"
    if not link.exists():
        link.symlink_to(KEPT)
