"""What a person wants to look at: a family by name, or a file of their own.

Not aware of terminals.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from steelyard.app.evals import own_files, standard_sets, tasks
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit
from steelyard.domain.task import Task


@final
@dataclass(frozen=True, slots=True)
class Given:
    """What was typed: exactly one of a family or set, and a file; columns go with a file."""

    name: str | None
    file: Path | None = None
    columns: Path | None = None

    @property
    def family(self) -> str | None:
        """The family's name, or None for a file; raises `BadInput` for both and for neither."""
        if (self.name is None) == (self.file is None):
            raise BadInput(
                "name a family, or a file with --file: one of the two",
                hint="`steelyard tasks list` shows the families",
            )
        if self.columns is not None and self.file is None:
            raise BadInput("--columns says what is in a --file", hint="name the file too")
        return self.name

    @property
    def generated(self) -> str | None:
        """The family's name, or None for what is read from a file or a set."""
        name = self.family
        return None if name is None or name.startswith(standard_sets.MARK) else name

    def task(
        self,
        level: int | None,
        items: int | None,
        seed: int,
        private_seed: str | None,
        emit: Emit,
    ) -> Task:
        """Return the task; of a file as many items as it has, if it has fewer."""
        if (name := self.generated) is not None:
            return tasks.task(name, level, items or 1, seed, private_seed)
        if level is not None or private_seed is not None:
            raise BadInput(
                "a file or set has neither levels nor a private seed",
                hint="leave --level, --private and --private-seed out",
            )
        if self.file is not None:
            whole = own_files.task(self.file, self.columns, emit)
        else:
            whole = standard_sets.task(str(self.name).removeprefix(standard_sets.MARK), emit)
        return own_files.some(whole, None if items is None else min(items, whole.items), seed)
