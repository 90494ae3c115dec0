"""`--runtime container`: the tool, what others left behind, the image by its content.

The dialect names an image for the kind of device; what is started is `NAME@sha256:…`. A tag that
has no digest there is pinned to the one that it stands for when it is first fetched, and it says
so. Not aware of how a container is started (`engines.contained`) or of terminals.
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import BadInput, EngineError, SteelyardError, TooLittleRoom
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Container
from steelyard.engines import api, devices, digests, images
from steelyard.engines.api import Contained
from steelyard.engines.images import Image
from steelyard.models import disk
from steelyard.platform import clock, containers, process
from steelyard.platform.containers import Tool

_PHASE: Final = "fetching the image"
_MANIFEST_LIMIT_S: Final = 60.0
_LAYER_DONE: Final = (": Pull complete", ": Already exists")
_ROOTS: Final = {"docker": "{{.DockerRootDir}}", "podman": "{{.Store.GraphRoot}}"}
_ELSEWHERE: Final = ("tcp://", "ssh://")
_NS_PER_S: Final = 1e9


def prepare(
    engine: str, device: str | None, asked: str, image: str | None, emit: Emit
) -> Container:
    """Return from what an engine is started in a container, its image being here.

    `asked` is a tool or either, `image` what was named instead of the engine's own. Raises what is
    missing, with the way to it.
    """
    dialect = contained(engine)
    kind = devices.split(device or devices.CPU)[0]
    known = images.choose(engine, dialect.images, platform.machine(), kind)
    tool = containers.find(asked)
    _require_here(tool)
    if gone := containers.clear_left_overs(tool):
        emit(
            Noted(f"removed {len(gone)} containers that an ended Steelyard had left", warning=True)
        )
    named = known.reference if image is None else images.require_reference(image)
    pinned = _typed(tool, image, emit) if image is not None else _own(tool, known, emit)
    emit(Noted(f"{engine} from {pinned}, by {tool}"))
    return Container(str(tool), tool.program, pinned, named, kind)


def contained(engine: str) -> Contained:
    """Return the dialect of an engine that is published as images; raise `BadInput` for others."""
    dialect = api.dialect(engine)
    if not isinstance(dialect, Contained):
        able = ", ".join(sorted(published()))
        raise BadInput(
            f"no image of {engine} is known here: --runtime container starts {able}",
            hint="leave --runtime out, or start its container yourself and give its address",
        )
    return dialect


def published() -> tuple[str, ...]:
    """Return the engines that are published as images."""
    return tuple(name for name in api.dialects() if isinstance(api.dialect(name), Contained))


def tools() -> dict[str, str]:
    """Say of each container tool what it is, or why it cannot be used."""
    return {
        name: f"not here: {what}" if isinstance(what, SteelyardError) else f"version {what.version}"
        for name, what in containers.look()
    }


def clear() -> int:
    """Remove the containers that ended Steelyards have left; return how many."""
    answering = [what for _, what in containers.look() if isinstance(what, Tool)]
    return sum(len(containers.clear_left_overs(tool)) for tool in answering)


# ── by its content ──────────────────────────────────────────────────────────────────────────────


def _own(tool: Tool, image: Image, emit: Emit) -> str:
    """Return the engine's own image by its content: as its file says, or as it was pinned here."""
    known = image.digest or digests.recorded(image.reference)
    if known:
        pinned = f"{image.name}@{known}"
        if tool.inspect(pinned, "image") is None:
            _pull(tool, pinned, emit)
        return pinned
    found = tool.inspect(image.reference, "image")
    if found is None:
        _pull(tool, image.reference, emit)
        found = tool.inspect(image.reference, "image") or {}
    digest = images.digest_of(image.reference, found.get("RepoDigests") or ())
    if not digest:
        raise BadInput(
            f"{tool.name} does not tell the digest of {image.reference}: it came from no registry",
            hint=f"name what is meant with --image, or remove it: `{tool.name} rmi "
            f"{image.reference}`",
        )
    digests.record(image.reference, digest, str(tool))
    emit(
        Noted(
            f"{image.reference} is pinned to {digest} from now on ({digests.path_of()}): nobody "
            "has published a digest of it that could be checked"
        )
    )
    return f"{image.name}@{digest}"


def _typed(tool: Tool, reference: str, emit: Emit) -> str:
    """Return an image that somebody named by its content: a tag is what it stands for now."""
    found = tool.inspect(reference, "image")
    if found is None:
        _pull(tool, reference, emit)
        found = tool.inspect(reference, "image") or {}
    if images.is_pinned(reference):
        return reference
    digest = images.digest_of(reference, found.get("RepoDigests") or ())
    # One that was built here came from no registry; its own id names its content as well.
    pinned = f"{images.without_tag(reference)}@{digest}" if digest else str(found.get("Id") or "")
    if not images.is_pinned(pinned):
        raise EngineError(f"{tool.name} tells neither digest nor id of {reference}")
    emit(Noted(f"{reference} is {pinned} now: write that to start the same again"))
    return pinned


def _require_here(tool: Tool) -> None:
    """Refuse a tool that works on another machine: there the model's files are not."""
    if tool.name != "docker":
        return
    where = tool.ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()
    if where.startswith(_ELSEWHERE):
        raise BadInput(
            f"docker speaks to a daemon at {where}, and the model's files are on this machine",
            hint="run Steelyard there, or set DOCKER_HOST and `docker context use` to the one here",
        )


# ── fetched whole ───────────────────────────────────────────────────────────────────────────────


def _pull(tool: Tool, reference: str, emit: Emit) -> None:
    """Fetch an image; what has arrived is kept by the tool when it is broken off."""
    layers = _layers(tool, reference)
    _plan(tool, reference, layers, emit)
    total = len(layers.value) if isinstance(layers, Measured) else None
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted(_PHASE, total, reference))
    done = 0
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        log = Path(folder) / "errors"
        with process.start((tool.program, "pull", reference), log=log, pipes=True) as child:
            for raw in child.stdout or ():
                line = raw.decode("utf-8", "replace").strip()
                if line.endswith(_LAYER_DONE):
                    done += 1
                    emit(Advanced(_PHASE, done))
            code = child.wait()
        if code:
            containers.refuse(tool.name, log.read_text(encoding="utf-8", errors="replace"))
    emit(PhaseEnded(_PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))


def _plan(tool: Tool, reference: str, layers: Reading[tuple[int, ...]], emit: Emit) -> None:
    """Say what will be fetched, before it is; refuse what certainly does not fit."""
    if isinstance(layers, Missing):
        emit(Noted(f"fetching {reference}; how large it is was not told"))
        return
    packed = sum(layers.value)
    try:
        root = Path(tool.ask("info", "--format", _ROOTS[tool.name]).strip())
    except SteelyardError:
        root = Path()
    here = root.is_absolute() and root.is_dir()
    free = disk.free_bytes(root) if here else None
    room = "" if free is None else f"; {disk.size(free)} are free in {root}"
    emit(
        Noted(
            f"fetching {reference}: {disk.size(packed)} packed in {len(layers.value)} layers, more "
            f"when unpacked{room}"
        )
    )
    if free is not None and packed > free:
        raise TooLittleRoom(
            f"{reference} needs more than {disk.size(packed)} in {root}, and {disk.size(free)} are "
            "free",
            hint=f"free some: `{tool.name} system df` shows what its images take",
        )


def _layers(tool: Tool, reference: str) -> Reading[tuple[int, ...]]:
    """Return the packed sizes of an image's layers in bytes, as its registry tells them."""
    try:
        manifest = _manifest(tool, reference)
        if "manifests" in manifest:
            name = images.without_tag(reference)
            manifest = _manifest(tool, f"{name}@{_for_this_machine(manifest)}")
        found = tuple(int(layer["size"]) for layer in manifest["layers"])
    except (SteelyardError, KeyError, TypeError, ValueError, StopIteration) as error:
        return Missing("not_told", str(error) or "its manifest has no layers")
    return Measured(found, "client")


def _manifest(tool: Tool, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        tool.ask("manifest", "inspect", reference, limit_s=_MANIFEST_LIMIT_S)
    )
    return found


def _for_this_machine(index: dict[str, Any]) -> str:
    return next(_digests(index))


def _digests(index: dict[str, Any]) -> Iterator[str]:
    here = images.machine_of(platform.machine())
    for each in index["manifests"]:
        where = each.get("platform") or {}
        machine = images.machine_of(str(where.get("architecture")))
        if where.get("os") == "linux" and machine == here:
            yield str(each["digest"])
