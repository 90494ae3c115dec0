"""Which process of this machine answers on a port, so that its tree can be sampled.

Where only a forwarder listens (`ssh -L`, a container's proxy), its memory and CPU time are not the
server's, and it is no answer. Not aware of what is served.
"""

from __future__ import annotations

import os
from typing import Final

import psutil

from steelyard.domain.reading import Measured, Missing, Reading

_FORWARDERS: Final = frozenset(
    {
        "caddy",
        "conmon",
        "docker-proxy",
        "envoy",
        "haproxy",
        "kubectl",
        "nginx",
        "pasta",
        "rootlessport",
        "slirp4netns",
        "socat",
        "ssh",
        "traefik",
    }
)


def listening_pid(port: int) -> Reading[int]:
    """Return the process that listens on a TCP port here: the topmost, where it has workers."""
    try:
        pids = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        }
    except (psutil.Error, OSError) as error:
        return Missing("not_readable", f"the system does not tell who listens: {error}")
    known = {pid for pid in pids if pid is not None}
    if not known:
        return Missing("not_readable", f"who listens on port {port} belongs to another user")
    top = sorted(pid for pid in known if _parent(pid) not in known)
    if len(top) != 1:
        return Missing("ambiguous", f"processes {top} listen on port {port}")
    return _judged(top[0], port)


def _judged(pid: int, port: int) -> Reading[int]:
    if pid == os.getpid():
        return Missing("not_apart", "the server runs inside the process that measures")
    try:
        name = psutil.Process(pid).name()
    except psutil.Error as error:
        return Missing("not_readable", str(error))
    if name in _FORWARDERS:
        return Missing("forwarded", f"port {port} is forwarded by {name}, which is not the server")
    return Measured(pid, source="client")


def _parent(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).ppid())
    except psutil.Error:
        return None
