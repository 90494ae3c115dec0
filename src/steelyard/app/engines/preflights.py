"""`engines preflight`, and the same question before a bench, a sweep or a download begins.

`require` is for other rooms. Not aware of engines' builds: whether this llama.cpp was built for the
GPU, `app.accelerators` says. What loads where: `app.loadable`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from steelyard.app import subjects
from steelyard.app.engines import containing
from steelyard.app.loadable import Row, table, target_of
from steelyard.app.results.files import Told
from steelyard.domain.errors import UnknownName, UnsupportedSubject
from steelyard.engines import devices, preflight
from steelyard.engines.preflight import Ok, Skip
from steelyard.engines.preflight_facts import ENGINES, FORMATS
from steelyard.llamalib import tensor_types
from steelyard.models import artifacts, quants
from steelyard.models.hub import names

_CONFIG: Final = "config.json"


def require(
    engine: str, path: Path, quant: str, device: str | None, types: Iterable[str] = ()
) -> None:
    """Raise `UnsupportedSubject` where an engine cannot load what lies at a path.

    `types` are those of the tensors: one that an engine does not know decides, whatever the quant.
    An engine that nothing is written about, such as the scripted one, is not asked.
    """
    if engine not in ENGINES:
        return
    target = target_of(device or devices.CPU)
    format_name = format_of(path)
    if format_name not in FORMATS:
        raise UnsupportedSubject(
            f"{path.name} is quantised by {format_name!r}, which no engine is known to load",
            hint="take the model in another format: `steelyard engines preflight gguf` shows where",
        )
    foreign = next((name for name in sorted(types) if preflight.of_ik(name)), quant)
    match preflight.verdict(engine, format_name, target, foreign):
        case Skip() as skip:
            raise UnsupportedSubject(skip.reason, hint=skip.nearest)
        case Ok():
            return


def format_of(path: Path) -> str:
    """Tell the format of a model file or folder by its name and its config.json."""
    if path.is_file() or path.suffix == ".gguf":  # one that is still on a hub is no file yet
        return "gguf"
    try:
        config = json.loads((path / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "safetensors"
    return preflight.format_of_config(config if isinstance(config, dict) else {})


def answer(asked: str, engine: str | None, device: str | None, *, as_json: bool) -> Told:
    """Told for a format such as `awq` or `gguf:IQ4_XS`, or for a model that is here."""
    format_name, quant = _asked(asked)
    rows = table(format_name, quant, engine, device)
    works = any(isinstance(row.verdict, Ok) for row in rows)
    if as_json:
        found = [
            {"engine": r.engine, "device": r.device, "works": isinstance(r.verdict, Ok)}
            | asdict(r.verdict)
            for r in rows
        ]
        out = {
            "format": format_name,
            "quant": quant,
            "verdicts": found,
            "containers": containing.tools(),
        }
        return Told(json.dumps(out, indent=1, sort_keys=True), 0 if works else 1)
    return Told("\n".join(_lines(format_name, quant, rows)), 0 if works else 1)


def _lines(format_name: str, quant: str, rows: tuple[Row, ...]) -> Iterator[str]:
    yield f"{format_name}{f' {quant}' if quant else ''}: {FORMATS[format_name]}"
    width = max(len(row.device) for row in rows)
    for row in rows:
        head = f"{row.engine:<13} {row.device:<{width}}  "
        match row.verdict:
            case Ok(source=source, note=note):
                yield f"{head}yes{f'. {note}' if note else ''}  [{source}]"
            case Skip(reason=reason, nearest=nearest, source=source):
                yield f"{head}no: {reason}. Nearest: {nearest}  [{source}]"
    yield ""
    yield f"{', '.join(containing.published())} are also started from images:"
    yield from (f"  {name:<8} {what}" for name, what in containing.tools().items())


def _asked(asked: str) -> tuple[str, str]:
    name, _, quant = asked.partition(":")
    if name.lower() in FORMATS:
        if name.lower() == "gguf" and quant:
            _require_quant(quant)
        return name.lower(), quant
    try:
        chosen = subjects.choose(asked)
    except UnknownName:
        raise UnknownName.among("format or model", asked, [*FORMATS, subjects.BUNDLED]) from None
    path, facts = chosen.files[0]
    artifacts.inspect(path)
    return format_of(path), facts.quant


def _require_quant(quant: str) -> None:
    """Raise `UnknownName` for a quant that no llama.cpp has a name for."""
    known = {*quants.BY_NAME, *tensor_types.BY_NAME, *tensor_types.REMOVED.values()}
    claimed = names.of_gguf(f"-{quant}.gguf").label  # an uploader's own mixtures too
    if quant.upper() not in known and not names.same(claimed, quant) and not preflight.of_ik(quant):
        raise UnknownName.among("quant", quant, known)
