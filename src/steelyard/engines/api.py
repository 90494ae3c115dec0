"""What a dialect is: the one file that knows how an engine is started, asked and read.

A dialect decides and does nothing: it opens no socket and starts no process. `engines.host` acts
on its plans, `loadgen.driver` sends what is timed. Found by name through the entry-point group
`steelyard.engines`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Final, Literal, Protocol, TypeAlias, final, runtime_checkable

from steelyard.domain.errors import UnknownName
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Place
from steelyard.domain.stream import Account, StreamEvent
from steelyard.domain.subject import Subject
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.images import Image

Framing: TypeAlias = Literal["sse", "ndjson"]
_GROUP: Final = "steelyard.engines"


@final
@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; what it cannot is refused or written down, never assumed.

    `formats` are those that a program started here loads, `image_formats` those that its images
    load. `tells_limit`: an answer that ran into its limit ends with `length` and not with `stop`.
    `profile_keys` are the fields of an engine profile that its launch passes on, `devices` the
    kinds that it can be told to compute on. `images`, `audio`, `video`: what a request can carry to
    a model that takes it; whether the served one does is the server's word (`IdentityClaim.takes`).
    """

    formats: frozenset[str]
    image_formats: frozenset[str] = frozenset()
    streams: bool = True
    tells_limit: bool = True
    reports_timings: bool = False
    controls_prefix_cache: bool = False
    honours_seed: bool = False
    exact_tokens: bool = False
    token_prompts: bool = False
    logprobs: bool = False
    tool_calls: bool = False
    images: bool = False
    audio: bool = False
    video: bool = False
    embeddings: bool = False
    metrics: bool = False
    simulated: bool = False
    profile_keys: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()


@final
@dataclass(frozen=True, slots=True)
class HttpCall:
    """One HTTP request in plain words; an empty `json` is no body."""

    method: str
    path: str
    json: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class ReadyProbe:
    """Where to ask whether the engine can work, and what it answers before and after.

    Some servers call themselves ready while they load: `proof` is a request of which they are only
    believed when it has been answered.
    """

    path: str
    ready: int = 200
    loading: int = 503
    proof: HttpCall | None = None


@final
@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """The exact program to start, and how to tell that it is ready.

    `speaks` is the dialect with what it learned of this very model, where it had to. `words` is the
    program that tells tokens of an engine which has no route for that (`engines.words`). `first`
    are requests that bring the model in: only when they are answered has it been loaded. `called`
    is how the server will call the model, where that is not the artifact's name. Of an engine in a
    container, `argv` is what stands behind the image.
    """

    argv: tuple[str, ...]
    ready: ReadyProbe
    env: Mapping[str, str] = field(default_factory=dict)
    speaks: Dialect | None = None
    words: tuple[str, ...] = ()
    first: tuple[HttpCall, ...] = ()
    called: str = ""


@final
@dataclass(frozen=True, slots=True)
class IdentityClaim:
    """What the server says that it serves; compared with the file in `engines.identity`.

    `name` is what it puts into its answers, `context_tokens` is per slot, `tensor_bytes` and
    `parameters` are counted over all tensors of the file that it has loaded. `digest` is the
    server's own for what it has loaded, whatever it is taken over. `takes` are the kinds of media
    that the model can be shown.
    """

    name: Reading[str] = Missing("not_reported")
    model_path: Reading[str] = Missing("not_reported")
    parameters: Reading[int] = Missing("not_reported")
    tensor_bytes: Reading[int] = Missing("not_reported")
    vocabulary: Reading[int] = Missing("not_reported")
    context_tokens: Reading[int] = Missing("not_reported")
    slots: Reading[int] = Missing("not_reported")
    build: Reading[str] = Missing("not_reported")
    sampling: Reading[Mapping[str, float]] = Missing("not_reported")
    quant: Reading[str] = Missing("not_reported")
    digest: Reading[str] = Missing("not_reported")
    takes: Reading[frozenset[str]] = Missing("not_reported")


@final
@dataclass(frozen=True, slots=True)
class Evidence:
    """What can be looked at to see which controls are in force.

    `answers` are those to `identity_calls`, `probes` those to `control_probes`, `log` is what the
    engine has written, `affinity` what the system says of its process.
    """

    answers: tuple[object, ...]
    probes: tuple[object, ...]
    log: str
    affinity: Reading[tuple[int, ...]]


@runtime_checkable
class AsksContext(Protocol):
    """A dialect that names in each request how much context it is to have."""

    @property
    def context_tokens(self) -> int | None:
        """The context that will be asked for, no more than the model takes; None: the server's."""


@final
@dataclass(frozen=True, slots=True)
class PromptFacts:
    """What an engine makes of a request before the first token: compared across engines.

    `tokens` are those of the rendered messages, `ends` the tokens at which an answer ends,
    `sampler` what is in force for the request, in the words of Hugging Face's settings.
    """

    tokens: Reading[tuple[int, ...]]
    template_sha256: Reading[str]
    begin: Reading[str]
    ends: Reading[tuple[int, ...]]
    sampler: Reading[Mapping[str, str]]


@final
@dataclass(frozen=True, slots=True)
class Asking:
    """How a dialect asks a running engine: over HTTP, its own tokenizer, and what it has logged."""

    http: Callable[[HttpCall], object]
    words: Callable[[Mapping[str, object]], Mapping[str, Any]]
    log: str


@runtime_checkable
class KeepsAccounts(Protocol):
    """A dialect whose service says afterwards who gave an answer, how long it took, what it cost.

    Asked for once what is timed has ended; an account may come late.
    """

    def answer_id(self, data: str) -> str | None:
        """Return by what the service knows the answer that an event is part of."""

    def account_call(self, answer: str) -> HttpCall:
        """Return the call that asks for the account of an answer."""

    def read_account(self, told: object) -> Account:
        """Read an account; raise `DialectError` for what is none."""


@runtime_checkable
class ShowsPrompts(Protocol):
    """A dialect that can show what its engine makes of a request."""

    def prompt_facts(self, request: GenerationRequest, asking: Asking) -> PromptFacts:
        """Ask, and return what was found."""


class Dialect(Protocol):
    """How to start an engine, what to send it, how to read it."""

    @property
    def name(self) -> str:
        """The engine's name as users write it."""

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""

    @property
    def framing(self) -> Framing:
        """How a streamed answer is cut into messages."""

    def launch(self, subject: Subject, controls: Controls, place: Place) -> LaunchPlan:
        """Plan the exact server that `subject` describes under `controls`, or refuse."""

    def encode(self, request: GenerationRequest) -> HttpCall:
        """Turn a request into the call that makes it."""

    def decode(self, data: str) -> Iterator[StreamEvent]:
        """Read one message of an answer, or a whole unstreamed one; raise `DialectError`."""

    def named_model(self, data: str) -> str | None:
        """Return the model's name in a message, where one stands."""

    def identity_calls(self) -> tuple[HttpCall, ...]:
        """Return the questions that tell what is served."""

    def read_identity(self, answers: Sequence[object]) -> IdentityClaim:
        """Read their answers, in the same order."""

    def tokenise_call(self, text: str, *, special: bool) -> HttpCall:
        """Ask for the tokens of a text; `special` lets control tokens be recognised in it."""

    def read_tokens(self, answer: object) -> tuple[int, ...]:
        """Read the answer to that."""

    def control_probes(self, controls: Controls) -> tuple[HttpCall, ...]:
        """Return small requests whose answers show the controls in force."""

    def controls_readback(
        self, subject: Subject, controls: Controls, evidence: Evidence
    ) -> tuple[AppliedControl, ...]:
        """Say of each control what was asked and what is in force, or why that is unknown."""


@final
@dataclass(frozen=True, slots=True)
class Met:
    """What a server that somebody else runs has said before a model was chosen.

    `listing` answers `/v1/models`, `own` the `greeting` of the dialect that is looking, `header` is
    the `Server` header; None for what has no answer.
    """

    listing: object = None
    own: object = None
    header: str = ""


@final
@dataclass(frozen=True, slots=True)
class Served:
    """What was found out of such a server, and what the work needs of it.

    `context_tokens` is what the longest request takes, to be asked for where a request can;
    `shares_prefix`: prompts begin alike, by intention. `tokenises`: its tokenise route has
    answered. `answers` are those to the identity calls.
    """

    model: str | None = None
    context_tokens: int | None = None
    shares_prefix: bool = False
    tokenises: bool = False
    answers: tuple[object, ...] = ()


@runtime_checkable
class Attachable(Dialect, Protocol):
    """A dialect that can also be spoken to a server which is up and not ours.

    Its identity calls may be answered None: not every version has every route.
    """

    @property
    def greeting(self) -> HttpCall | None:
        """A question that such a server answers in its own way, where there is one."""

    def recognises(self, met: Met) -> bool:
        """Whether a server with these answers is of this kind, by its own word."""

    def serving(self, served: Served) -> Attachable:
        """Return the dialect with what was found out."""


@runtime_checkable
class Forgets(Protocol):
    """A dialect whose server can be told to unload a model, and loads it again when it is asked.

    Not every server that speaks it can: what `read_loaded` makes of the answer says so.
    """

    def loaded_call(self) -> HttpCall:
        """Ask which models are loaded."""

    def read_loaded(self, answer: object) -> Reading[bool]:
        """Say whether ours is; Missing where this server does not load and unload at will."""

    def unload_call(self) -> HttpCall:
        """Have ours unloaded."""


@runtime_checkable
class Projects(Dialect, Protocol):
    """A dialect whose engine sees and hears by a second file, which a server is started with."""

    def projects(self, subject: Subject) -> bool:
        """Whether the server of this subject is started with one."""


@runtime_checkable
class Contained(Dialect, Protocol):
    """A dialect whose engine is published as images, from which its launch plan is started too."""

    @property
    def images(self) -> tuple[Image, ...]:
        """The images, each for one kind of device."""


def dialect(name: str) -> Dialect:
    """Return the dialect of an engine by its name; raise `UnknownName` with the nearest."""
    points = {point.name: point for point in metadata.entry_points(group=_GROUP)}
    if name not in points:
        raise UnknownName.among("engine", name, points)
    found: Dialect = points[name].load()()
    return found


def dialects() -> tuple[str, ...]:
    """Return the names of all engines that are installed."""
    return tuple(sorted(point.name for point in metadata.entry_points(group=_GROUP)))
