"""How the family `rag` retrieves: by what, in passages of which length, how many of them.

Kept in a task's settings, so that two ways to retrieve are two tasks with the same items. Not aware
of what retrieves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.task import Task

BM25, EMBEDDING, HYBRID = "bm25", "embedding", "hybrid"
RETRIEVERS: Final = (BM25, EMBEDDING, HYBRID)
CHUNKS: Final = range(128, 1024 + 1)
KS: Final = range(1, 20 + 1)
_NAMES: Final = ("retriever", "chunk", "k", "embedder")


@final
@dataclass(frozen=True, slots=True)
class RagSettings:
    """One way to retrieve; `embedder` is the model that embeds, where one does."""

    retriever: str = BM25
    chunk: int = 256
    k: int = 5
    embedder: str = ""

    def __post_init__(self) -> None:
        if self.retriever not in RETRIEVERS:
            raise UnknownName.among("retriever", self.retriever, RETRIEVERS)
        for what, value, known in (("chunk", self.chunk, CHUNKS), ("k", self.k, KS)):
            if value not in known:
                raise BadInput(
                    f"{what} {value} is out of reach", hint=f"from {known[0]} to {known[-1]}"
                )

    @property
    def embeds(self) -> bool:
        """Whether an embeddings endpoint is needed."""
        return self.retriever != BM25

    @classmethod
    def of(cls, task: Task) -> Self:
        """Read a task's settings; raise `BadInput` for what is none."""
        typed = dict(task.settings)
        for name in typed:
            if name not in _NAMES:
                raise UnknownName.among("setting of rag", name, _NAMES)
        try:
            numbers = {name: int(typed[name]) for name in ("chunk", "k") if name in typed}
        except ValueError:
            raise BadInput(f"chunk and k of rag are whole numbers, not {typed}") from None
        words = {name: typed[name] for name in ("retriever", "embedder") if name in typed}
        return cls(**words, **numbers)  # type: ignore[arg-type]

    def told(self) -> tuple[tuple[str, str], ...]:
        """Return the settings as a task keeps them."""
        whole = ((n, str(getattr(self, n))) for n in _NAMES)
        return tuple((name, value) for name, value in whole if value)
