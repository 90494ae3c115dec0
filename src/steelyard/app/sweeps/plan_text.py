"""The plan of a sweep in words or as JSON, with what it would fetch. Nothing is made here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from steelyard.app.sweeps import asked, fetching, foreseeing
from steelyard.app.sweeps.foreseeing import Foreseen
from steelyard.app.sweeps.spec import SweepRequest
from steelyard.domain.private import shareable
from steelyard.domain.progress import Emit
from steelyard.reports.figures import duration


def dry_run_text(request: SweepRequest, emit: Emit, *, as_json: bool) -> str:
    """Return the plan of a sweep, and of what it would fetch; fetches headers at the most."""
    found = None if request.resume else asked.still_on_a_hub(request)
    if found is None or found.is_ladder:
        ahead = foreseeing.foresee(request, emit, found)
        if ahead.fetching is not None:
            fetching.require_room(ahead.fetching, ahead.folder.root, ahead.disk_bytes)
        return plan_text(ahead, as_json=as_json)
    asked.check_source(request, found)
    fetching.require_room(found, request.out or foreseeing.new_folder(found.model), 0)
    if as_json:
        told = {"fetch": fetching.as_plain(found, keep_all=request.keep_all)}
        return json.dumps(told, indent=1, sort_keys=True)
    lines = fetching.lines(found, request.keep, keep_all=request.keep_all)
    made = "What is made of it, and in which order it is run, is planned once the file is here."
    return "\n".join([f"From {found.landing.repo}:", *lines, made])


def plan_text(ahead: Foreseen, *, as_json: bool) -> str:
    """Return the plan for people or as JSON."""
    request, found = ahead.request, ahead.fetching
    if as_json:
        told = dict(cast("Mapping[str, Any]", shareable(ahead.plan)))
        if found is not None:
            told["fetch"] = fetching.as_plain(found, keep_all=request.keep_all)
        return json.dumps(told, indent=1, sort_keys=True)
    lines = [f"Plan {ahead.plan.id} of {ahead.sweep.model}, in this order:"]
    for number, cell in enumerate(ahead.plan.cells, start=1):
        work_names = [w.name for w in cell.spec.workloads] + [t.family for t in cell.spec.tasks]
        lines.append(
            f"{number:4d}. block {cell.block + 1}  {cell.label:<10} {cell.role:<10} "
            f"about {cell.estimate_s:5.1f} s  {', '.join(work_names)}"
        )
    if tasks := ahead.sweep.tasks:
        counts = ", ".join(f"{task.items} {task.section}" for task in tasks)
        lines.append(f"      asked of each variant: {counts}")
    lines += [f"      skipped: {skip.label}: {skip.reason}" for skip in ahead.plan.skipped]
    if (soak := ahead.plan.soak) is not None:
        lasts = f"{soak.streams} at a time for {duration(ahead.plan.soak_s)}"
        lines.append(f"      then: what is chosen is kept under load, {lasts}")
    if found is not None:
        lines.append(f"From {found.landing.repo}:")
        lines += fetching.lines(found, request.keep, keep_all=request.keep_all)
    lines.append(f"Everything is written to {ahead.folder.root}/")
    return "\n".join(lines)
