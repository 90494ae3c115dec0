"""What llama.cpp's server makes of a request before the first token, asked of the server itself.

Routes: `/apply-template`, `/tokenize`, `/props` and the settings that `/completion` echoes, in
tools/server/README.md of ggml-org/llama.cpp. The tokens that end an answer are those that it
forbids when it is told to ignore them. Not aware of how a server is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Asking, HttpCall, PromptFacts
from steelyard.engines.wires import hf_words, llama_server, openai

# llama.cpp's name → Hugging Face's.
_ALWAYS: Final = {
    "temperature": "temperature",
    "repeat_penalty": "repetition_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "xtc_probability": "xtc_probability",
}
_DRAWN: Final = {"top_k": "top_k", "top_p": "top_p", "min_p": "min_p"}
# Neutral at this value; at any other they are shown, for no other engine has them.
_OWN: Final = {"dry_multiplier": 0, "mirostat": 0}


def prompt_facts(request: GenerationRequest, asking: Asking) -> PromptFacts:
    """Ask for the rendered conversation, its tokens, and the settings in force."""
    turns = [{"role": turn.role, "content": turn.content} for turn in request.messages]
    rendered = asking.http(HttpCall("POST", "/apply-template", {"messages": turns}))
    prompt = (openai.as_object(rendered) or {}).get("prompt")
    if not isinstance(prompt, str):
        raise DialectError(f"/apply-template answered {str(rendered)[:120]}")
    props = openai.as_object(asking.http(HttpCall("GET", "/props"))) or {}
    tokens = llama_server.read_tokens(asking.http(_tokenise(prompt)))
    begins = llama_server.read_tokens(asking.http(_tokenise("")))
    settings = _settings(request, asking, tokens[:1])
    return PromptFacts(
        tokens=Measured(tokens, "engine"),
        template_sha256=hf_words.template_hash(props.get("chat_template")),
        begin=hf_words.begin_words(props.get("bos_token"), first=bool(begins)),
        ends=_ends(settings),
        sampler=Measured(_sampler(request, settings), "engine"),
    )


def _tokenise(text: str) -> HttpCall:
    """Ask as the chat route does: with what begins a text, and control tokens recognised."""
    body = {"content": text, "add_special": True, "parse_special": True}
    return HttpCall("POST", "/tokenize", json=body)


def _settings(
    request: GenerationRequest, asking: Asking, prompt: tuple[int, ...]
) -> Mapping[str, Any]:
    body = {
        "prompt": list(prompt),
        "n_predict": 1,
        "cache_prompt": False,
        "ignore_eos": True,
        **openai.sampling(request),
    }
    answer = openai.as_object(asking.http(HttpCall("POST", "/completion", json=body))) or {}
    return openai.as_object(answer.get("generation_settings")) or {}


def _ends(settings: Mapping[str, Any]) -> Reading[tuple[int, ...]]:
    biases = settings.get("logit_bias")
    if not isinstance(biases, list) or not biases:
        return Missing("not_reported", "llama-server does not echo what it forbids")
    return Measured(tuple(sorted(int(bias["token"]) for bias in biases)), "engine")


def _sampler(request: GenerationRequest, settings: Mapping[str, Any]) -> dict[str, str]:
    names = _ALWAYS | (_DRAWN if request.sampling.temperature else {})
    # Sent back in single precision: six digits are what was asked for.
    found = {ours: f"{settings[its]:g}" for its, ours in names.items() if its in settings}
    own = {name: settings.get(name, off) for name, off in _OWN.items()}
    return found | {name: f"{own[name]:g}" for name, off in _OWN.items() if own[name] != off}
