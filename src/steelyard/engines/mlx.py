"""mlx-lm's server: how to start it, what to send it, how to read it. Nothing here acts.

It answers HTTP/1.0: every request has a connection of its own. Flags and fields: `mlx_lm/server.py`
of mlx-lm 0.32.2, tried on Linux with the CPU back end; docs/engines/mlx.md says what was found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, final

from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.reading import Missing, Reading, derived
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import StreamEvent
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import (
    Asking,
    Capabilities,
    Evidence,
    Framing,
    HttpCall,
    IdentityClaim,
    LaunchPlan,
    PromptFacts,
    ReadyProbe,
)
from steelyard.engines.wires import hf_server, hf_words, openai

# Where in half precision no sum of logits comes back from.
_NEVER: Final = -10_000
_KEPT_PROMPTS: Final = 10
# It calls itself well while its weights are still being read; an answer proves that they are.
_FIRST: Final = HttpCall("POST", "/v1/completions", json={"prompt": "a", "max_tokens": 1})
_NEVER_LOADING: Final = 0


@final
@dataclass(frozen=True, slots=True)
class Mlx:
    """The dialect `mlx`. `ends` are the tokens that end an answer, `folder` what is served."""

    name: ClassVar = "mlx"
    framing: ClassVar[Framing] = "sse"  # with comments while a prompt is being read
    ends: tuple[int, ...] = ()
    folder: Path | None = None

    @property
    def capabilities(self) -> Capabilities:
        """It takes no tokens as a prompt; lengths are met by forbidding the end tokens."""
        return Capabilities(
            formats=frozenset({"mlx", "safetensors"}),
            controls_prefix_cache=True,
            honours_seed=True,
            exact_tokens=bool(self.ends),
            tool_calls=True,
            profile_keys=frozenset({"slots", "batch_tokens", "threads", "extra_args"}),
        )

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the exact server that `subject` describes under `controls`, or refuse."""
        hf_server.require("mlx", self.capabilities.formats, subject)
        profile = subject.profile
        folder = place.path_of(subject.artifact).resolve()
        argv = (
            *place.program,
            *("--model", str(folder)),
            *("--host", place.host, "--port", str(place.port)),
            *("--prompt-concurrency", str(profile.slots)),
            *("--decode-concurrency", str(profile.slots)),
            *("--prefill-step-size", str(profile.batch_tokens)),
            # Kept prompts answer a repeated beginning without computing it.
            *("--prompt-cache-size", str(_KEPT_PROMPTS if controls.reuse_prefix else 0)),
            *profile.extra_args,
        )
        return LaunchPlan(
            argv,
            # Its 503 means that reading the weights has failed: waiting would be in vain.
            ready=ReadyProbe("/health", loading=_NEVER_LOADING, proof=_FIRST),
            env=hf_server.environment(controls, subject, place),
            speaks=replace(self, ends=_ends(folder), folder=folder),
            words=hf_server.words("mlx", subject, place),
        )

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route; a seed is sent only where something is drawn.

        With a seed the server answers one request at a time; greedy answers need none.
        """
        _refuse(request)
        body = openai.chat_body(request)
        if not request.sampling.temperature:
            del body["seed"]
        if request.exact_tokens and self.ends:
            body["logit_bias"] = {str(token): _NEVER for token in self.ends}
        return HttpCall("POST", "/v1/chat/completions", json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one server-sent event; its errors are a word under `error`."""
        yield from openai.parse(data).events

    def named_model(self, data: str) -> str | None:  # noqa: ARG002 - the protocol's
        """Return nothing: an answer repeats the name that was asked for, whatever is served."""
        return None

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models: the folder that it was started with is among them."""
        return (hf_server.MODELS,)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read which folder is served."""
        return hf_server.read_identity(answers, self.folder)

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:  # noqa: ARG002
        """Refuse: there is no such route."""
        raise UnsupportedSubject(
            "mlx has no route that counts tokens",
            hint="started by Steelyard, its tokenizer is asked",
        )

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read what its tokenizer said."""
        return hf_words.tokens_of(answer)

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Ask for a few tokens, hot and as controlled: the answers show seed and cache."""
        return tuple(self.encode(request) for request in hf_server.probes(controls))

    def controls_readback(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Say what the probes show, and of the rest that it is not told."""
        cached = hf_server.cached_tokens(evidence.probes[-1])
        own: dict[str, Reading[str]] = {
            "threads": Missing("not_controllable", "mlx has no setting for its threads on a CPU"),
            "context": Missing(
                "not_controllable",
                "mlx has no limit: it goes on beyond what a model was trained for",
            ),
            "slots": Missing(
                "not_controllable", "given as --decode-concurrency; the server does not tell it"
            ),
            "cache": derived(cached, lambda tokens: "on" if tokens else "off"),
        }
        return hf_server.readback(subject, controls, evidence, own)

    def prompt_facts(self, request: GenerationRequest, asking: Asking) -> PromptFacts:
        """Ask its tokenizer; the sampler is what a request states and the server's own defaults."""
        return hf_words.prompt_facts(request, asking, _sampler(request))


def _refuse(request: GenerationRequest) -> None:
    if request.prompt_tokens is not None:
        raise UnsupportedSubject(
            "mlx takes messages, and this prompt is tokens already",
            hint="send the prompt as a message",
        )
    if request.slot is not None:
        raise UnsupportedSubject("mlx has no slots that could be chosen")


def _sampler(request: GenerationRequest) -> dict[str, str]:
    chosen = request.sampling
    drawn = {"top_k": chosen.top_k or 0, "top_p": chosen.top_p or 1.0, "min_p": chosen.min_p or 0.0}
    found = {"temperature": chosen.temperature, "repetition_penalty": 1.0}
    found |= {"presence_penalty": 0.0, "frequency_penalty": 0.0, "xtc_probability": 0.0}
    if chosen.temperature:
        found |= drawn
    return {name: f"{value:g}" for name, value in found.items()}


def _ends(folder: Path) -> tuple[int, ...]:
    """Return the tokens that end an answer, by the same files as mlx-lm reads."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        declared = _json(folder / name).get("eos_token_id")
        if declared:
            found |= set(declared) if isinstance(declared, list) else {declared}
            break
    word = _json(folder / "tokenizer_config.json").get("eos_token")
    content = word.get("content") if isinstance(word, dict) else word
    added = _json(folder / "tokenizer.json").get("added_tokens") or ()
    found |= {entry["id"] for entry in added if entry.get("content") == content}
    return tuple(sorted(found))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
