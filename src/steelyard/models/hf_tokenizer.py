"""The tokenizer that a GGUF file carries, written as Hugging Face's `tokenizer.json`.

Byte-level BPE only. llama.cpp names the pre-tokenizer and keeps its pattern in its own source; the
ones here are those whose patterns their own tokenizers publish. No normaliser is written, since
llama.cpp applies none: both are to give the same tokens. Not aware of weights or files.
Formats: the `tokenizer.ggml.*` keys in docs/gguf.md of ggml-org/ggml; the `tokenizers` library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

from steelyard.domain.errors import UnsupportedSubject
from steelyard.models import gguf

_CONTROL: Final = 3
_USER_DEFINED: Final = 4
_WORDS: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS: Final = {
    "qwen2": _WORDS.replace("DIGITS", r"\p{N}"),
    "llama-bpe": _WORDS.replace("DIGITS", r"\p{N}{1,3}"),
}
_PLAIN: Final = ("gpt-2", "smollm")
# Puts the beginning-of-text token first unless the file says otherwise.
_BEGINS: Final = frozenset({"llama-bpe"})
# Beside what the file declares, llama.cpp ends an answer at any control token of such a name.
_ENDS: Final = frozenset(
    {
        *("<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>"),
        *("<EOT>", "_<EOT>", "<|end_of_text|>", "<end_of_utterance>"),
    }
)


@final
@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A file's tokens and which of them are special; `ends` are those that end an answer."""

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    pre: str
    begin: int | None
    end: int | None
    pad: int | None
    ends: tuple[int, ...]
    begins: bool
    template: str | None

    def word(self, number: int | None) -> str | None:
        """Return the text of a token."""
        return None if number is None else self.tokens[number]


def read(head: gguf.Header) -> Vocabulary:
    """Read the tokenizer; raise `UnsupportedSubject` for one that cannot be written exactly."""
    name, model = head.path.name, head.text("tokenizer.ggml.model")
    if model != "gpt2":
        raise UnsupportedSubject(
            f"{name} has a tokenizer of the kind {model!r}; only byte-level BPE (gpt2) can be "
            f"written as tokenizer.json exactly",
            hint="take the original folder of the model from where it was published",
        )
    pre = head.text("tokenizer.ggml.pre") or "none"
    if pre not in _PATTERNS and pre not in _PLAIN:
        known = ", ".join(sorted((*_PATTERNS, *_PLAIN)))
        raise UnsupportedSubject(
            f"{name} splits text by the rules called {pre!r}, which are not known here",
            hint=f"known: {known}; take the model's original folder instead",
        )
    tokens = tuple(str(token) for token in _array(head, "tokenizer.ggml.tokens"))
    kinds = tuple(int(kind) for kind in _array(head, "tokenizer.ggml.token_type"))
    if len(kinds) != len(tokens):
        raise gguf.unreadable(head.path, f"{len(tokens)} tokens have {len(kinds)} types")
    end = _id(head, "eos", len(tokens))
    named = [at for at, token in enumerate(tokens) if token in _ENDS and kinds[at] == _CONTROL]
    ends = [end, _id(head, "eot", len(tokens)), _id(head, "eom", len(tokens)), *named]
    declared = head.value("tokenizer.ggml.add_bos_token")
    return Vocabulary(
        tokens=tokens,
        kinds=kinds,
        merges=tuple(str(merge) for merge in _array(head, "tokenizer.ggml.merges")),
        pre=pre,
        begin=_id(head, "bos", len(tokens)),
        end=end,
        pad=_id(head, "padding", len(tokens)),
        ends=tuple(dict.fromkeys(number for number in ends if number is not None)),
        begins=declared if isinstance(declared, bool) else pre in _BEGINS,
        template=head.text("tokenizer.chat_template"),
    )


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the content of `tokenizer.json`."""
    special = (_CONTROL, _USER_DEFINED)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": at,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": vocabulary.kinds[at] == _CONTROL,
            }
            for at, token in enumerate(vocabulary.tokens)
            if vocabulary.kinds[at] in special
        ],
        "normalizer": None,
        "pre_tokenizer": _splitting(vocabulary.pre),
        "post_processor": _beginning(vocabulary),
        "decoder": _byte_level(use_regex=False),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": vocabulary.pre == "llama-bpe",
            "vocab": {token: at for at, token in enumerate(vocabulary.tokens)},
            "merges": list(vocabulary.merges),
        },
    }


def tokenizer_config(vocabulary: Vocabulary, context_tokens: int) -> dict[str, Any]:
    """Return the content of `tokenizer_config.json`, the chat template with it."""
    words = {"bos": vocabulary.begin, "eos": vocabulary.end, "pad": vocabulary.pad}
    named = {f"{key}_token": vocabulary.word(number) for key, number in words.items()}
    template = {} if vocabulary.template is None else {"chat_template": vocabulary.template}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_tokens,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": vocabulary.begins,
        **{key: word for key, word in named.items() if word is not None},
        **template,
    }


def _array(head: gguf.Header, key: str) -> list[Any]:
    value = head.value(key)
    if not isinstance(value, gguf.Array):
        raise gguf.unreadable(head.path, f"its metadata has no list {key}")
    return list(value.decode())


def _id(head: gguf.Header, name: str, count: int) -> int | None:
    value = head.value(f"tokenizer.ggml.{name}_token_id")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
        raise gguf.unreadable(head.path, f"its {name} token is {value!r} of {count} tokens")
    return value


def _splitting(pre: str) -> dict[str, Any]:
    if pre == "gpt-2":
        return _byte_level(use_regex=True)
    if pre == "smollm":
        digits = {"type": "Digits", "individual_digits": True}
        return _sequence(digits, _byte_level(use_regex=True))
    pattern = {"Regex": _PATTERNS[pre]}
    split = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    return _sequence(split, _byte_level(use_regex=False))


def _sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def _beginning(vocabulary: Vocabulary) -> dict[str, Any] | None:
    word = vocabulary.word(vocabulary.begin)
    if not vocabulary.begins or word is None:
        return None
    first = {"SpecialToken": {"id": word, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [
            first,
            {"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {word: {"id": word, "ids": [vocabulary.begin], "tokens": [word]}},
    }
