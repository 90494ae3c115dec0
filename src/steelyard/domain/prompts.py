"""Where the prompts of a load come from: settings, and for a file what its content was.

Identity only: the texts read from a file, and its path, are in none of them. How a person says it
is `workloads.sources`'. Not aware of tokens, engines or clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.errors import BadInput

Form: TypeAlias = Literal["txt", "jsonl", "csv"]
OUTPUT_TOKENS: Final = 128


@final
@dataclass(frozen=True, slots=True)
class Synthetic:
    """Fresh prose of so many tokens; lengths are normal around their mean where `_sd` is set."""

    input_tokens: int = 512
    output_tokens: int = OUTPUT_TOKENS
    input_sd: float = 0.0
    output_sd: float = 0.0
    kind: Literal["synthetic"] = "synthetic"


@final
@dataclass(frozen=True, slots=True)
class Prefix:
    """`groups` beginnings of `prefix_tokens`, each shared on purpose; `input_tokens` are fresh."""

    prefix_tokens: int = 1024
    input_tokens: int = 128
    output_tokens: int = 64
    groups: int = 8
    kind: Literal["prefix"] = "prefix"

    @property
    def whole_tokens(self) -> int:
        """Tokens of a whole prompt."""
        return self.prefix_tokens + self.input_tokens


@final
@dataclass(frozen=True, slots=True)
class FromFile:
    """A user's own prompts, in the order of the file. `output_tokens`: where a row names none."""

    sha256: str
    rows: int
    form: Form
    output_tokens: int = OUTPUT_TOKENS
    kind: Literal["file"] = "file"


@final
@dataclass(frozen=True, slots=True)
class ShareGpt:
    """First turns of recorded conversations; None: as many tokens out as the recorded answer."""

    sha256: str
    rows: int
    output_tokens: int | None = None
    kind: Literal["sharegpt"] = "sharegpt"


@final
@dataclass(frozen=True, slots=True)
class Recorded:
    """Fresh prose with the lengths of a recorded load, one pair a request."""

    prompt_tokens: tuple[int, ...]
    output_tokens: tuple[int, ...]
    kind: Literal["recorded"] = "recorded"

    def __post_init__(self) -> None:
        if not self.prompt_tokens or len(self.prompt_tokens) != len(self.output_tokens):
            raise BadInput(
                f"a trace names {len(self.prompt_tokens)} prompt lengths and"
                f" {len(self.output_tokens)} output lengths",
                hint="each of its requests needs both, or leave both out and use --prompts",
            )
        if min(*self.prompt_tokens, *self.output_tokens) < 1:
            raise BadInput(
                "a trace holds a request of no tokens", hint="take such requests out of it"
            )


@final
@dataclass(frozen=True, slots=True)
class Images:
    """`images` fresh pictures of so many pixels before fresh prose of `input_tokens`.

    What a picture takes is the model's own: a prompt's length is read from the usage afterwards.
    """

    images: int = 1
    width: int = 448
    height: int = 336
    input_tokens: int = 32
    output_tokens: int = OUTPUT_TOKENS
    kind: Literal["images"] = "images"


PromptSource: TypeAlias = Synthetic | Prefix | FromFile | ShareGpt | Recorded | Images
