"""The address of a server that somebody else runs, read strictly; and the proxy that is not used.

Two roots are told apart: `api_path`, under which the OpenAI-style routes lie, and `base_path`,
under which the server's own routes lie (`/tokenize`, `/props`, `/version`). Not aware of sockets
or keys. Syntax: RFC 3986; proxy variables: as curl and Python's urllib read them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final
from urllib.parse import SplitResult, urlsplit

from steelyard.domain.errors import BadInput

Scheme: TypeAlias = Literal["http", "https"]

DEFAULT_PORTS: Final[Mapping[Scheme, int]] = {"http": 80, "https": 443}
API: Final = "/v1"
_PORT_MAX: Final = 65_535
_ROUTES: Final = ("/chat/completions", "/completions", "/models")
_VERSION: Final = re.compile(r"/v\d+[a-z0-9]*$")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:%-]+)*")
_NAME: Final = re.compile(
    r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?"
)
_EXAMPLE: Final = "write it as http://127.0.0.1:8000 or https://api.example.com/v1"


@final
@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server answers. `host` is bare, an IPv6 address without its brackets."""

    scheme: Scheme
    host: str
    port: int
    base_path: str = ""
    api_path: str = API

    @classmethod
    def read(cls, text: str) -> Endpoint:
        """Read what a person wrote; raise `BadInput` with the way out.

        `…`, `…/v1` and `…/v1/chat/completions` say the same. A root of another name is taken from
        a URL that goes down to `/chat/completions`.
        """
        parts = _split(text)
        scheme: Scheme = "https" if parts.scheme == "https" else "http"
        base, api = _roots(parts.path, text)
        return cls(scheme, _host(parts, text), _port(parts, text, scheme), base, api)

    @property
    def authority(self) -> str:
        """Host and port as a request names them: the scheme's own port is left out."""
        if self.port == DEFAULT_PORTS[self.scheme]:
            return bracketed(self.host)
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: the server without any path."""
        return f"{self.scheme}://{self.authority}"

    @property
    def loopback(self) -> bool:
        """Whether what is sent there never leaves this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    def target(self, path: str) -> str:
        """Return the path to ask for: `/v1/…` lies under the API's root, others under the base."""
        if path.startswith(f"{API}/"):
            return self.api_path + path.removeprefix(API)
        return self.base_path + path

    def __str__(self) -> str:
        return self.origin + self.api_path


def bracketed(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets, without its zone."""
    return f"[{host.partition('%')[0]}]" if ":" in host else host


def proxy_for(endpoint: Endpoint, env: Mapping[str, str]) -> str | None:
    """Return the proxy that the environment names for this endpoint, and by which variable.

    It is for telling, not for using: through a proxy, its time would be the server's. A user name
    and a password in it are left out.
    """
    for name in (f"{endpoint.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if proxy := env.get(variable, "").strip():
                return None if _exempt(endpoint, env) else f"{variable} ({_bare(proxy)})"
    return None


def _split(text: str) -> SplitResult:
    if not text.isascii() or any(letter <= " " or letter == "\x7f" for letter in text):
        raise BadInput(
            "the URL holds a space or a letter that URLs cannot hold",
            hint="write such letters percent-encoded, and a host in its xn-- form",
        )
    if "@" in text:
        # Nothing of it is repeated: what stands before the @ may be a password.
        raise BadInput(
            "the URL holds a user name or a password",
            hint="put the key into an environment variable and name it with --api-key-env",
        )
    shown, mark = re.match(r"[^?#]*", text), re.search(r"[?#]", text)
    if shown is not None and mark is not None:
        raise BadInput(
            f"{shown[0]} goes on with {mark[0]!r}: a query or a fragment is not part of an address",
            hint=f"write {shown[0]}; a key belongs into the variable that --api-key-env names",
        )
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise BadInput(f"{text!r} does not say http or https", hint=f"write http://{text or '…'}")
    if scheme.lower() not in DEFAULT_PORTS:
        raise BadInput(f"{scheme}:// is not spoken here", hint=f"write http://{rest} or https://…")
    try:
        return urlsplit(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is no URL: {error}", hint=_EXAMPLE) from None


def _host(parts: SplitResult, text: str) -> str:
    host = (parts.hostname or "").replace("%25", "%")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if ":" in host or not _NAME.fullmatch(host):
            raise BadInput(f"{text!r} names no host", hint=_EXAMPLE) from None
    if re.fullmatch(r"[\d.]+", host):
        raise BadInput(f"{host!r} is no address", hint="an IPv4 address has four numbers")
    return host.removesuffix(".")


def _port(parts: SplitResult, text: str, scheme: Scheme) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise BadInput(f"{text!r} has no usable port", hint=f"a port is 1 to {_PORT_MAX}")
    return DEFAULT_PORTS[scheme] if port is None else port


def _roots(path: str, text: str) -> tuple[str, str]:
    """Return the root of the server's own routes and that of the OpenAI-style ones."""
    path = path.rstrip("/")
    if not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        raise BadInput(f"{text!r} has no usable path", hint=_EXAMPLE)
    route = next((route for route in _ROUTES if path.endswith(route)), "")
    path = path.removesuffix(route)
    if (version := _VERSION.search(path)) is not None:
        return path[: version.start()], path
    # Somebody who wrote the whole route has said where it lies, whatever its name.
    return path, path if route else path + API


def _exempt(endpoint: Endpoint, env: Mapping[str, str]) -> bool:
    listed = env.get("no_proxy") or env.get("NO_PROXY") or ""
    entries = (entry.strip().lower() for entry in listed.split(","))
    return any(entry and _matches(entry, endpoint) for entry in entries)


def _matches(entry: str, endpoint: Endpoint) -> bool:
    if entry == "*":
        return True
    bare, _, port = entry.rpartition(":")
    if bare and port.isdigit() and (":" not in bare or bare.endswith("]")):
        if int(port) != endpoint.port:
            return False
        entry = bare
    entry = entry.strip("[]")
    try:
        return ipaddress.ip_address(endpoint.host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        name = entry.removeprefix("*").lstrip(".")
        return endpoint.host == name or endpoint.host.endswith(f".{name}")


def _bare(proxy: str) -> str:
    scheme, separator, rest = proxy.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
