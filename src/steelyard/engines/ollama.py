"""Ollama by its own routes: somebody else's, or its image. Nothing here acts.

Its OpenAI-style routes take no context length and tell no times: `/api/chat` does both. A prompt
that does not fit is cut there in silence, so that the request asks to be refused instead
(`truncate`), and a count that reaches the context is not believed. Routes and fields: docs/api.md
and the API reference of Ollama 0.40; durations are in nanoseconds. From its image it is given a
GGUF file as one of its own blobs, of which it then makes a model (`/api/create` with `files`), and
an empty prompt loads it; variables: docs/faq.mdx.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NoReturn, final

from steelyard.domain.errors import DialectError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import (
    Content,
    EngineTimings,
    Finished,
    Reasoning,
    RoleStarted,
    StreamEvent,
    StreamFailed,
    ToolCall,
    Usage,
)
from steelyard.domain.subject import Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import (
    Capabilities,
    Evidence,
    Framing,
    HttpCall,
    IdentityClaim,
    LaunchPlan,
    Met,
    ReadyProbe,
    Served,
)
from steelyard.engines.images import ARM, RUNTIME, X86, Image
from steelyard.engines.wires import openai, served

_SECONDS_PER_NS: Final = 1e-9
_VERSION: Final = HttpCall("GET", "/api/version")
_LOADED: Final = HttpCall("GET", "/api/ps")
_GIVEN: Final = "given to Ollama with the model"
_FORMATS: Final = frozenset({"gguf"})
_BLOB: Final = "/root/.ollama/models/blobs/sha256-{sha256}"
_BOTH: Final = frozenset({X86, ARM})
_NAME: Final = "docker.io/ollama/ollama"
_DIGEST: Final = "sha256:1bef639749741b375e9a1eb2c1346fb57ce52f5432de1f74846e44ccc18e1687"
_TWO: Final = "the same in two public repositories' deployments of 2026-10"
IMAGES: Final = (
    Image(_NAME, "0.40.0", "cpu", _BOTH, _DIGEST, _TWO, path=_BLOB),
    Image(_NAME, "0.40.0", "cuda", _BOTH, _DIGEST, _TWO, path=_BLOB),
    Image(_NAME, "0.40.0-rocm", "rocm", path=_BLOB),
)
_CACHED_UNKNOWN: Final = Missing(
    "not_reported", "Ollama does not tell how much of a prompt came out of its cache"
)


@final
@dataclass(frozen=True, slots=True)
class Ollama:
    """The dialect `ollama`. `found` is what the server was found to serve."""

    name: ClassVar = "ollama"
    framing: ClassVar[Framing] = "ndjson"
    greeting: ClassVar[HttpCall | None] = _VERSION
    found: Served = Served()

    @property
    def capabilities(self) -> Capabilities:
        """It tells its times; it can be told neither to run on nor to forget a prefix."""
        return Capabilities(
            formats=frozenset(),
            image_formats=_FORMATS,
            profile_keys=frozenset({"context_tokens", "slots", "threads", "gpu_layers"}),
            reports_timings=True,
            honours_seed=True,
            tool_calls=self._takes_tools(),
            images=True,
            embeddings=True,
        )

    @property
    def images(self) -> tuple[Image, ...]:
        """Its server: one image for the processor and NVIDIA's devices, one for AMD's."""
        return IMAGES

    def recognises(self, met: Met) -> bool:
        """Know it by the owner of the library's models, else by its own route."""
        return "library" in served.owners(met.listing) or "version" in _object(met.own)

    def serving(self, found: Served) -> Ollama:
        """Return the dialect with what was found out."""
        return Ollama(found)

    @property
    def context_tokens(self) -> int | None:
        """The context to ask for: what is loaded where that is enough, else what is needed.

        Another length than the loaded one makes Ollama load the model anew; more than the model was
        trained for it does not give.
        """
        loaded = _count(self._loaded(self.found.answers), "context_length")
        wanted, trained = self.found.context_tokens, self._trained()
        if wanted is None or (loaded is not None and loaded >= wanted):
            return loaded
        return wanted if trained is None else min(wanted, trained)

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the server of an image; one that is no image's is somebody else's."""
        served.require_container(self.name, _FORMATS, subject)
        artifact, profile = subject.artifact, subject.profile
        threads = controls.threads or profile.threads
        name = _own_name(artifact.name)
        found = Served(name, profile.context_tokens, controls.reuse_prefix)
        # Of the model itself: a request that did not repeat them would have it loaded anew.
        options = {
            "num_ctx": profile.context_tokens,
            "num_gpu": profile.gpu_layers,
            **({"num_thread": threads} if threads else {}),
        }
        made: dict[str, object] = {
            "model": name,
            "files": {"model.gguf": f"sha256:{artifact.sha256}"},
            "parameters": options,
            "stream": False,
        }
        load: dict[str, object] = {"model": name, "stream": False}
        env = {
            "OLLAMA_HOST": f"{place.host}:{place.port}",
            "OLLAMA_NUM_PARALLEL": str(profile.slots),
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_NOPRUNE": "1",  # the file is mounted, and no manifest names it yet
        }
        return LaunchPlan(
            ("serve",),
            ReadyProbe("/api/version"),
            env,
            speaks=Ollama(found),
            called=name,
            first=(HttpCall("POST", "/api/create", made), HttpCall("POST", "/api/generate", load)),
        )

    def encode(self, request: GenerationRequest) -> HttpCall:
        """State the context, the sampling and the length; ask to be refused rather than cut."""
        served.require_messages(request)
        if request.top_logprobs:
            raise UnsupportedSubject("log-probabilities are not asked of ollama yet")
        length = self.context_tokens
        options = {
            **({} if length is None else {"num_ctx": length}),
            "num_predict": request.max_tokens,
            **openai.sampling(request),
        }
        body: dict[str, object] = {
            "model": self.found.model or "",
            "messages": list(_messages(request.messages)),
            "stream": request.stream,
            "options": options,
            "truncate": False,
            "shift": False,
        }
        if request.tools:
            body["tools"] = [json.loads(tool) for tool in request.tools]
        if request.schema:
            body["format"] = json.loads(request.schema)
        return HttpCall("POST", "/api/chat", json=body)

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one line; the last one has the counts and the server's own clock."""
        raw = _line(data)
        message = _object(raw.get("message"))
        yield from _said(message)
        if raw.get("done") is not True:
            return
        yield from self._last(raw)

    def named_model(self, data: str) -> str | None:
        """Return the name under `model`."""
        model = _line(data).get("model")
        return model if isinstance(model, str) else None

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Ask for the models, the version, what is loaded, and for the model's own facts."""
        show = HttpCall("POST", "/api/show", json={"model": self.found.model or ""})
        return (served.MODELS, _VERSION, _LOADED, *([show] if self.found.model else []))

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read the model, its quant and digest, the context that is loaded, and the version."""
        listing, version, _, *shown = answers
        loaded = self._loaded(answers)
        facts = _object(shown[0]) if shown else {}
        return IdentityClaim(
            name=served.named(self.found, listing),
            parameters=openai.count(
                _object(facts.get("model_info")),
                "general.parameter_count",
                who="general.parameter_count",
            ),
            context_tokens=_loaded_context(loaded),
            build=served.text(_object(version), "version", who="/api/version"),
            quant=served.text(_object(facts.get("details")), "quantization_level", who="/api/show"),
            digest=served.text(loaded, "digest", who="/api/ps"),
            takes=_takes(facts),
        )

    def tokenise_call(self, text: str, *, special: bool) -> NoReturn:  # noqa: ARG002
        """Refuse: there is no such route."""
        served.refuse_tokens(self.name)

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read a list under `tokens`, which it never sends."""
        return served.tokens(answer, who="ollama")

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:  # noqa: ARG002
        """Ask nothing: what is loaded stands in `/api/ps`."""
        return ()

    def controls_readback(
        self,
        subject: Subject,
        controls: Controls,
        evidence: Evidence,
    ) -> tuple[AppliedControl, ...]:
        """Set the context that was asked for against the one that is loaded."""
        own = {"cache": served.CACHE_THEIRS, "length": served.NO_IGNORE_EOS}
        asked = served.OPEN if self.context_tokens is None else str(self.context_tokens)
        claim = self.read_identity(evidence.answers)
        seen = served.readback(controls, evidence, claim, own, context_asked=asked)
        if subject.runtime == RUNTIME:
            return served.launched(subject, controls, seen, _GIVEN, threads=True)
        return seen

    def loaded_call(self) -> HttpCall:
        """Ask what is loaded."""
        return _LOADED

    def read_loaded(self, answer: object) -> Reading[bool]:
        """Look for the model among those that are."""
        models = _object(answer).get("models")
        if not isinstance(models, list):
            return Missing("not_reported", "Ollama's /api/ps has no list of models")
        return Measured(any(_object(m).get("name") == self.found.model for m in models), "engine")

    def unload_call(self) -> HttpCall:
        """Ask for nothing and let it be kept for no time: docs/api.md, "Unload a model"."""
        body = {"model": self.found.model or "", "keep_alive": 0}
        return HttpCall("POST", "/api/generate", json=body)

    def _last(self, raw: Mapping[str, Any]) -> Iterator[StreamEvent]:
        prompt, output = _count(raw, "prompt_eval_count"), _count(raw, "eval_count")
        length = self.context_tokens
        if length is not None and prompt is not None and prompt >= length:
            yield StreamFailed(
                f"the prompt was cut: {prompt} tokens were counted in a context of {length}"
            )
        reason = raw.get("done_reason")
        if isinstance(reason, str) and reason:
            yield Finished(reason)
        if prompt is not None and output is not None:
            yield Usage(prompt, output, cached_tokens=_CACHED_UNKNOWN)
        yield EngineTimings(
            prefill_s=_seconds(raw, "prompt_eval_duration"),
            decode_s=_seconds(raw, "eval_duration"),
            prompt_tokens=served.computed(
                self.found,
                openai.count(raw, "prompt_eval_count", who="ollama's prompt_eval_count"),
                _CACHED_UNKNOWN,
            ),
            cached_tokens=_CACHED_UNKNOWN,
            output_tokens=openai.count(raw, "eval_count", who="ollama's eval_count"),
            load_ns=openai.count(raw, "load_duration", who="ollama's load_duration"),
        )

    def _loaded(self, answers: Sequence[object]) -> Mapping[str, Any]:
        """Return what `/api/ps` says of the model; nothing while it is not loaded."""
        models = _object(answers[2]).get("models") if len(answers) > 2 else None  # noqa: PLR2004
        listed = models if isinstance(models, list) else []
        return next((_object(m) for m in listed if _object(m).get("name") == self.found.model), {})

    def _takes_tools(self) -> bool:
        """Whether the model's template has a place for tools, where Ollama says what it can do."""
        shown = self.found.answers[3] if len(self.found.answers) > 3 else None  # noqa: PLR2004
        able = _object(shown).get("capabilities")
        return "tools" in able if isinstance(able, list) else True

    def _trained(self) -> int | None:
        """Return the context that the model was trained for, by its own metadata."""
        shown = self.found.answers[3] if len(self.found.answers) > 3 else None  # noqa: PLR2004
        info = _object(_object(shown).get("model_info"))
        return _count(info, f"{info.get('general.architecture')}.context_length")


def _own_name(name: str) -> str:
    """Return a file's name as Ollama takes it, with the tag that it would add."""
    stem = name.removesuffix(".gguf").rpartition("/")[2].lower()
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in stem)
    return f"{plain.strip('._-') or 'model'}:latest"


def _messages(turns: Sequence[Message]) -> Iterator[dict[str, object]]:
    """Yield turns as `/api/chat` has them.

    Pictures are bare base64 beside the text, arguments are objects, and a result names its tool.
    """
    names: dict[str, str] = {}
    for turn in turns:
        written: dict[str, object] = {"role": turn.role, "content": turn.content}
        if turn.media:
            written["images"] = [shown.data for shown in turn.media]
        if turn.calls:
            names |= {call.id: call.name for call in turn.calls}
            written["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "index": index,
                        "name": call.name,
                        "arguments": _arguments(call.arguments),
                    },
                }
                for index, call in enumerate(turn.calls)
            ]
        if turn.answers:
            written |= {"tool_name": names.get(turn.answers, ""), "tool_call_id": turn.answers}
        yield written


def _arguments(text: str) -> object:
    try:
        return _object(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _line(data: str) -> Mapping[str, Any]:
    raw = openai.parse(data).raw
    if "message" not in raw and raw.get("done") is not True:
        raise DialectError(f"ollama sent {data[:120]!r}, which is no part of an answer")
    return raw


def _said(message: Mapping[str, Any]) -> Iterator[StreamEvent]:
    thought, content, calls = (message.get(key) for key in ("thinking", "content", "tool_calls"))
    found: list[StreamEvent] = []
    if isinstance(thought, str) and thought:
        found.append(Reasoning(thought))
    if isinstance(content, str) and content:
        found.append(Content(content))
    for position, call in enumerate(calls if isinstance(calls, list) else ()):
        function = _object(_object(call).get("function"))
        said, index = function.get("arguments") or {}, function.get("index")
        found.append(
            ToolCall(
                index if isinstance(index, int) else position,
                str(function.get("name") or ""),
                said if isinstance(said, str) else json.dumps(said),
                str(_object(call).get("id") or ""),
            )
        )
    if not found and message.get("role") and not isinstance(content, str):
        found.append(RoleStarted())
    yield from found


def _takes(facts: Mapping[str, Any]) -> Reading[frozenset[str]]:
    """Read the capabilities of a model, which older versions do not tell."""
    able = facts.get("capabilities")
    if not isinstance(able, list):
        return Missing("not_reported", "/api/show states no capabilities")
    return Measured(frozenset({"image"} if "vision" in able else ()), "engine")


def _loaded_context(loaded: Mapping[str, Any]) -> Reading[int]:
    if not loaded:
        return Missing("not_loaded", "Ollama has not loaded the model yet")
    return openai.count(loaded, "context_length", who="/api/ps sent context_length")


def _seconds(raw: Mapping[str, Any], key: str) -> Reading[float]:
    return served.number(raw, key, scale=_SECONDS_PER_NS, who="ollama")


def _count(raw: Mapping[str, Any], key: str) -> int | None:
    found = openai.count(raw, key, who=key)
    return found.value if isinstance(found, Measured) else None


def _object(value: object) -> Mapping[str, Any]:
    return openai.as_object(value) or {}
