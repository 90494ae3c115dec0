"""From what a person types to files: `FILE`, `FOLDER`, `NAME[:QUANT][@ENGINE[/PROFILE]]`, `hf:…`.

A name is looked for in the stores of this machine; `ollama:NAME[:TAG]` means Ollama's. Reads
headers and hashes; makes nothing. Not aware of campaigns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeAlias, final

from steelyard.app.hub import hub_subjects, pulling
from steelyard.app.profiles import profiles
from steelyard.app.profiles.files import ProfileFile
from steelyard.app.stores import stored_models
from steelyard.domain.errors import BadInput, UnknownName, UnreadableModel, UnsupportedSubject
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.subject import ArtifactFacts, ReferenceKind, Variant
from steelyard.engines import api, environments, meeting
from steelyard.models import artifacts, find, folders, quants, safetensors
from steelyard.models.stores import hugging_face, local, ollama_store
from steelyard.models.stores.scanning import Found
from steelyard.platform import clock

BUNDLED: Final = "bundled"
_NS_PER_S: Final = 1e9
Files: TypeAlias = tuple[tuple[Path, ArtifactFacts], ...]


@final
@dataclass(frozen=True, slots=True)
class Chosen:
    """What a subject stands for: a model's name, its files best first, and the engine.

    `ladder` is true when the files are a ladder already, so that nothing is to be made; `profile`
    is the engine profile that was named, None where none was.
    """

    model: str
    files: tuple[tuple[Path, ArtifactFacts], ...]
    engine: str
    ladder: bool
    imatrix: Path | None = None
    profile: ProfileFile | None = None


def bundled(name: str) -> Path:
    """Return the path of a file of the bundled model."""
    return Path(str(files("steelyard.bundled") / name))


def choose(subject: str, listed: Files | None = None, *, contained: bool = False) -> Chosen:
    """Say what a subject stands for. Raises `BadInput` for what cannot be found or read.

    `listed` are the files of a hub's subject that is not here yet, best first; `contained`: its
    engine is to be started from a published image.
    """
    if "://" in subject:
        raise BadInput(
            f"{subject} is the address of a server, and a file is read here",
            hint="give the model's file or its folder",
        )
    if (path := Path(subject).expanduser()).exists():
        return _at(path, "llamacpp")
    name, at, engine = subject.rpartition("@") if "@" in subject else (subject, "", "llamacpp")
    engine, slash, profile = engine.partition("/")
    if engine not in api.dialects():
        raise UnknownName.among("engine", engine, api.dialects())
    require_loading(engine, contained=contained)
    named = profiles.named(profile, engine) if slash else None
    if listed is not None:
        repo = pulling.target(name).name
        return replace(_ladder_of(repo.rpartition("/")[2], listed, engine), profile=named)
    return replace(_chosen(name, engine, at=bool(at)), profile=named)


def choose_one(subject: str, *, contained: bool = False) -> Chosen:
    """Say what a subject stands for that is one file. Raises `BadInput` for several, too."""
    chosen = choose(subject, contained=contained)
    if len(chosen.files) != 1:
        raise BadInput(f"{subject} holds several models", hint="name one file of it")
    return chosen


def require_loading(engine: str, *, contained: bool = False) -> None:
    """Raise `UnsupportedSubject` for an engine that only somebody else can start."""
    able = api.dialect(engine).capabilities
    if not able.formats and not (contained and able.image_formats):
        image = "add `--runtime container` to start its published image, or " * bool(
            able.image_formats
        )
        raise UnsupportedSubject(
            f"{engine} is not started here, so that no file can be given to it",
            hint=f"{image}start it with the model yourself and measure it at its address: "
            f"`steelyard bench http://HOST:PORT --engine {engine}`, or `steelyard sweep` likewise",
        )


def _chosen(name: str, engine: str, *, at: bool) -> Chosen:
    if at and (path := Path(name).expanduser()).exists():
        return _at(path, engine)
    if hub_subjects.is_hub(name):
        return _fetched(name, engine)
    return _named(name, engine)


def on(subject: str, engine: str | None) -> str:
    """Return a subject with the engine that an option names, as one would write it behind an @."""
    if engine is None:
        return subject
    if engine == meeting.ANY:
        raise UnsupportedSubject(
            f"{engine} is any server at an address, and {subject} is a file",
            hint="leave --engine out: llamacpp serves it then",
        )
    if engine not in api.dialects():
        raise UnknownName.among("engine", engine, {*api.dialects(), meeting.ANY})
    if Path(subject).expanduser().exists() or "@" not in subject:
        return f"{subject}@{engine}"
    own = subject.rpartition("@")[2].partition("/")[0]
    if own != engine:
        raise BadInput(
            f"{subject} names the engine {own}, and --engine {engine}", hint="leave one of them out"
        )
    return subject


def require_gguf(chosen: Chosen, what: str) -> Chosen:
    """Return what was chosen; refuse a folder of safetensors for work that takes GGUF files."""
    folder = next((path for path, _ in chosen.files if path.is_dir()), None)
    if folder is not None:
        raise UnsupportedSubject(
            f"{folder} is a folder of safetensors, and {what} takes GGUF files on {chosen.engine}",
            hint="`bench`, `engines compare` and `sweep` take such a folder with its engine behind"
            f" it: {folder.name}@mlx or {folder.name}@transformers",
        )
    return chosen


def reference_kind(facts: ArtifactFacts) -> ReferenceKind:
    """Return `native` for a precision that models are published in, else `lossy`."""
    return "native" if quants.is_native(facts.quant) else "lossy"


def verified(
    label: str, path: Path, emit: Emit, *, reference: ReferenceKind | None = None
) -> Variant:
    """Hash a file and read its header: the variant that it is."""
    started_ns = clock.monotonic_ns()
    size = sum(file.stat().st_size for file in folders.files_of(path)) or path.stat().st_size
    emit(PhaseStarted("hashing", size >> 20 or None, path.name))
    artifact = artifacts.fingerprint(
        path, lambda done, _total: emit(Advanced("hashing", done >> 20))
    )
    # In a store the file or folder itself is called by a hash.
    if name := ollama_store.name_of(path) or hugging_face.name_of(path):
        artifact = replace(artifact, name=name)
    emit(PhaseEnded("hashing", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    facts = artifacts.inspect(path)
    mark = " synthetic" if facts.synthetic else ""
    return Variant(f"{label}{mark}", artifact, facts, reference)


def labels(found: tuple[tuple[Path, ArtifactFacts], ...]) -> dict[Path, str]:
    """Name each file by its quant, and by its file name where two share one."""
    seen: dict[str, list[Path]] = {}
    for path, facts in found:
        seen.setdefault(facts.quant, []).append(path)
    return {
        path: quant if len(paths) == 1 else f"{quant} ({path.stem})"
        for quant, paths in seen.items()
        for path in paths
    }


def _at(path: Path, engine: str) -> Chosen:
    if path.is_dir() and folders.is_model(path):
        found = ((path, artifacts.inspect(path)),)
        return Chosen(path.resolve().name, found, engine, ladder=False)
    if path.is_dir():
        return _folders(path, engine) if engine in environments.NAMES else _ladder(path, engine)
    if path.suffix == safetensors.SUFFIX:
        raise UnsupportedSubject(
            f"{path.name} is one file of a model, which is a folder with config.json",
            hint=f"name the folder: {path.parent}",
        )
    return Chosen(path.stem, ((path, artifacts.inspect(path)),), engine, ladder=False)


def _folders(folder: Path, engine: str) -> Chosen:
    """Read every model folder of a folder; they must be quants of one model."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and folders.is_model(path))
    if not inside:
        raise BadInput(
            f"{folder} holds no folder of a model (config.json beside safetensors)",
            hint=f"give one, or a folder that holds several; {engine} loads no GGUF files",
        )
    found = sorted(
        ((path, artifacts.inspect(path)) for path in inside),
        key=lambda pair: (-pair[1].file_bpw, str(pair[0])),
    )
    _refuse_strangers(found)
    return Chosen(folder.resolve().name, tuple(found), engine, ladder=len(found) > 1)


def _ladder(folder: Path, engine: str) -> Chosen:
    """Read every model file of a folder; they must be quants of one model."""
    scanned = find.scan((folder,))
    if scanned.broken:
        path, reason = scanned.broken[0]
        raise UnreadableModel(
            f"{path} is in the folder and cannot be read: {reason}",
            hint="mend or remove it, then sweep the folder again",
        )
    found = sorted(scanned.models, key=lambda pair: (-pair[1].file_bpw, str(pair[0])))
    if not found:
        raise BadInput(
            f"{folder} holds no GGUF file",
            hint="give a file, or a folder with a ladder; to folders of safetensors belongs an"
            " engine: @mlx or @transformers",
        )
    _refuse_strangers(found)
    return Chosen(folder.resolve().name, tuple(found), engine, ladder=len(found) > 1)


def _fetched(name: str, engine: str) -> Chosen:
    """Read the variants of a hub's repository that were fetched before."""
    here = hub_subjects.here(name)
    found = sorted(
        ((path, artifacts.inspect(path)) for path in here.paths),
        key=lambda pair: (-pair[1].file_bpw, str(pair[0])),
    )
    return _ladder_of(here.repo.rpartition("/")[2], tuple(found), engine)


def _ladder_of(model: str, found: Files, engine: str) -> Chosen:
    _refuse_strangers(found)
    return Chosen(model, found, engine, ladder=len(found) > 1)


def _refuse_strangers(found: Sequence[tuple[Path, ArtifactFacts]]) -> None:
    """Raise `BadInput` unless all files, best first, are quants of one model."""
    first = found[0][1]
    for path, facts in found[1:]:
        if (facts.architecture, facts.parameters, facts.vocabulary) != (
            first.architecture,
            first.parameters,
            first.vocabulary,
        ):
            raise BadInput(
                f"{path.name} is another model than {found[0][0].name}: "
                f"{facts.architecture} of {facts.parameters:,} weights and {facts.vocabulary:,} "
                f"tokens, not {first.architecture}, {first.parameters:,} and {first.vocabulary:,}",
                hint="keep the quants of one model in a folder of their own",
            )


def _named(name: str, engine: str) -> Chosen:
    if name == BUNDLED:
        path = bundled("base.gguf")
        imatrix = bundled("imatrix.gguf")
        return Chosen(
            BUNDLED, ((path, artifacts.inspect(path)),), engine, ladder=False, imatrix=imatrix
        )
    found = _stored(name)
    if len(found) != 1:
        raise stored_models.several(name, found)
    entry, path = found[0].entry, found[0].store.locate(found[0].entry)
    model = path.stem if entry.store == "folder" else local.plain(entry.name.replace(":", "-"))
    return Chosen(model, ((path, found[0].details.facts),), engine, ladder=False)


def _stored(name: str) -> tuple[Found, ...]:
    """Look a name up in the stores of this machine; a path that is not there is called one."""
    path_like = name.endswith(".gguf") or "/" in name
    try:
        return stored_models.named(name)
    except UnknownName:
        if not path_like:
            raise
        raise BadInput(
            f"there is no file {name}",
            hint="check the path; `steelyard models list` shows what is here",
        ) from None
