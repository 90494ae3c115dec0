"""Tells what kind of answer lm-eval's tasks ask for, from within lm-eval's own environment.

Run as a script by that environment's interpreter: `describe_lm_eval.py TASK…`, names or paths of
task files. Its last line is a JSON object: `tasks` maps names to output types, groups and tags
taken apart; `unknown` are those that lm-eval has not. Fetches nothing. Never imported by Steelyard,
and not aware of it.
"""

from __future__ import annotations

import difflib
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def settings_of(entry: Any) -> dict[str, Any]:
    """Return an entry's settings, those of the files that it includes among them."""
    if entry.yaml_path is None:
        return dict(entry.cfg or {})
    read = import_module("lm_eval.tasks._yaml_loader").load_yaml
    return dict(read(entry.yaml_path, resolve_func=False, recursive=True))


def kinds(entry: Any, index: dict[str, Any], seen: set[str]) -> dict[str, str]:
    """Return the output types of an entry and of all that is in it."""
    if entry is None or entry.name in seen:
        return {}
    seen.add(entry.name)
    found: dict[str, str] = {}
    settings = settings_of(entry)
    inner = settings.get("task")
    if isinstance(inner, list):
        for each in inner:
            if isinstance(each, dict) and "output_type" in each:
                found[str(each.get("task"))] = str(each["output_type"])
            else:
                name = each.get("task") or each.get("group") if isinstance(each, dict) else each
                found.update(kinds(index.get(str(name)), index, seen))
    elif entry.kind.name == "TAG":
        for name in entry.tags:
            found.update(kinds(index.get(name), index, seen))
    else:
        found[entry.name] = str(settings.get("output_type", "generate_until"))
    return found


def main(names: list[str]) -> None:
    """Describe the tasks."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print
    paths = [name for name in names if name.endswith((".yaml", ".yml"))]
    index: dict[str, Any] = {}
    if len(paths) < len(names):
        index = dict(import_module("lm_eval.tasks").TaskManager().task_index)
    read = import_module("lm_eval.tasks._index").TaskIndex.entry_from_path
    found: dict[str, str] = {}
    unknown = []
    for name in names:
        entry = read(Path(name)) if name in paths else index.get(name)
        if entry is None:
            unknown.append(name)
        found.update(kinds(entry, index, set()))
    near = [each for name in unknown for each in difflib.get_close_matches(name, index, n=3)]
    out.write(json.dumps({"tasks": found, "unknown": unknown, "near": near}) + "\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
