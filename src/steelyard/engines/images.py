"""The images that an engine is published as: which one fits this machine, and how it is named.

A dialect names its images. Pure. Not aware of container tools, of what is on this machine, or of
digests that were found out here (`engines.digests`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.errors import BadInput, UnsupportedSubject

RUNTIME: Final = "container"  # enters `Subject.runtime`: a server started from an image
X86: Final = "x86_64"
ARM: Final = "aarch64"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_REFERENCE: Final = re.compile(r"[a-z0-9][\w.:/-]*(@sha256:[0-9a-f]{64})?")
_MACHINES: Final = {"amd64": X86, "arm64": ARM}
_HUB: Final = ("docker.io/library/", "docker.io/")


@final
@dataclass(frozen=True, slots=True)
class Image:
    """One image of an engine: for which processors (`machines`) and which kind of device.

    `digest` is of the tag's index of all architectures, by `source`. `entrypoint` replaces the
    image's own. A model lies where `path` says, by its `{name}` and `{sha256}`; empty is where it
    lies outside. `own_user` is false of one that writes only where its own root user may.
    """

    name: str
    tag: str
    device: str
    machines: frozenset[str] = frozenset({X86})
    digest: str = ""
    source: str = ""
    entrypoint: str = ""
    path: str = ""
    shared_bytes: int = 0
    own_user: bool = False

    @property
    def reference(self) -> str:
        """The image as people name it."""
        return f"{self.name}:{self.tag}"

    @property
    def pinned(self) -> str:
        """The image by its content, empty where no digest is known beforehand."""
        return f"{self.name}@{self.digest}" if self.digest else ""


def choose(engine: str, images: Iterable[Image], machine: str, device: str) -> Image:
    """Return the image for a processor and a kind of device; say what there is instead."""
    found = tuple(images)
    machine = machine_of(machine)
    for image in found:
        if image.device == device and machine in image.machines:
            return image
    there = ", ".join(f"{each.device} on {' and '.join(sorted(each.machines))}" for each in found)
    raise UnsupportedSubject(
        f"no image of {engine} for {device} on {machine} is known",
        hint=f"there are images for {there}; another is named with --image",
    )


def kinds(images: Iterable[Image], machine: str) -> tuple[str, ...]:
    """Return the kinds of device that there are images for on such a processor."""
    machine = machine_of(machine)
    return tuple(image.device for image in images if machine in image.machines)


def is_pinned(reference: str) -> bool:
    """Whether a reference names content: `NAME@sha256:…`, or the id of a local image."""
    return _DIGEST.search(reference.rpartition("@")[2]) is not None


def require_reference(text: str) -> str:
    """Return what was typed as an image; raise `BadInput` for what can be none."""
    if _REFERENCE.fullmatch(text) is None:
        raise BadInput(
            f"{text!r} is no image", hint="write NAME:TAG, or better NAME@sha256:… with its digest"
        )
    return text


def digest_of(reference: str, repo_digests: Iterable[str]) -> str:
    """Return the digest under which an image came from its registry, empty for none of its own."""
    name = _plain(without_tag(reference))
    for each in sorted(repo_digests):
        repo, _, digest = each.partition("@")
        if _plain(repo) == name and _DIGEST.fullmatch(digest):
            return digest
    return ""


def without_tag(reference: str) -> str:
    """Return the name alone of an image."""
    name = reference.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def machine_of(word: str) -> str:
    """Return a processor's name as Linux has it: images say `amd64` and `arm64`."""
    return _MACHINES.get(word.lower(), word)


def _plain(name: str) -> str:
    for prefix in _HUB:
        name = name.removeprefix(prefix)
    return name
