"""The bench of one run: the engine that is up, the client that measures, and what is known already.

A request's id says where it belongs: `section/go/sample.ask.try`. The spool is the run's journal,
so what stands in it whole is not sent again. Not aware of what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, final

from steelyard.domain.errors import EngineError, TimeOver
from steelyard.domain.progress import Advanced, Emit
from steelyard.domain.prompts import PromptSource
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunSpec
from steelyard.domain.stream import Attempt, Exchange
from steelyard.domain.task import Mark
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import transcript
from steelyard.engines.api import Dialect, HttpCall, IdentityClaim, PromptFacts
from steelyard.engines.attached import AttachedEngine
from steelyard.loadgen.client import Client
from steelyard.platform import clock
from steelyard.runs.doubtful import Named
from steelyard.workloads.lengths import Calibrated, MessageTokens
from steelyard.workloads.prompts import Prompt
from steelyard.workloads.sources import Prompts

if TYPE_CHECKING:
    from steelyard.runs.stretching import Ruler

T = TypeVar("T")
# An engine that is silent for so long hangs: the longest prefill on small boards takes minutes.
_STALL_NS: Final = 1800 * 10**9
SILENT: Final = 3  # stalled requests in a row: the rest would wait as long, each of them


class Engine(Protocol):
    """What is measured, whether it was started by us or was there."""

    @property
    def dialect(self) -> Dialect:
        """How it is spoken to."""

    @property
    def host(self) -> str:
        """Where it listens."""

    @property
    def port(self) -> int:
        """Where it listens."""

    @property
    def log_path(self) -> object:
        """Where its log lies, or why that is not known."""

    def alive(self) -> bool:
        """Whether it is still there."""

    def ask(self, call: HttpCall) -> object:
        """Make a control call; return the JSON of its answer."""

    def identity(self) -> IdentityClaim:
        """Ask what is served."""

    def tokenise(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Return the served model's tokens of a text."""

    def prepare(self, call: HttpCall) -> bytes:
        """Return the complete bytes of a measured request."""

    def prompt_facts(self, request: GenerationRequest) -> PromptFacts:
        """Return what the engine makes of a request; `UnsupportedSubject` if it cannot say."""


@final
@dataclass(frozen=True, slots=True)
class Key:
    """Where a request belongs: `go` counts the starts of a timed section."""

    section: str
    go: int
    sample: str
    ask: int = 0
    tries: int = 0

    def __str__(self) -> str:
        return f"{self.section}|{self.go}|{self.sample}|{self.ask}|{self.tries}"

    @classmethod
    def read(cls, text: str) -> Key:
        """Read an id back."""
        section, go, sample, ask, tries = text.split("|")
        return cls(section, int(go), sample, int(ask), int(tries))


@final
@dataclass(slots=True)
class Bench:
    """What every section of a run works with. `known` holds the spool of earlier sessions.

    `prompts` are the texts that were read for a source, `hands` the prompts that are being dealt
    out (`runs.prompting`), `lengths` what was learned for them, `goes` how often each section was
    begun, `temperature_c` tells the processor's as it is now. `stall_ns` is the longest silence of
    one request; `ends_hopeless` ends an open load that is more than the server can take. What is
    under way at `ends_ns` is broken off. What falls off on the way: how many warm-up requests each
    section had answered (`warmed`), and when the first answered request of this bench was sent and
    done (`first_ns`).

    `marks` are those of each task as they were made, `named` what its answers were called by the
    server, by sample and ask; `suspects` may have been cut, if the server cuts at all. What is
    learned of this start of the engine before a task is asked: how it counts (`rulers`), and what
    keeps tools or media from it (`barriers`); `prelude_ns` is how long that took. `complaints` are
    the codes of refusals for good that were told already.
    """

    spec: RunSpec
    dialect: Dialect
    engine: Engine
    client: Client
    emit: Emit
    known: list[tuple[Key, Exchange]] = field(default_factory=list)
    done: int = 0
    stall_ns: int = _STALL_NS
    prompts: Mapping[PromptSource, Prompts] = field(default_factory=dict)
    hands: dict[tuple[PromptSource, bool], Iterator[Prompt]] = field(default_factory=dict)
    lengths: MessageTokens | Calibrated | None = None
    goes: dict[str, int] = field(default_factory=dict)
    ends_hopeless: bool = True
    ends_ns: int | None = None
    warmed: dict[str, int] = field(default_factory=dict)
    marks: dict[str, dict[str, Mark]] = field(default_factory=dict)
    named: dict[str, dict[tuple[str, int], Named]] = field(default_factory=dict)
    suspects: dict[str, set[str]] = field(default_factory=dict)
    rulers: dict[str, Ruler] = field(default_factory=dict)
    barriers: dict[str, str] = field(default_factory=dict)
    complaints: set[str] = field(default_factory=set)
    prelude_ns: int = 0
    first_ns: tuple[int, int] | None = None
    started_ns: int = field(default_factory=clock.monotonic_ns)
    temperature_c: Callable[[], Reading[float]] = lambda: Missing("not_watched")

    def remember(self, exchanges: Iterable[Exchange]) -> None:
        """Take over what an earlier session of the same run has on disk."""
        self.known = [(Key.read(exchange.id), exchange) for exchange in exchanges]

    def succeed(self, other: Bench) -> None:
        """Take over from the bench before, whose engine has died: settings, and what was done."""
        self.stall_ns, self.prompts = other.stall_ns, other.prompts
        self.goes, self.ends_hopeless = other.goes, other.ends_hopeless
        self.ends_ns = other.ends_ns
        self.done, self.warmed, self.first_ns = other.done, other.warmed, other.first_ns
        self.marks, self.named, self.suspects = other.marks, other.named, other.suspects
        self.prelude_ns = other.prelude_ns

    def once(self, kept: dict[str, T], section: str, learn: Callable[[], T]) -> T:
        """Return what was learned for a section; learn it now if nobody has at this start."""
        if section not in kept:
            began_ns = clock.monotonic_ns()
            kept[section] = learn()
            self.prelude_ns += clock.monotonic_ns() - began_ns
        return kept[section]

    def prepared(self, request: GenerationRequest) -> bytes:
        """Return the bytes of one request."""
        return self.engine.prepare(self.dialect.encode(request))

    def submit(self, key: Key, request: GenerationRequest) -> None:
        """Prepare the bytes of one request and queue them."""
        self.client.submit(str(key), self.prepared(request), stall_ns=self.stall_ns)

    def results(self) -> Iterator[Exchange]:
        """Yield exchanges as they end; raise `EngineError` when the engine has fallen silent.

        Raises `TimeOver` where some are under way when the time ends.
        """
        silent = 0
        for exchange in self.client.results(self.ends_ns):
            yield exchange
            silent = silent + 1 if exchange.failure == "stalled" else 0
            if silent == SILENT:
                raise EngineError(
                    f"the engine fell silent: {silent} requests in a row stalled",
                    hint=f"see {self.engine.log_path}",
                )
        if self.client.outstanding:
            raise TimeOver(f"the time was over with {self.client.outstanding} requests under way")

    def require_time(self) -> None:
        """Raise `TimeOver` where the time is over."""
        if self.ends_ns is not None and clock.monotonic_ns() >= self.ends_ns:
            raise TimeOver("the time was over before all was asked")

    def read(self, exchange: Exchange, *, prompt_tokens_wanted: int | None = None) -> Attempt:
        """Read an attempt out of an exchange; its ask and try come from its id."""
        if exchange.failure is None and exchange.sent_ns >= self.started_ns:
            times_ns = (exchange.sent_ns, exchange.done_ns)
            self.first_ns = min(self.first_ns or times_ns, times_ns)
        return self.told(exchange, prompt_tokens_wanted=prompt_tokens_wanted)

    def told(self, exchange: Exchange, *, prompt_tokens_wanted: int | None = None) -> Attempt:
        """Read an attempt that is none of the run's own: it is no first request of it."""
        key = Key.read(exchange.id)
        return transcript.read(
            exchange,
            self.dialect,
            sample=key.sample,
            ask=key.ask,
            tries=key.tries,
            prompt_tokens_wanted=prompt_tokens_wanted,
            cover=self.cover,
        )

    def cover(self, words: str) -> str:
        """Return a server's words without the key that it was sent."""
        return self.engine.cover(words) if isinstance(self.engine, AttachedEngine) else words

    def too_hot(self) -> str:
        """Return why a load is to be ended: the processor is hotter than it may be."""
        limit, now = self.spec.controls.profile.temperature_max_c, self.temperature_c()
        if isinstance(now, Measured) and now.value > limit:
            return f"ended early: the processor is at {now.value:.0f} °C (limit {limit:.0f})"
        return ""

    def advance(self, section: str) -> None:
        """Tell that one more sample of the run is done."""
        self.done += 1
        self.emit(Advanced("run", self.done, section))
