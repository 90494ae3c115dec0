"""An engine in a container: its command, its life, and that nothing of it is left.

The dialect's own launch plan is what stands behind the image; around it stand a name and an owner,
one published port, the model's files and nothing else of this machine, read-only, and no rights.
The tool runs in the foreground on our leash, so that its output is the engine's log and its end the
engine's; when we end in any way, the leash has the container removed. Not aware of what is asked of
the engine. Sources: `docker run` of Docker 28, `podman run` of Podman 4 and 5; CDI's names of
NVIDIA devices; ROCm's page on containers (/dev/kfd and /dev/dri).
"""

from __future__ import annotations

import math
import os
import platform
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import psutil

from steelyard.domain.errors import BadInput, EngineError, SteelyardError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Container, Controls, Place
from steelyard.domain.subject import Subject
from steelyard.engines import devices, images
from steelyard.engines.api import Contained, Dialect, LaunchPlan
from steelyard.engines.images import Image
from steelyard.platform import clock, containers, process
from steelyard.platform.containers import Tool

# Of the container, of which one port is published.
_EVERYWHERE: Final = "0.0.0.0"
_NOT_IN_A_LIST: Final = frozenset(',"\n')
_SELINUX: Final = Path("/sys/fs/selinux/enforce")
_STOP_SLACK_S: Final = 15.0
_TOOL_GRACE_S: Final = 2.0
_DYING_S: Final = 0.2
_REFUSED: Final = 125  # how both tools end where no container came to run
_VISIBLE: Final = {"cuda": "CUDA_VISIBLE_DEVICES", "rocm": "HIP_VISIBLE_DEVICES"}
_ORDER: Final = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # in which nvidia-smi counts


@final
@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of this machine, and where it lies in the container; never written to."""

    outside: Path
    inside: str

    @property
    def option(self) -> str:
        """Return it as both tools read it; raise `BadInput` for a path that cannot be said."""
        for path in (str(self.outside), self.inside):
            if _NOT_IN_A_LIST & set(path):
                raise BadInput(
                    f"{path} holds a comma, a quote or a line break: it cannot be mounted",
                    hint="give the file or its folder another name, or link it under one",
                )
        return f"type=bind,source={self.outside},target={self.inside},readonly"


@final
class ContainerChild:
    """A running container, with what a child process has: how it ended, and a whole stop."""

    def __init__(self, tool: Tool, name: str, child: process.Child, log: Path) -> None:
        self.tool = tool
        self.name = name
        self._child = child
        self._log = log
        self._gone = False

    def returncode(self) -> int | None:
        """How it ended, or None while it runs: the tool ends when the container does."""
        return self._child.returncode()

    def alive(self, family: Reading[int]) -> bool:
        """Whether the engine is there: after its death the tool takes seconds to tidy up.

        A connection breaks a moment before the process is gone, so that it is looked for twice.
        """
        for pause_s in (0.0, _DYING_S):
            time.sleep(pause_s)
            if self.returncode() is not None or not self._running(family):
                return False
        return True

    def _running(self, family: Reading[int]) -> bool:
        if isinstance(family, Missing):
            told = (self.tool.inspect(self.name) or {}).get("State") or {}
            return bool(told.get("Running"))
        words = _words(family.value)
        if not words:
            return False
        # `init -- PROGRAM …`: it outlives its only child by a moment.
        try:
            return words[1:2] != [b"--"] or bool(psutil.Process(family.value).children())
        except psutil.Error:
            return False

    def family(self, argv: Sequence[str]) -> Reading[int]:
        """Return the process of this machine that is the first of the container, or why none is.

        Where the tool works in a virtual machine, its number is that of a process there.
        """
        told = (self.tool.inspect(self.name) or {}).get("State") or {}
        pid = int(told.get("Pid") or 0)
        words = _words(pid)
        if pid and words[-len(argv) :] == [os.fsencode(word) for word in argv]:
            return Measured(pid, "client")
        return Missing(
            "elsewhere", f"{self.tool.name} runs its containers where we see no processes of theirs"
        )

    def refused(self, text: str) -> None:
        """Raise what the tool's own words mean, where it never came to run the image."""
        if self.returncode() == _REFUSED:
            containers.refuse(self.tool.name, text)

    def stop(self, *, grace_s: float = 5.0) -> int:
        """Ask it to end, kill it, remove it; return how it ended. Safe to call twice."""
        if not self._gone:
            seconds = math.ceil(grace_s)
            if self.returncode() is None:
                self._told("stop", "-t", str(seconds), self.name, limit_s=grace_s)
            if wrong := self._removed():
                with self._log.open("a", encoding="utf-8") as log:
                    log.write(f"steelyard: {self.name} could not be removed: {wrong}\n")
            self._gone = True
        return self._child.stop(grace_s=_TOOL_GRACE_S)

    def _told(self, *words: str, limit_s: float) -> None:
        try:
            containers.run((self.tool.program, *words), limit_s + _STOP_SLACK_S)
        except EngineError as error:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(f"steelyard: {error}\n")

    def _removed(self) -> str:
        try:
            return self.tool.remove(self.name)
        except SteelyardError as error:
            return str(error)


@final
@dataclass(frozen=True, slots=True)
class Started:
    """A container that was begun: its child, the plan behind it, where its files lie outside."""

    child: ContainerChild
    plan: LaunchPlan
    outside: Mapping[str, Path]


def start(
    dialect: Dialect, subject: Subject, controls: Controls, place: Place, log: Path
) -> Started:
    """Begin the container that `subject` describes; its port must be free now."""
    container = _container(place)
    tool = Tool(container.tool.partition(" ")[0], container.program, container.tool)
    image = image_of(dialect, container)
    mounts = tuple(mounts_of(image, subject, place))
    plan = dialect.launch(subject, controls, inside(image, subject, place))
    name = f"steelyard-{clock.uuid7()}"
    argv = command(tool, image, name, plan, mounts, controls, place)
    child = process.start(argv, log=log, afterwards=(tool.program, "rm", "--force", name))
    outside = {mount.inside: mount.outside for mount in mounts}
    at = place.path_of(subject.artifact)
    outside[path_in(image, subject.artifact.name, subject.artifact.sha256, at)] = at
    return Started(ContainerChild(tool, name, child, log), plan, outside)


def image_of(dialect: Dialect, container: Container) -> Image:
    """Return what the dialect says of the image for this machine, however it is named."""
    if not isinstance(dialect, Contained):
        raise UnsupportedSubject(f"{dialect.name} is published as no image that is known here")
    return images.choose(dialect.name, dialect.images, platform.machine(), container.device)


def inside(image: Image, subject: Subject, place: Place) -> Place:
    """Return the place as the server sees it."""
    paths = {
        sha256: Path(path_in(image, _name(subject, sha256, path), sha256, path))
        for sha256, path in place.paths.items()
    }
    return replace(place, program=(), paths=paths, host=_EVERYWHERE)


def path_in(image: Image, name: str, sha256: str, path: Path) -> str:
    """Return where a model lies in the container."""
    plain = name.replace("/", "--")
    return image.path.format(name=plain, sha256=sha256) if image.path else str(path.absolute())


def mounts_of(image: Image, subject: Subject, place: Place) -> Iterator[Mount]:
    """Yield what is mounted: a folder whole, or file by file where it is one of links."""
    for sha256, path in place.paths.items():
        target = path_in(image, _name(subject, sha256, path), sha256, path)
        if not path.is_dir():
            for part in _parts(path):
                beside = target if part == path else str(Path(target).with_name(part.name))
                yield Mount(part.resolve(), beside)
        elif not any(file.is_symlink() for file in path.rglob("*")):
            yield Mount(path.resolve(), target)
        else:  # a store's folder, whose links lead out of it
            for file in sorted(each for each in path.rglob("*") if each.is_file()):
                yield Mount(file.resolve(), f"{target}/{file.relative_to(path).as_posix()}")


def command(
    tool: Tool,
    image: Image,
    name: str,
    plan: LaunchPlan,
    mounts: Sequence[Mount],
    controls: Controls,
    place: Place,
) -> tuple[str, ...]:
    """Return the whole command. Nothing secret is in it: no engine here is given a key."""
    container = _container(place)
    cores = ",".join(map(str, controls.affinity)) if controls.affinity else ""
    env = {**plan.env, **_environment(container, controls)}
    return (
        *(tool.program, "run", "--rm", "--init", "--pull=never"),
        *("--name", name, "--label", f"{containers.OWNER}={containers.owner()}"),
        *("--publish", f"{place.host}:{place.port}:{place.port}"),
        *(word for mount in mounts for word in ("--mount", mount.option)),
        *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
        # Else its rules forbid a container the user's own files; a relabelled file stays so.
        *(("--security-opt=label=disable",) if _SELINUX.exists() else ()),
        *_user(tool, image, mounts),
        *gpu_flags(tool.name, container.device),
        *(("--cpuset-cpus", cores) if cores else ()),
        *(("--shm-size", str(image.shared_bytes)) if image.shared_bytes else ()),
        *(word for key, value in env.items() for word in ("--env", f"{key}={value}")),
        *(("--entrypoint", image.entrypoint) if image.entrypoint else ()),
        container.image,
        *plan.argv,
    )


def gpu_flags(tool: str, kind: str, root: Path = Path("/")) -> tuple[str, ...]:
    """Return the words by which a container is given the GPUs of a vendor."""
    if kind == devices.CPU:
        return ()
    if kind == "cuda":
        return ("--gpus", "all") if tool == "docker" else ("--device", "nvidia.com/gpu=all")
    nodes = ["dev/dri", *(["dev/kfd"] if kind == "rocm" else [])]
    found = [root / node for node in nodes if (root / node).exists()]
    # By number: an image need not know the groups of this machine by their names.
    owners = {
        file.stat().st_gid
        for node in found
        for file in (node, *(node.glob("render*") if node.is_dir() else ()))
        if not file.is_dir()
    }
    return (
        *(word for node in found for word in ("--device", f"/{node.relative_to(root)}")),
        *(word for group in sorted(owners) for word in ("--group-add", str(group))),
    )


def _environment(container: Container, controls: Controls) -> dict[str, str]:
    kind, number = devices.split(controls.device or container.device)
    found = dict(_ORDER) if container.device == "cuda" else {}
    # llama.cpp is told by a flag; to the others the first GPU that they see is the only one.
    if number and kind in _VISIBLE and kind == container.device:
        found[_VISIBLE[kind]] = str(number)
    return found


def _user(tool: Tool, image: Image, mounts: Sequence[Mount]) -> tuple[str, ...]:
    """Say as whom it runs, where its own user may not read the model; refuse where nobody may.

    Without rights even root reads only what everybody may. Where the tool runs without root, the
    container's root is ourselves.
    """
    found = (_closed(mount.outside) for mount in mounts)
    closed = next((file for file in found if file is not None), None)
    if closed is None or _maps_us(tool):
        return ()
    if image.own_user:
        owner = closed.stat()
        return ("--user", f"{owner.st_uid}:{owner.st_gid}")
    raise BadInput(
        f"{closed} may be read by you alone, and the image's user is another one",
        hint=f"`chmod -R o+rX {closed}` lets it be read",
    )


def _closed(path: Path) -> Path | None:
    files: tuple[Path, ...] = tuple(path.rglob("*")) if path.is_dir() else ()
    for file in (path, *files):
        told = file.stat()
        needed = stat.S_IROTH | (stat.S_IXOTH if file.is_dir() else 0)
        if told.st_uid and told.st_mode & needed != needed:
            return file
    return None


def _maps_us(tool: Tool) -> bool:
    if tool.name == "podman":
        return os.geteuid() != 0
    return "rootless" in tool.ask("info", "--format", "{{json .SecurityOptions}}")


def _words(pid: int) -> list[bytes]:
    """Return a process's command line; nothing of one that is gone or ending."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def _container(place: Place) -> Container:
    if place.container is None:
        raise BadInput(
            "nobody said from which image the engine is to be started",
            hint="a bench chooses it by --runtime container",
        )
    return place.container


def _name(subject: Subject, sha256: str, path: Path) -> str:
    return subject.artifact.name if sha256 == subject.artifact.sha256 else path.name


def _parts(path: Path) -> tuple[Path, ...]:
    """Return a file and the others of its model, which the server opens beside it."""
    stem, dash, count = path.stem.rpartition("-of-")
    if path.suffix != ".gguf" or not dash or not count.isdigit():
        return (path,)
    found = sorted(path.parent.glob(f"{stem.rpartition('-')[0]}-*-of-{count}.gguf"))
    return tuple(found) or (path,)
