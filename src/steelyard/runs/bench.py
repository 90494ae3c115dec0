"""The bench of one run: the engine that is up, the client that measures, and what is known already.

A request's id says where it belongs: `section/go/sample.ask.try`. The spool is the run's journal,
so what stands in it whole is not sent again. Not aware of what is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.domain.errors import EngineError
from steelyard.domain.progress import Advanced, Emit
from steelyard.domain.run import RunSpec
from steelyard.domain.stream import Attempt, Exchange
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import transcript
from steelyard.engines.api import Dialect
from steelyard.engines.host import RunningEngine
from steelyard.engines.http1 import prepare
from steelyard.loadgen.client import Client

# An engine that is silent for so long hangs: the longest prefill on small boards takes minutes.
_STALL_NS: Final = 1800 * 10**9
_SILENT: Final = 3  # stalled requests in a row: the rest would wait as long, each of them


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
    """What every section of a run works with. `known` holds the spool of earlier sessions."""

    spec: RunSpec
    dialect: Dialect
    engine: RunningEngine
    client: Client
    emit: Emit
    known: list[tuple[Key, Exchange]] = field(default_factory=list)
    done: int = 0
    stall_ns: int = _STALL_NS

    def remember(self, exchanges: Iterable[Exchange]) -> None:
        """Take over what an earlier session of the same run has on disk."""
        self.known = [(Key.read(exchange.id), exchange) for exchange in exchanges]

    def submit(self, key: Key, request: GenerationRequest) -> None:
        """Prepare the bytes of one request and queue them."""
        call = self.dialect.encode(request)
        prepared = prepare(call, self.engine.host, self.engine.port)
        self.client.submit(str(key), prepared, stall_ns=self.stall_ns)

    def results(self) -> Iterator[Exchange]:
        """Yield exchanges as they end; raise `EngineError` when the engine has fallen silent."""
        silent = 0
        for exchange in self.client.results():
            yield exchange
            silent = silent + 1 if exchange.failure == "stalled" else 0
            if silent == _SILENT:
                raise EngineError(
                    f"the engine fell silent: {silent} requests in a row stalled",
                    hint=f"see {self.engine.log_path}",
                )

    def read(self, exchange: Exchange, *, prompt_tokens_wanted: int | None = None) -> Attempt:
        """Read an attempt out of an exchange; its ask and try come from its id."""
        key = Key.read(exchange.id)
        return transcript.read(
            exchange,
            self.dialect,
            sample=key.sample,
            ask=key.ask,
            tries=key.tries,
            prompt_tokens_wanted=prompt_tokens_wanted,
        )

    def advance(self, section: str) -> None:
        """Tell that one more sample of the run is done."""
        self.done += 1
        self.emit(Advanced("run", self.done, section))
