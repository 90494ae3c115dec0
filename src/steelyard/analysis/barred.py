"""Tasks of which a server took no item: known by the marks, and no variant's loss.

Such a task is left out of all that is pooled, for every variant: else what some were asked would be
compared with what others were not. A variant that could be asked nothing at all bars no task: it
stands by itself. Not aware of why a server takes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import NotRun

_OTHERWISE: Final = "`tools_prompted` asks the same with the catalogue in the prompt"
# By the code of the marks: what keeps every item of a task from the model, found out beforehand.
BEFORE: Final[Mapping[str, str]] = {
    "no_tools": f"the server takes no tools for this model; {_OTHERWISE}",
    "tools_ignored": "the server counts as many tokens with tools as without, so that the model"
    f" never saw them; {_OTHERWISE}",
    "media_refused": "the server can show the model no such media, or leaves them out in silence",
    "media_untried": "whether the server shows the model such media could not be found out",
}
WHY: Final[Mapping[str, str]] = {
    **BEFORE,
    "context_overflow": "the server refuses every one of its questions for its length",
    "prompt_cut": "the server cuts every one of its questions",
}


def why(section: Section) -> str:
    """Return the code for which not one item of a task was asked; empty where any was."""
    codes = {m.outcome.why if isinstance(m.outcome, NotRun) else "" for m in section.marks.values()}
    return codes.pop() if len(codes) == 1 and codes <= WHY.keys() else ""


def refusal(run: RunRecord | None) -> str:
    """Return why a run was asked nothing at all; empty where any of its tasks was."""
    tasks = [section for section in run.sections if section.kind == "task"] if run else []
    codes = [why(section) for section in tasks]
    return "; ".join(WHY[code] for code in dict.fromkeys(codes)) if all(codes) else ""


def barred(runs: Iterable[tuple[str, RunRecord]]) -> dict[str, str]:
    """Return by the name of a task's section why it is left out, and of which of the labelled runs.

    One variant that cannot be asked a task is enough.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for label, run in runs:
        for section in run.sections:
            if section.kind == "task" and (code := why(section)):
                labels = found.setdefault(section.name, {}).setdefault(code, [])
                labels += [label] if label not in labels else []
    return {
        name: "; ".join(f"{WHY[code]} ({', '.join(labels)})" for code, labels in by_code.items())
        for name, by_code in sorted(found.items())
    }
