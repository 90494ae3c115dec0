"""The notes of this machine's user on fetched files: where they are kept. Not aware of models."""

from __future__ import annotations

from steelyard.models.hub.notes import Notes
from steelyard.platform import settings


def pins() -> Notes:
    """Return the user's pins."""
    return Notes(settings.load().home, "pins")


def claims() -> Notes:
    """Return which files sweeps have fetched for themselves, and which sweep each."""
    return Notes(settings.load().home, "claims")
