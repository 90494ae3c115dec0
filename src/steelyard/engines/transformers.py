"""`transformers serve`: how to start it, what to send it, how to read it. Nothing here acts.

One request at a time, in the order in which they come. Fields that the chat route does not know are
refused with 422, so everything about sampling goes as `generation_config`, a text of JSON, where a
setting that is left out is filled in from the model's own file. Flags and fields:
`transformers/cli/serve.py` and `cli/serving/` of transformers 5.24.0, tried on Linux with the CPU
build of torch; docs/engines/transformers.md says what was found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import DialectError, UnsupportedSubject
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


@final
class Transformers:
    """The dialect of `transformers serve`."""

    name: Final = "transformers"
    framing: Final[Framing] = "sse"
    capabilities: Final = Capabilities(
        formats=frozenset({"safetensors"}),
        honours_seed=True,
        exact_tokens=True,
        tool_calls=True,
        profile_keys=frozenset({"threads", "extra_args"}),
        # The environment that Steelyard makes for it holds the processor's build of torch.
        devices=frozenset({"cpu"}),
    )

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the exact server that `subject` describes under `controls`, or refuse."""
        hf_server.require(self.name, self.capabilities.formats, subject)
        device = "cpu" if not subject.profile.gpu_layers else "auto"
        argv = (
            *place.program,
            # Named here it is loaded before the port is opened, and never unloaded.
            str(place.path_of(subject.artifact).resolve()),
            *("--host", place.host, "--port", str(place.port), "--device", device),
            *("--default-seed", str(controls.seed)),
            *subject.profile.extra_args,
        )
        return LaunchPlan(
            argv,
            ready=ReadyProbe("/health"),
            env=hf_server.environment(controls, subject, place),
            words=hf_server.words(self.name, subject, place),
        )

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Use the chat route, and state the sampling in the model's own settings."""
        if request.prompt_tokens is not None:
            raise UnsupportedSubject(
                "transformers takes messages, and this prompt is tokens already",
                hint="send the prompt as a message",
            )
        if request.slot is not None:
            raise UnsupportedSubject("transformers has no slots that could be chosen")
        if request.top_logprobs:
            raise UnsupportedSubject(
                "transformers serve gives no log-probabilities on its chat route",
                hint="ask llamacpp or mlx for them",
            )
        chat = openai.chat_body(request)
        body: dict[str, object] = {
            key: chat[key] for key in ("messages", "max_tokens", "stream", "tools") if key in chat
        }
        if request.sampling.temperature:
            body["seed"] = request.seed
        body["generation_config"] = json.dumps(_settings(request), sort_keys=True)
        return HttpCall("POST", "/v1/chat/completions", json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one server-sent event; a refusal is a word or a list under `detail`."""
        try:
            chunk = openai.parse(data)
        except DialectError:
            # In a stream it puts the words of an error between quotes without escaping them.
            raise DialectError(_broken_words(data)) from None
        if "detail" in chunk.raw and "choices" not in chunk.raw:
            raise DialectError(_detail(chunk.raw["detail"]))
        yield from chunk.events

    def named_model(self, data: str) -> str | None:
        """Return the name of the folder under `model`."""
        path = openai.named_model(data)
        return None if path is None else Path(path).name

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models: a server that was started with one lists that alone."""
        return (hf_server.MODELS,)

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read which folder is served; every answer carries its path too."""
        claim = hf_server.read_identity(answers, None)
        return replace(claim, name=derived(claim.model_path, lambda path: Path(path).name))

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:  # noqa: ARG002
        """Refuse: there is no such route."""
        raise UnsupportedSubject(
            "transformers has no route that counts tokens",
            hint="started by Steelyard, its tokenizer is asked",
        )

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read what its tokenizer said."""
        return hf_words.tokens_of(answer)

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Ask for a few tokens, hot and as controlled: the answers show the seed."""
        return tuple(self.encode(request) for request in hf_server.probes(controls))

    def controls_readback(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Say what the probes show, and of the rest that it is not told."""
        own: dict[str, Reading[str]] = {
            "threads": Missing(
                "not_controllable", "given to torch as OMP_NUM_THREADS; the server does not tell it"
            ),
            "context": Missing(
                "not_controllable", "it goes on beyond the length that a model was trained for"
            ),
            "slots": Missing("not_controllable", "it answers one request at a time"),
            "cache": Missing(
                "not_controllable",
                "it keeps nothing of a prompt for the next one, and tells nothing",
            ),
        }
        return hf_server.readback(subject, controls, evidence, own)

    def prompt_facts(self, request: GenerationRequest, asking: Asking) -> PromptFacts:
        """Ask its tokenizer; the sampler is what is stated, and what the model's file fills in."""
        settings = _settings(request)
        names = ("temperature", "repetition_penalty", "top_k", "top_p", "min_p")
        found = {"presence_penalty": "0", "frequency_penalty": "0", "xtc_probability": "0"}
        found |= {name: f"{settings[name]:g}" for name in names if name in settings}
        found.setdefault("temperature", "0")
        generation = asking.words({"facts": True}).get("generation") or {}
        return hf_words.prompt_facts(request, asking, found | hf_words.greedy_changes(generation))


def _settings(request: GenerationRequest) -> dict[str, Any]:
    """Return the request's settings; what the model's own file says of them is overruled."""
    chosen = request.sampling
    found: dict[str, Any] = {
        "max_new_tokens": request.max_tokens,
        "do_sample": bool(chosen.temperature),
        "repetition_penalty": 1.0,
    }
    if request.exact_tokens:
        found["min_new_tokens"] = request.max_tokens
    if chosen.temperature:
        found["temperature"] = chosen.temperature
        drawn = {"top_k": chosen.top_k, "top_p": chosen.top_p, "min_p": chosen.min_p}
        found |= {name: value for name, value in drawn.items() if value is not None}
    return found


def _detail(detail: object) -> str:
    """Return the words of a refusal: a text, or what each field was found wrong for."""
    if isinstance(detail, list):
        return "; ".join(
            str(each.get("msg", each)) if isinstance(each, dict) else str(each) for each in detail
        )
    return str(detail)


def _broken_words(data: str) -> str:
    head, tail = '{"error": "', '"}'
    words = data.removeprefix(head).removesuffix(tail) if data.startswith(head) else data
    return words[:300]
