"""What a hub says of one model: its files, who may read it, and where each file is fetched from.

The same for every hub, so that choosing, fetching and landing need not know which it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from steelyard.domain.reading import Reading
from steelyard.models.hub.listing import Globs, Offer, RemoteFile
from steelyard.models.hub.remedies import Asked
from steelyard.models.hub.wire import Login

State: TypeAlias = Literal["open", "granted", "no_token", "not_granted"]


@final
@dataclass(frozen=True, slots=True)
class Access:
    """Whether the files may be fetched now, and the reason in a sentence."""

    state: State
    reason: str

    @property
    def granted(self) -> bool:
        """Whether a pull would be let in."""
        return self.state in ("open", "granted")


@final
@dataclass(frozen=True, slots=True)
class Remote:
    """One model on one hub. `commit` pins what was listed; `licence` is what its card names."""

    hub: Literal["huggingface", "ollama"]
    name: str
    revision: str
    commit: str
    gated: str
    private: bool
    access: Access
    files: tuple[RemoteFile, ...]
    licence: Reading[str]
    login: Login
    asked: Asked
    url_of: Callable[[RemoteFile], str]
    offer: Callable[[Globs], Offer]
    manifest: bytes = b""
