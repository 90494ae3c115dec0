"""A secret: something that may be used and never shown.

It prints `***` however it is printed, has no JSON form and cannot be pickled or copied into
another process. `reveal` is the only way to it, so that every place that needs it can be found by
that word. Not aware of where secrets come from or where they are sent.
"""

from __future__ import annotations

from typing import Final, NoReturn, final

HIDDEN: Final = "***"


@final
class Secret:
    """A text that is not to be seen: an API key, or a header that carries one.

    `without` cuts it out of words that somebody else wrote, which may repeat it.
    """

    # Slots and no dataclass: what walks over fields or `__dict__` finds nothing here.
    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        if not value:
            raise ValueError("a secret cannot be empty")
        self.__value = value

    def reveal(self) -> str:
        """Return what is hidden, to send it; never to print or to store it."""
        return self.__value

    def without(self, words: str) -> str:
        """Return the words with every occurrence of the secret covered."""
        return words.replace(self.__value, HIDDEN)

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not written down or sent to another process")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self
