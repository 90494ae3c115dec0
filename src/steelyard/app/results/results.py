"""`results`: what was measured so far, out of the user's database; text comes back as text.

Simulated runs stand apart and are shown only when asked for. No number is computed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from steelyard.app.results import comparison, exporting, tables
from steelyard.app.results.comparison import Comparison
from steelyard.app.results.exporting import Format
from steelyard.domain.codec import encode
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.run import RunRecord
from steelyard.platform import atomic, settings
from steelyard.store.care import Rebuilt
from steelyard.store.care import rebuild as rebuild_store
from steelyard.store.database import Store
from steelyard.store.query import RunQuery, RunRow

_BOTH: Final = (False, True)
_MEASURED: Final = (False,)


@contextmanager
def opened() -> Iterator[Store]:
    """Open the user's database."""
    with Store(settings.load().database) as store:
        yield store


def show(store: Store, prefix: str) -> RunRecord:
    """Return the record whose id begins with `prefix`."""
    return store.get(store.find(prefix))


def named(store: Store, word: str) -> RunRecord:
    """Return the record whose id begins with a word that is the name of no folder."""
    try:
        return show(store, word)
    except UnknownName as error:
        raise UnknownName(
            f"there is no folder {word}, and no run whose id begins so", hint=error.hint
        ) from None


def compare(store: Store, first: str, second: str, *, include_polluted: bool = False) -> Comparison:
    """Compare the second run with the first; raise `BadInput` with the reasons why not."""
    records = show(store, first), show(store, second)
    return comparison.compare(*records, include_polluted=include_polluted)


def export(store: Store, form: Format, rows: Sequence[RunRow], out: Path | None = None) -> str:
    """Return runs as text, or write them whole into `out` and return what was done."""
    if out is not None and out.is_dir():
        raise BadInput(f"{out} cannot be written: it is a folder", hint="name a file in it")
    text = exporting.export(form, ((row, store.get(row.id)) for row in rows))
    if out is None:
        return text
    atomic.write(out, text.encode())
    return f"{len(rows)} {'run' if len(rows) == 1 else 'runs'} written to {out}\n"


def list_text(model: str | None, limit: int, *, simulated: bool, as_json: bool) -> str:
    """List runs, the newest first; simulated ones come in a list of their own."""
    with opened() as store:
        lists = [
            store.runs(RunQuery(model=model, limit=limit, simulated=kind))
            for kind in (_BOTH if simulated else _MEASURED)
        ]
    if as_json:
        rows = [exporting.row_values(row) for found in lists for row in found]
        return json.dumps({"runs": rows}, indent=1)
    return "\n\n".join(
        tables.list_table(found, simulated=kind) for kind, found in zip(_BOTH, lists, strict=False)
    )


def show_text(run: str, *, as_json: bool) -> str:
    """Show one run: what it was, what was proved, what it measured, what to beware of."""
    with opened() as store:
        record = show(store, run)
    return exporting.whole_json(record) if as_json else tables.record_text(record)


def compare_text(first: str, second: str, *, as_json: bool, include_polluted: bool = False) -> str:
    """Compare two runs in words and numbers."""
    with opened() as store:
        found = compare(store, first, second, include_polluted=include_polluted)
    return encode(found, indent=1) if as_json else tables.comparison_text(found)


def export_text(form: str, out: Path | None, *, simulated: bool) -> str:
    """Export every stored run; a column says which are simulated."""
    forms: dict[str, Format] = {"csv": "csv", "json": "json", "jsonl": "jsonl"}
    if form not in forms:
        raise UnknownName.among("format", form, forms)
    with opened() as store:
        kinds = _BOTH if simulated else _MEASURED
        rows = [row for kind in kinds for row in store.runs(RunQuery(simulated=kind))]
        return export(store, forms[form], rows, out)


def rebuild_text(folders: Sequence[Path]) -> str:
    """Load the records of sweep folders into the database, made anew if it is damaged."""
    if not any(folder.is_dir() for folder in folders):
        raise BadInput(
            f"there is no folder {', '.join(map(str, folders))}",
            hint="name the folders that `steelyard sweep` printed at its end",
        )
    return _rebuilt(rebuild_store(settings.load().database, folders))


def _rebuilt(found: Rebuilt) -> str:
    lines = [f"runs loaded: {found.runs}, of campaigns: {found.campaigns}"]
    if found.aside is not None:
        lines.append(f"The damaged one was moved to {found.aside}.")
    lines += [f"not loaded: {problem}" for problem in found.problems]
    return "\n".join(lines)
