"""What a choice is asked to do, and what can be known to be wrong before anything is started."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.app.benches.request import is_address
from steelyard.app.evals.request import EvalRequest
from steelyard.domain.errors import BadInput

ITEMS_MOST: Final = 1600


@final
@dataclass(frozen=True, slots=True)
class ChooseRequest:
    """What was typed. `eval` holds the reference and how everything is asked and served.

    `eval.items` is the most that any subject is asked, over all tasks together. `budget` is in
    seconds, `margin` a share. `aa` asks the reference once more at the end.
    """

    eval: EvalRequest
    candidates: tuple[str, ...]
    margin: float = 0.03
    every: bool = False
    fixed: bool = False
    budget: float | None = None
    aa: bool = True

    @property
    def items(self) -> int:
        """The most items of a subject."""
        return self.eval.items or ITEMS_MOST

    def check(self) -> None:
        """Raise `BadInput` for subjects that make no choice."""
        words = (self.eval.bench.subject, *self.candidates)
        if not self.candidates:
            raise BadInput(
                "a choice needs candidates beside its reference",
                hint="`steelyard eval choose REFERENCE CANDIDATE…`",
            )
        if (twice := next((w for w in words if words.count(w) > 1), None)) is not None:
            raise BadInput(f"{twice} was named twice", hint="name every subject once")

    def of(self, word: str) -> EvalRequest:
        """Return the request about one of the subjects; `URL#MODEL` names a server's model.

        Options that are about servers go to those alone where there are files as well, and the
        other way round; where they say nothing about any subject, that is refused as everywhere.
        """
        words = (self.eval.bench.subject, *self.candidates)
        mixed = len({is_address(one) for one in words}) > 1
        bench = self.eval.bench
        if is_address(word):
            url, _, model = word.partition("#")
            bench = replace(bench, subject=url, model=model or bench.model)
            if mixed:
                bench = replace(bench, threads=None, runtime=None, image=None, device=None)
        else:
            bench = replace(bench, subject=word)
            if mixed:
                bench = replace(
                    bench,
                    engine=None,
                    model=None,
                    api_key_env=None,
                    send_key_anywhere=False,
                    cacert=None,
                    insecure=False,
                )
        return replace(self.eval, bench=bench)
