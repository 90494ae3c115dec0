"""What engines that load Hugging Face folders have in common beside the chat wire.

They have no route for tokens: the questions here go to their own tokenizer in a child process
(`engines.words`). Not aware of how it is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Asking, PromptFacts

# Settings of a model's generation_config.json that change greedy answers, and what switches each
# off; transformers fills them in where a request is silent.
_CHANGES: Final[Mapping[str, object]] = {
    "no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "sequence_bias": None,
    "exponential_decay_length_penalty": None,
    "num_beams": 1,
    "guidance_scale": None,
}


def prompt_facts(
    request: GenerationRequest, asking: Asking, sampler: Mapping[str, str]
) -> PromptFacts:
    """Ask the engine's own tokenizer how it renders the request's messages."""
    turns = [{"role": turn.role, "content": turn.content} for turn in request.messages]
    known = asking.words({"facts": True})
    template = known.get("template")
    return PromptFacts(
        tokens=Measured(tokens_of(asking.words({"messages": turns})), "engine"),
        template_sha256=template_hash(template),
        begin=begin_words(known.get("begin"), first=bool(known.get("begins"))),
        ends=Measured(tuple(sorted(int(token) for token in known["ends"])), "engine"),
        sampler=Measured(sampler, "derived"),
    )


def tokens_of(answer: object) -> tuple[int, ...]:
    """Read the list under `tokens`."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
        raise DialectError(f"the engine's tokenizer answered {str(answer)[:120]}")
    return tuple(tokens)


def begin_words(word: object, *, first: bool) -> Reading[str]:
    """Say which token begins a text, and whether it is put before one."""
    name = repr(word) if isinstance(word, str) and word else "none"
    return Measured(f"{name}, {'put first' if first else 'not put first'}", "engine")


def greedy_changes(generation: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a generation_config.json that change greedy answers."""
    return {
        name: str(generation[name])
        for name, off in _CHANGES.items()
        if generation.get(name) not in (None, off)
    }


def template_hash(template: object) -> Reading[str]:
    """Hash a chat template without its own last line end, which Jinja takes off and renders not."""
    if isinstance(template, str) and template:
        text = template.removesuffix("\n")
        return Measured(hashlib.sha256(text.encode()).hexdigest(), "engine")
    return Missing("no_template", "the engine has no chat template")
