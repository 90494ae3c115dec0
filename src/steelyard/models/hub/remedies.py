"""What went wrong with a hub, in one word, and what a person can do about it. Pure.

Classes: the hub's own `X-Error-Code` first, its status second. Not aware of sockets or tokens: a
text that may repeat a token has been through `Secret.without` before it comes here.
Source of the codes: the error table of huggingface_hub's `hf_raise_for_status`; RFC 9110 for
`Retry-After`; draft-ietf-httpapi-ratelimit-headers for `RateLimit`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.errors import (
    HubRefused,
    SteelyardError,
    TooLittleRoom,
    TransferFailed,
)

Problem: TypeAlias = Literal[
    "not_found",
    "gated",
    "licence",
    "bad_token",
    "forbidden",
    "revision",
    "no_file",
    "disabled",
    "rate_limit",
    "server",
    "network",
    "wrong_bytes",
    "disk",
    "nonsense",
]
# What may be gone a moment later; everything else is an answer.
PASSING: Final[frozenset[Problem]] = frozenset({"rate_limit", "server", "network"})

_BY_CODE: Final[Mapping[str, Problem]] = {
    "RepoNotFound": "not_found",
    "RevisionNotFound": "revision",
    "EntryNotFound": "no_file",
    "DisabledRepo": "disabled",
}
_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND, _GONE, _TOO_MANY = 401, 403, 404, 410, 429
_TIMED_OUT, _SERVER, _TOO_EARLY = 408, 500, 425
_RESET: Final = re.compile(r"r\s*=\s*0\s*;\s*t\s*=\s*(\d+)")


@final
class Trouble(Exception):
    """A call that did not work: which problem, in whose words, and how long to wait."""

    def __init__(self, problem: Problem, words: str, *, wait_s: float | None = None) -> None:
        super().__init__(words)
        self.problem: Problem = problem
        self.words = words
        self.wait_s = wait_s


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, for messages: the thing, the hub's address, and whether with a token."""

    thing: str
    origin: str
    with_token: bool
    page: str = ""
    revision: str = ""
    hub: Literal["huggingface", "ollama"] = "huggingface"


def classify(status: int, headers: Mapping[str, str], words: str, *, sent_token: bool) -> Problem:
    """Name the problem that a refusal stands for. `headers` has lower-case names."""
    code, said = headers.get("x-error-code", ""), headers.get("x-error-message", "") or words
    if "invalid credentials" in said.lower() or "invalid user token" in said.lower():
        return "bad_token"
    if code == "GatedRepo":
        return "licence" if status == _FORBIDDEN and sent_token else "gated"
    if "access to this resource is disabled" in said.lower():
        return "disabled"
    if code in _BY_CODE:
        return _BY_CODE[code]
    by_status: dict[int, Problem] = {
        _UNAUTHORISED: "not_found",  # what the hub says of a repository that we may not see
        _FORBIDDEN: "forbidden",
        _NOT_FOUND: "not_found",
        _GONE: "not_found",
        _TOO_MANY: "rate_limit",
        _TIMED_OUT: "network",
        _TOO_EARLY: "server",
    }
    if status in by_status:
        return by_status[status]
    return "server" if status >= _SERVER else "nonsense"


def wait_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the server asks us to wait, if it does, in any of three ways."""
    asked = headers.get("retry-after", "").strip()
    if asked.isdigit():
        return float(asked)
    if asked:
        try:
            until = parsedate_to_datetime(asked)
        except ValueError:
            return None
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    match = _RESET.search(headers.get("ratelimit", ""))
    return float(match[1]) if match else None


def error(trouble: Trouble, asked: Asked, kept: str = "") -> SteelyardError:
    """Return what the user is told: the thing, the cause and the way out."""
    what, page = asked.thing, asked.page or f"{asked.origin}"
    again = f"{kept}; the same command goes on from there" if kept else "run the same command again"
    match trouble.problem:
        case "not_found" | "gated" | "licence" | "bad_token" | "forbidden" | "disabled":
            return HubRefused(_refusal(trouble.problem, asked), hint=_access(trouble, asked, page))
        case "revision":
            return HubRefused(
                f"{what} has no revision {asked.revision!r}",
                hint=f"branches, tags and commits are listed at {page}; leave --revision out for "
                "the newest",
            )
        case "no_file":
            return HubRefused(
                f"{what} does not hold that file any more: {trouble.words}",
                hint="list it again: steelyard models find shows what is there now",
            )
        case "rate_limit":
            wait = f"{trouble.wait_s:.0f} s" if trouble.wait_s else "a few minutes"
            may = asked.hub == "huggingface" and not asked.with_token
            token = ", or log in: HF_TOKEN raises the hub's limit" if may else ""
            return TransferFailed(
                f"{asked.origin} refuses more requests for now (429), {what} is not complete",
                hint=f"wait {wait}, then {again}{token}",
            )
        case "server":
            return TransferFailed(
                f"{asked.origin} failed: {trouble.words}, {what} is not complete",
                hint=f"it is the hub's trouble, not yours: {again} later",
            )
        case "network":
            return TransferFailed(
                f"{asked.origin} cannot be reached or broke off: {trouble.words}",
                hint=f"check the network, the proxy (HTTPS_PROXY) and HF_ENDPOINT, then {again}",
            )
        case "wrong_bytes":
            return TransferFailed(
                f"the bytes of {what} are not those that {asked.origin} promised: {trouble.words}",
                hint="nothing was kept of that file; a proxy or a mirror may alter it: try another "
                "HF_ENDPOINT or network",
            )
        case "disk":
            return TooLittleRoom(
                f"the disk filled up while {what} was fetched: {trouble.words}",
                hint="free space, or put the models on another disk (HF_HUB_CACHE, OLLAMA_MODELS, "
                f"or --out of a pull); {again}",
            )
        case "nonsense":
            return TransferFailed(
                f"{asked.origin} answers, and not as a hub does: {trouble.words}",
                hint="check HF_ENDPOINT: it must be a hub or a mirror of one",
            )


def _refusal(problem: Problem, asked: Asked) -> str:
    what = asked.thing
    sentences: dict[Problem, str] = {
        "not_found": f"{asked.origin} knows no {what}"
        + ("" if asked.with_token else ", or shows it only to people who have logged in"),
        "gated": f"{what} is gated, and no token was sent",
        "licence": f"{what} is gated, and the account of your token has no access to it",
        "bad_token": f"{asked.origin} does not accept the token that was sent",
        "forbidden": f"{asked.origin} does not let this token read {what}",
        "disabled": f"{what} has been disabled by {asked.origin}",
    }
    return sentences[problem]


def _access(trouble: Trouble, asked: Asked, page: str) -> str:
    if asked.hub == "ollama":
        return (
            f"check name and tag at {page}; what is shown to its owner alone, only `ollama pull` "
            "can fetch"
        )
    hints: dict[Problem, str] = {
        "not_found": "check the spelling (ORG/NAME)"
        + ("" if asked.with_token else "; for a private one set HF_TOKEN or run `hf auth login`"),
        "gated": f"accept its licence at {page}, then set HF_TOKEN or run `hf auth login`",
        "licence": f"accept its licence at {page} with the account of the token; where a person "
        "decides, wait for the answer",
        "bad_token": "make a new one in the hub's settings, set HF_TOKEN to it, or unset it for "
        "public models",
        "forbidden": "give the token the right to read this repository, in the hub's settings",
        "disabled": "choose another repository",
    }
    return hints[trouble.problem]
