"""Where a run takes place: the program of its engine, its folder, its files.

Not aware of what is run there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from steelyard.domain.run import Place
from steelyard.domain.subject import Subject
from steelyard.llamalib import runtimes


def place_for(subject: Subject, folder: Path, paths: Mapping[str, Path]) -> Place:
    """Return the place of one run of `subject`. Raises `BadInput` when its runtime is missing."""
    if subject.engine == "scripted":
        program: tuple[str, ...] = (sys.executable, "-m", "steelyard.scripted")
    else:
        program = runtimes.find(subject.runtime).server()
    return Place(program=program, paths=dict(paths), folder=folder)
