"""The API key: which variable it comes from, and whether it may go to this server.

A key is sent only where nobody in between can read it: over verified TLS, or within this machine.
Not aware of how it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.secret import Secret
from steelyard.engines.calls import Trust
from steelyard.engines.url import Endpoint

DEFAULT_VARIABLE: Final = "OPENAI_API_KEY"


def api_key(
    endpoint: Endpoint,
    trust: Trust,
    env: Mapping[str, str],
    *,
    variable: str | None = None,
    anywhere: bool = False,
) -> Reading[Secret]:
    """Return the key to send, or why none is sent.

    `variable` is what the user has named; without it `OPENAI_API_KEY` is taken where it is set.
    `anywhere` sends it also where it can be read on the way. Raises `BadInput` for a variable that
    was named and is not set, for a value that no header can carry, and for a named key that must
    not go there; the one that was only found is then left out, and the reason says so.
    """
    name = variable or DEFAULT_VARIABLE
    value = env.get(name, "").strip()
    if not value:
        if variable is not None:
            raise BadInput(
                f"the variable {variable} is not set, or is empty",
                hint=f"export {variable}=… first; the key itself is never an argument",
            )
        return Missing("no_key", f"{DEFAULT_VARIABLE} is not set")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise BadInput(
            f"what {name} holds is no key: there is a space or a letter in it that none has",
            hint="copy it again: a line break or a quotation mark may have come along",
        )
    private = endpoint.loopback or (endpoint.scheme == "https" and not trust.insecure)
    if private or anywhere:
        return Measured(Secret(value), source="client")
    if variable is None:
        return Missing("key_withheld", f"{name} is set and was not sent: {_why(endpoint)}")
    raise BadInput(
        f"the key in {name} would be readable on its way: {_why(endpoint)}",
        hint="use https with a certificate that can be verified (--cacert FILE), "
        "or say that the key may go anywhere",
    )


def _why(endpoint: Endpoint) -> str:
    if endpoint.scheme == "http":
        return f"{endpoint.origin} is not encrypted"
    return f"nobody has verified who {endpoint.origin} is"
