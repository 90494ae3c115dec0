"""`rescore`: stored answers marked again without a request, beside what they were marked then."""

from __future__ import annotations

import json
from collections.abc import Iterator

from steelyard.analysis import evaluation as scores
from steelyard.app.evals import comparing, depths, judge_texts, rag_texts, texts
from steelyard.app.results import tables
from steelyard.app.results.forms import with_forms
from steelyard.domain.errors import BadInput
from steelyard.domain.ids import plain
from steelyard.domain.run import RunRecord
from steelyard.domain.task import Mark
from steelyard.runs.rescore import rescore


def rescore_text(named: str, *, as_json: bool, by_level: bool = False) -> str:
    """Mark a run's answers again; the run is named by its folder or the beginning of its id."""
    before = comparing.record_named(named)
    if not any(section.kind == "task" for section in before.sections):
        raise BadInput(f"run {before.id} has no tasks", hint="`steelyard eval` makes runs that do")
    after = rescore(before)
    changed = list(_changed(before, after))
    found = with_forms(depths.with_lengths(scores.evaluate(after), after), after)
    if as_json:
        return json.dumps({"evaluation": plain(found), "changed": changed}, indent=1)
    retrieved = rag_texts.retrieval_text(found.retrieval, found.beside_first)
    judged = judge_texts.judging_text(found)
    scored = texts.evaluation_text(found, by_level=by_level)
    parts = (scored, judged, depths.text(found.lengths), retrieved)
    lines = [*filter(None, (*parts, tables.forms_text(after)))]
    lines += [f"  {one['task']} {one['item']}: {one['was']} → {one['is']}" for one in changed]
    lines.append(
        f"{len(changed)} of {found.overall.marks.right_share.n} marks changed"
        if changed
        else "every mark is the same as it was"
    )
    return "\n".join(lines)


def _changed(before: RunRecord, after: RunRecord) -> Iterator[dict[str, str]]:
    for old, new in zip(before.sections, after.sections, strict=True):
        for item, mark in old.marks.items():
            if (now := new.marks.get(item)) is not None and now != mark:
                yield {"task": old.name, "item": item, "was": _said(mark), "is": _said(now)}


def _said(mark: Mark) -> str:
    why = getattr(mark.outcome, "why", "") or mark.extracted.get("failed") or ""
    # What failed says more than the program that did.
    read = None if "failed" in mark.extracted else mark.extracted.get("flexible")
    kind = f"{mark.outcome.kind} ({why})" if why else mark.outcome.kind
    return kind if read is None else f"{kind}, read as {read!r}"
