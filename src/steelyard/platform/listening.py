"""Who listens on a TCP port of this machine, by the kernel's own tables (Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_LISTEN: Final = "0A"
_STATE, _INODE, _LOCAL = 3, 9, 1


def listens(group: int, port: int) -> bool | None:
    """Whether a process of this group listens on the port; None where the system does not tell."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():
        return None
    inodes = {inode for table in tables if table.exists() for inode in _listeners(table, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return any(
        _link(descriptor) in wanted
        for entry in Path("/proc").glob("[0-9]*")
        if _group_of(int(entry.name)) == group
        for descriptor in _descriptors(entry)
    )


def _listeners(table: Path, port: int) -> list[str]:
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    suffix = f":{port:04X}"
    return [row[_INODE] for row in rows if row[_STATE] == _LISTEN and row[_LOCAL].endswith(suffix)]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _descriptors(process: Path) -> list[Path]:
    try:
        return list((process / "fd").iterdir())
    except OSError:
        return []


def _link(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""
