"""One row: what is asked and known of it, as it lies on the shelf; and the question it becomes.

The id of a question is a hash of what determines its answer, never of where the row stood. Not
aware of files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

from steelyard.tasks.given import scorers
from steelyard.tasks.items import Question, content_hash

USUAL_TOKENS: Final = 256
_USUAL: Final[Mapping[str, Any]] = {
    "system": "",
    "answer": (),
    "cluster": "",
    "kind": "question",
    "max_tokens": USUAL_TOKENS,
    "label": "",
    "tools": (),
}


@final
@dataclass(frozen=True, slots=True)
class Row:
    """A prompt with the answers that are accepted; `where` and `label` help a person find it."""

    prompt: str
    scorer: Mapping[str, Any]
    answer: tuple[str, ...] = ()
    system: str = ""
    cluster: str = ""
    kind: str = "question"
    max_tokens: int = USUAL_TOKENS
    label: str = ""
    tools: tuple[str, ...] = ()
    where: str = field(default="", compare=False)

    @property
    def asked(self) -> str:
        """Return a hash of what is asked, whatever the known answer."""
        return content_hash(self.system, self.prompt)[:32]

    @property
    def id(self) -> str:
        """Return a hash of what determines the answer."""
        known = json.dumps([self.answer, self.scorer], sort_keys=True)
        return content_hash("given", self.system, self.prompt, known, *self.tools)[:32]

    def line(self) -> bytes:
        """Return the row as one line; what is as usual is left out."""
        every = {name: getattr(self, name) for name in (*_USUAL, "where")}
        told = {k: v for k, v in every.items() if v != _USUAL.get(k, "")}
        whole = {"prompt": self.prompt, "scorer": self.scorer, **told}
        return json.dumps(whole, sort_keys=True, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Row:
        """Read what `line` wrote."""
        raw = json.loads(line)
        lists = {name: tuple(raw.get(name, ())) for name in ("answer", "tools")}
        return cls(**{**raw, **lists})

    def question(self, family: str) -> Question:
        """Return the item."""
        named = self.id
        return Question(
            id=named,
            cluster=content_hash(family, self.cluster)[:16] if self.cluster else named[:16],
            family=family,
            level=1,
            kind=self.kind,
            prompt=self.prompt,
            answer=" | ".join(self.answer),
            max_tokens=self.max_tokens,
            scorer=scorers.make(self.scorer, self.answer),
            system=self.system,
            tools=self.tools,
        )
