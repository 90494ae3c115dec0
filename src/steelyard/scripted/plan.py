"""What the scripted engine is told to do: planted times, planted faults, planted answers.

A plan is a JSON file. `variants` overrides fields for model files whose name matches a pattern, so
that a ladder of stand-in files has a known truth per variant. Pure; not aware of sockets.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final, get_args

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.ids import canonical, plain

FaultKind: TypeAlias = Literal[
    "missing_usage",
    "missing_timings",
    "partial_metadata",
    "zero_tokens",
    "reasoning",
    "think_tags",
    "error_in_stream",
    "stall",
    "disconnect",
    "truncated",
    "http_error",
    "wrong_name",
    "wrong_model",
    "media_dropped",
    "die",
    "calls_as_text",
    "calls_broken",
    "tools_refused",
    "tools_ignored",
    "json_broken",
    "json_wrapped",
    "json_off_scale",
    "schema_refused",
]


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: in the n-th requests named, else in a share of all prompts.

    With `prompts`, by their `prompt_key`, that share is of those alone.
    """

    kind: FaultKind
    requests: tuple[int, ...] = ()
    rate: float = 1.0
    prompts: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A tool that is called: `arguments` is sent as it stands, which need not be JSON.

    Without an `id` the engine gives one.
    """

    name: str
    arguments: str = "{}"
    id: str = ""


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """The script. Times are those of a variant at `speed` 1 when the engine is cold.

    `jitter` is the largest share by which a gap is drawn longer or shorter, seeded per request.
    `heat_per_minute` is the share by which everything has slowed down a minute after the start.
    `output_tokens` is said where a prompt is not in `answers`; None says as many as allowed.
    `keeps_prompt_tokens` is how much of a longer prompt is read, and counted, without a word.
    `answers` maps `prompt_key` to the right answer, or to the right and a wrong one; `calls` maps
    it to the tools that are called, behind the answer where there is one too. Which prompts
    are answered wrongly depends on `seed` and the prompt only, so variants with a higher
    `wrong_rate` fail on all that the others fail on, and more. `again_rate` is the share of known
    prompts whose answer turns, right to wrong or back, every second time one start is asked them;
    `start_rate` the share whose answer begins with a number that no other start has. `gpu_layers`
    and `gpus` override fields where the server is started with that number of either: devices that
    are not there.
    `takes` are the kinds of media that the model is shown, each for `media_tokens`; others are
    refused in llama-server's words. Where it `admits` it, the server tells of them beforehand.
    """

    ttft_s: float = 0.05
    prefill_s_per_token: float = 0.0
    gap_s: float = 0.01
    jitter: float = 0.0
    tokens_per_event: int = 1
    output_tokens: int | None = None
    keeps_prompt_tokens: int | None = None
    speed: float = 1.0
    heat_per_minute: float = 0.0
    load_s: float = 0.0
    load_failure: str | None = None
    wrong_rate: float = 0.0
    again_rate: float = 0.0
    start_rate: float = 0.0
    seed: int = 0
    faults: tuple[Fault, ...] = ()
    answers: Mapping[str, str | tuple[str, str]] = field(default_factory=dict)
    takes: tuple[str, ...] = ("image", "audio", "video")
    admits: bool = True
    media_tokens: int = 64
    calls: Mapping[str, tuple[PlannedCall, ...]] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    gpu_layers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    gpus: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def for_model(self, name: str) -> Plan:
        """Return the plan for one model file: every matching pattern's fields put over it."""
        changes: dict[str, object] = {}
        for pattern, fields in self.variants.items():
            if fnmatch.fnmatch(name, pattern):
                changes.update(fields)
        plan = dataclasses.replace(self, variants={})
        return _checked({**_object(plain(plan)), **changes}, source=f"variant {name!r}")

    def on_gpus(self, layers: int, gpus: int) -> Plan:
        """Return the plan for so many layers on so many GPUs that are made up."""
        plan = dataclasses.replace(self, gpu_layers={}, gpus={})
        changes = {**self.gpu_layers.get(str(layers), {}), **self.gpus.get(str(gpus), {})}
        if not changes:
            return plan
        source = f"{layers} layers on {gpus} GPUs"
        return _checked({**_object(plain(plan)), **changes}, source=source)

    def faults_of(self, number: int, key: str) -> frozenset[FaultKind]:
        """Return what goes wrong with the `number`-th request, whose prompt has this key."""
        return frozenset(
            fault.kind
            for fault in self.faults
            if (
                number in fault.requests
                if fault.requests
                else (not fault.prompts or key in fault.prompts)
                and share(self.seed, fault.kind, key) < fault.rate
            )
        )

    def answer(self, key: str, before: int = 0, start: int = 0) -> str | None:
        """Return what is said to a known prompt: the right answer, or by plan a wrong one.

        `before` is how often this start was asked it already, `start` the number of the start.
        """
        known = self.answers.get(key)
        if known is None:
            return _NO_ANSWER if key in self.calls and self._errs(key) else None
        right, wrong = (known, _NO_ANSWER) if isinstance(known, str) else known[:2]
        turned = before % 2 == 1 and share(self.seed, "again", key) < self.again_rate
        said = wrong if self._errs(key) != turned else right
        return f"({start}) {said}" if share(self.seed, "start", key) < self.start_rate else said

    def called(self, key: str) -> tuple[PlannedCall, ...]:
        """Return the tools that a known prompt has called; by plan none of them."""
        return () if self._errs(key) else self.calls.get(key, ())

    def _errs(self, key: str) -> bool:
        return share(self.seed, "wrong", key) < self.wrong_rate


_NO_ANSWER: Final = "I do not know."


def told(text: str, media: Iterable[tuple[str, bytes]]) -> str:
    """Return a message as keys have it: the kind and the hash of each file before the text."""
    shown = (f"{kind}:{hashlib.sha256(data).hexdigest()}\x1d" for kind, data in media)
    return "".join(shown) + text


def prompt_key(messages: Iterable[tuple[str, str]], tools: str = "") -> str:
    """Return the key of a conversation, given as roles and contents, and of the tools with it."""
    text = "".join(f"{role}\x1f{content}\x1e" for role, content in messages) + tools
    return hashlib.sha256(text.encode()).hexdigest()


def share(*parts: object) -> float:
    """Return a number from 0 to 1 that depends on the parts only."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def read(path: Path) -> Plan:
    """Read a plan file; raise `BadInput` that names the offending key."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is not a plan: {error}") from None
    return _checked(_object(raw), source=str(path))


def write(plan: Plan, path: Path) -> Path:
    """Write a plan file."""
    path.write_text(canonical(plan), encoding="utf-8")
    return path


def _checked(raw: Mapping[str, object], *, source: str) -> Plan:
    # By hand: this runs at every start of the engine, and pydantic takes longer than all else.
    wanted = {item.name: item.default for item in dataclasses.fields(Plan)}
    for key, value in raw.items():
        if key not in wanted:
            raise UnknownName.among(f"key of a plan ({source}):", key, wanted)
        default = wanted[key]
        if isinstance(default, int | float) and not isinstance(value, int | float):
            raise BadInput(f"{source}: {key} is a number, not {value!r}")
    fields: dict[str, Any] = dict(raw)
    fields["takes"] = tuple(fields.get("takes", wanted["takes"]))
    fields["faults"] = tuple(_fault(item, source) for item in fields.get("faults", ()))
    fields["calls"] = {
        key: tuple(_call(each, source) for each in each_of)
        for key, each_of in _object(fields.get("calls", {})).items()
    }
    plan = Plan(**fields)
    if plan.speed <= 0 or plan.tokens_per_event < 1:
        raise BadInput(f"{source}: speed is above 0 and tokens_per_event at least 1")
    return plan


def _fault(raw: object, source: str) -> Fault:
    fields = _object(raw)
    kind = fields.get("kind")
    if kind not in get_args(FaultKind):
        raise UnknownName.among(f"fault ({source}):", str(kind), get_args(FaultKind))
    lists = {name: tuple(fields.get(name, ())) for name in ("requests", "prompts")}
    return Fault(**{**fields, **lists})


def _call(raw: object, source: str) -> PlannedCall:
    fields = _object(raw)
    wanted = [item.name for item in dataclasses.fields(PlannedCall)]
    for key in fields:
        if key not in wanted:
            raise UnknownName.among(f"key of a call ({source}):", key, wanted)
    if not isinstance(fields.get("name"), str):
        raise BadInput(f"{source}: a call names the tool that is called")
    arguments = fields.get("arguments", "{}")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return PlannedCall(fields["name"], text, str(fields.get("id", "")))


def _object(raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise BadInput(f"a JSON object belongs there, not {raw!r}")
    return raw
