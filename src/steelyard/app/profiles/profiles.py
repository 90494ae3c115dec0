"""Engine profiles by name: the built-in ones and the user's own, found, checked, shown.

A name stands for one file: where two have it, it is refused instead of one shadowing the other.
What a profile sets is checked against what the engine's launch passes on and, for llama.cpp,
against the options of the server that will be started. Reading a file: `app.profiles.files`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from steelyard.app import accelerators
from steelyard.app.profiles import files as profile_files
from steelyard.app.profiles.files import DRAFT, IMAGE, ProfileFile
from steelyard.domain.errors import BadInput, SteelyardError, UnknownName, UnsupportedSubject
from steelyard.domain.subject import EngineProfile
from steelyard.engines import api, environments
from steelyard.engines.images import RUNTIME
from steelyard.engines.llamacpp import FULL_PRECISION_KV
from steelyard.llamalib import options
from steelyard.models import artifacts
from steelyard.platform import settings

ANY: Final = "any"
_LLAMA: Final = "llamacpp"
_IK: Final = "ik_llamacpp"
_SUFFIXES: Final = (".yaml", ".yml")
# What Steelyard gives llama-server itself: said a second time, the record would lie.
_OWN: Final = {
    "--model": "the subject",
    "--alias": "the subject's name",
    "--host": "the run's place",
    "--port": "the run's place",
    "--metrics": "Steelyard",
    "--threads": "threads",
    "--threads-batch": "threads",
    "--parallel": "slots",
    "--kv-unified": "Steelyard: each slot has a context of its own",
    "--no-kv-unified": "Steelyard: each slot has a context of its own",
    "--ctx-size": "context_tokens",
    "--batch-size": "batch_tokens",
    "--ubatch-size": "micro_batch_tokens",
    "--n-gpu-layers": "gpu_layers",
    "--split-mode": "split_mode",
    "--tensor-split": "gpus",
    "--cache-type-k": "kv_type",
    "--cache-type-v": "kv_type_v",
    "--flash-attn": "flash_attention",
    "--seed": "--seed of the command",
    "--cache-ram": "Steelyard: kept prompts would be counted as the model's memory",
    "--fit": "Steelyard: the subject may not be resized",
    "--model-draft": DRAFT,
    "--device": "--device of the command",
}
# And what it gives the servers that live in an environment of their own.
_OWN_THERE: Final = _OWN | {
    "--prompt-concurrency": "slots",
    "--decode-concurrency": "slots",
    "--prefill-step-size": "batch_tokens",
    "--prompt-cache-size": "Steelyard: kept prompts are not computed again",
    "--default-seed": "--seed of the command",
}


def named(name: str, engine: str) -> ProfileFile:
    """Return the profile of a name for an engine, its draft model hashed; raise `BadInput`.

    Whether the engine's build takes it, `check` says: it depends on the runtime.
    """
    found = _one(name)
    _require_engine(found, engine)
    return located(found)


def check(profile: ProfileFile, engine: str, runtime: str = "wheel") -> None:
    """Raise `BadInput` for what this engine cannot be given."""
    _require_engine(profile, engine)
    able = api.dialect(engine).capabilities.profile_keys
    asked = {**profile.settings, **({"draft_sha256": ""} if profile.draft else {})}
    for key in asked:
        if key not in able:
            key = DRAFT if key == "draft_sha256" else key  # noqa: PLW2901 - as it was written
            raise UnsupportedSubject(
                f"{profile.at(key)}: {engine} cannot be given {key}",
                hint=f"it takes {', '.join(sorted(able)) or 'no settings'}",
            )
    if profile.image and runtime != RUNTIME:
        raise BadInput(
            f"{profile.at(IMAGE)}: an image is for an engine that is started in a container",
            hint="add --runtime container, or leave the image out",
        )
    if engine in environments.NAMES:
        _check_environment(profile, engine)
    if engine in (_LLAMA, _IK):
        _check_llama(profile, engine, runtime if engine == _LLAMA else "native")


def _require_engine(profile: ProfileFile, engine: str) -> None:
    for each in profile.engines:
        if each != ANY and each not in api.dialects():
            raise UnknownName.among(
                f"engine (as {profile.at('engine')} says)", each, api.dialects()
            )
    if ANY not in profile.engines and engine not in profile.engines:
        raise UnsupportedSubject(
            f"engine profile {profile.name} is for {', '.join(profile.engines)}, not {engine}",
            hint=f"name it behind its own engine: @{profile.engines[0]}/{profile.name}",
        )


def located(profile: ProfileFile) -> ProfileFile:
    """Hash the draft model that a profile names, so that its content becomes a setting."""
    if not profile.draft:
        return profile
    path = _draft(profile)
    sha256 = artifacts.fingerprint(path).sha256
    return replace(profile, settings={**profile.settings, "draft_sha256": sha256}, draft=str(path))


def paths(profile: ProfileFile | None) -> dict[str, Path]:
    """Return where the draft model of a located profile lies, by its hash."""
    if profile is None or not profile.draft:
        return {}
    return {str(profile.settings["draft_sha256"]): Path(profile.draft)}


def names() -> frozenset[str]:
    """Return every name that a profile has."""
    return frozenset(_files())


def list_text(*, as_json: bool) -> str:
    """List every profile, with what is wrong with a broken one."""
    rows = list(_rows())
    if as_json:
        return json.dumps(rows, indent=1, sort_keys=True)
    width = max(len(row["name"]) for row in rows)
    lines = [
        f"{row['name']:<{width}}  {', '.join(row['engines']):<12}  "
        f"{'! ' + row['broken'] if row['broken'] else row['description']}"
        for row in rows
    ]
    return "\n".join([*lines, "", f"your own: {_own_folder()}/NAME.yaml"])


def show_text(name: str, *, as_json: bool) -> str:
    """Show one profile: its file, and every setting that comes of it."""
    found = _one(name)
    usual = EngineProfile()
    whole = {key: getattr(found.over(usual), key) for key in usual.__dataclass_fields__}
    if found.draft:
        whole[DRAFT] = str(_draft(found))
    if found.image:
        whole[IMAGE] = found.image
    del whole["draft_sha256"]
    if as_json:
        out = {"name": found.name, "path": str(found.path), "engines": found.engines}
        return json.dumps({**out, "settings": whole, "set": sorted(found.settings)}, indent=1)
    lines = [f"# {found.path}", found.path.read_text(encoding="utf-8").rstrip(), ""]
    for key, value in whole.items():
        by = "set here" if key in found.settings or key in (DRAFT, IMAGE) else "the usual"
        shown = " ".join(value) if isinstance(value, tuple) else value
        lines.append(f"{key:<20} {'' if shown is None else shown!s:<12} {by}")
    return "\n".join(lines)


def check_text(name_or_file: str, engine: str | None, runtime: str) -> str:
    """Check one profile for each engine that it is for; raise what is wrong with it."""
    path = Path(name_or_file).expanduser()
    there = path.suffix in _SUFFIXES and path.is_file()
    found = profile_files.read(path) if there else _one(name_or_file)
    engines = [engine] if engine else [each for each in found.engines if each != ANY]
    for each in engines or api.dialects():
        check(found, each, runtime)
    if found.draft:
        _draft(found)
    against = "what the engine takes"
    if {_LLAMA, _IK} & {*engines} and runtime != RUNTIME:
        against = options.of(runtime if _LLAMA in engines else "native").source
    settings_count = len(found.settings) + bool(found.draft) + bool(found.image)
    return (
        f"{found.name}: {settings_count} settings, checked against {against}; "
        f"for {', '.join(engines) or 'any engine'}"
    )


def _one(name: str) -> ProfileFile:
    """Find the one file of a name and read it; a name that two files have is refused."""
    known = _files()
    if name not in known:
        raise UnknownName.among("engine profile", name, known)
    if len(known[name]) > 1:
        raise BadInput(
            f"two engine profiles have the name {name!r}: {' and '.join(map(str, known[name]))}",
            hint="rename your own: nothing says which of them is meant",
        )
    path = known[name][0]
    return profile_files.read(path, built_in=path.parent == _built_in())


def _files() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in (_built_in(), _own_folder()):
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            if path.suffix in _SUFFIXES:
                found.setdefault(path.stem, []).append(path)
    return found


def _built_in() -> Path:
    return Path(str(files("steelyard.engines") / "profiles"))


def _own_folder() -> Path:
    return settings.load().engine_profiles


def _rows() -> Iterator[dict[str, Any]]:
    for name, there in sorted(_files().items()):
        row: dict[str, Any] = {"name": name, "path": str(there[0]), "engines": [], "broken": ""}
        row["description"] = ""
        try:
            found = _one(name)
        except SteelyardError as error:
            row["broken"] = str(error)
        else:
            row |= {"engines": list(found.engines), "description": found.description}
        yield row


def _check_llama(profile: ProfileFile, engine: str, runtime: str) -> None:
    if engine == _IK:
        if not profile.settings.keys() & {"kv_type", "kv_type_v", "extra_args"}:
            return  # nothing of which its own options could tell
        options.server_of(ik=True)
    # What an image takes, only itself could say: the wheel knows the words that are ours.
    taken = options.wheel() if runtime == RUNTIME else options.of(runtime)
    for key in ("kv_type", "kv_type_v"):
        wanted = profile.settings.get(key)
        if runtime != RUNTIME and wanted is not None and wanted not in taken.kv_types:
            near = difflib.get_close_matches(wanted, taken.kv_types, n=1)
            raise BadInput(
                f"{profile.at(key)}: {taken.source} has no cache of type {wanted!r}",
                hint=(f"did you mean {near[0]}? " if near else "")
                + f"known: {', '.join(taken.kv_types)}",
            )
    given = profile.over(EngineProfile())
    values = given.kv_type_v or given.kv_type
    if values not in FULL_PRECISION_KV and not given.flash_attention:
        key = "kv_type_v" if given.kv_type_v else "kv_type"
        raise UnsupportedSubject(
            f"{profile.at(key)}: llama.cpp quantises the values in its cache ({values}) only with "
            "flash attention",
            hint="add flash_attention: true, or kv_type_v: f16",
        )
    if given.gpu_layers and engine == _LLAMA and runtime != RUNTIME:
        _with_line(profile, "gpu_layers", lambda: accelerators.require_gpu(runtime))
    if given.gpus > 1:
        _with_line(profile, "gpus", lambda: accelerators.require_gpu(runtime, given.gpus))
    if given.gpus > 1 and given.split_mode == "tensor" and not given.flash_attention:
        raise UnsupportedSubject(
            f"{profile.at('split_mode')}: llama.cpp splits tensors only with flash attention",
            hint="add flash_attention: true, or split_mode: row",
        )
    if given.extra_args:
        _refuse_own(profile, given.extra_args, taken.names)
        if runtime != RUNTIME:
            _with_line(profile, "extra_args", lambda: taken.refuse(given.extra_args))


def _check_environment(profile: ProfileFile, engine: str) -> None:
    """Look its own words up in the engine's help, where it is installed."""
    words = profile.settings.get("extra_args", ())
    if not words or environments.found(engine) is None:
        return
    known = environments.options(engine)
    own = {name: (name,) for name in _OWN_THERE}
    _refuse_own(profile, words, {name: own.get(name, ()) for name in known})
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise BadInput(
                f"{profile.at('extra_args')}: the server of {engine} has no option {name}",
                hint=f"did you mean {near[0]}?" if near else "its --help lists what it takes",
            )


def _refuse_own(
    profile: ProfileFile, words: tuple[str, ...], names: Mapping[str, tuple[str, ...]]
) -> None:
    for word in words:
        spellings = names.get(word.partition("=")[0], ())
        own = next((_OWN_THERE[each] for each in spellings if each in _OWN_THERE), None)
        if own is not None:
            raise BadInput(
                f"{profile.at('extra_args')}: {word} is already said by {own}",
                hint="say it there, or leave it out",
            )


def _with_line(profile: ProfileFile, key: str, look: Any) -> None:
    try:
        look()
    except BadInput as error:
        raise type(error)(f"{profile.at(key)}: {error}", hint=error.hint) from None


def _draft(profile: ProfileFile) -> Path:
    if profile.draft == "bundled":
        return Path(str(files("steelyard.bundled") / "draft.gguf"))
    path = (profile.path.parent / Path(profile.draft).expanduser()).resolve()
    if not path.is_file():
        raise BadInput(
            f"{profile.at(DRAFT)}: there is no file {path}",
            hint="a path is read from the profile's own folder; `bundled` names the bundled draft",
        )
    artifacts.inspect(path)
    return path
