"""A byte-level BPE of 2,048 entries, trained on the words that the bundled model meets.

Digits stand alone, as in Qwen2, whose pre-tokenizer llama.cpp knows as `qwen2`. An answer starts
with a space, so that its first word is the token that the prompt showed. Not aware of networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from steelyard.domain.errors import BadInput

VOCABULARY: Final = 2048
END_OF_TEXT: Final = "<|endoftext|>"
START: Final = "<|im_start|>"
END: Final = "<|im_end|>"
SPECIAL: Final = (END_OF_TEXT, START, END)
QWEN2_PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{{ ' ' }}{% endif %}"
    "{{ message['content'] | trim }}{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@final
class Codec:
    """The tokenizer, and the chat form that the model is trained in."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.end_of_text, self.start, self.end = (self._special(token) for token in SPECIAL)

    def _special(self, token: str) -> int:
        found: int | None = self.tokenizer.token_to_id(token)
        if found is None:
            raise BadInput(f"the tokenizer has no {token}", hint="train it anew")
        return found

    @classmethod
    def trained(cls, texts: Iterable[str]) -> Codec:
        """Train on `texts`: the same texts in the same order give the same vocabulary."""
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN2_PATTERN), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: Path) -> Codec:
        """Read a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)))

    def save(self, path: Path) -> None:
        """Write a `tokenizer.json`."""
        self.tokenizer.save(str(path))

    def encode(self, text: str) -> list[int]:
        """Return token ids; special tokens written out in `text` are recognised."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """Return the text of token ids, without special tokens."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def question(self, prompt: str) -> list[int]:
        """Return one user turn and the header of the answer, as the chat template renders it."""
        return self.encode(f"{START}user\n{prompt.strip()}{END}\n{START}assistant\n")

    def reply(self, answer: str) -> list[int]:
        """Return the tokens of an answer up to the end of its turn."""
        return [*self.encode(f" {answer.strip()}"), self.end]
