"""An embeddings endpoint of somebody's: met before a run, then asked by the measuring client.

Meeting it is a control call: it tells what is wrong before anything is begun, and how long the
vectors are. What is timed goes through `loadgen`, over connections that stay open, in batches; a
request that fails is sent once more. Not aware of passages or rankings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

from steelyard.domain.errors import BadInput, EngineError, SteelyardError
from steelyard.domain.reading import Measured, Reading
from steelyard.domain.secret import Secret
from steelyard.domain.stream import Exchange
from steelyard.engines import attached, embeddings
from steelyard.engines.calls import Caller
from steelyard.engines.http1 import prepare_for
from steelyard.engines.url import Endpoint
from steelyard.loadgen.client import Client, TlsSettings

BATCH: Final = 32
_TRIES: Final = 2
_STALL_NS: Final = 120 * 10**9
_HELLO: Final = ("a", "a steelyard weighs with a sliding weight")


@final
@dataclass(frozen=True, slots=True)
class Met:
    """An endpoint that has answered: `size` is the length of its vectors."""

    caller: Caller
    model: str
    size: int

    @property
    def where(self) -> str:
        """Its address."""
        return str(self.caller.endpoint)


def meet(endpoint: Endpoint, model: str | None, key: Reading[Secret]) -> Met:
    """Find the model and have two texts embedded.

    Raises `BadInput` where nobody answers, a key is wanted, the model is not there or not chosen,
    or what it answers are no vectors of one length.
    """
    headers = (
        {"Authorization": Secret(f"Bearer {key.value.reveal()}")}
        if isinstance(key, Measured)
        else {}
    )
    caller = Caller(endpoint, headers=headers)
    try:
        named = model or _only(endpoint, key)
        answer = caller.send(embeddings.call(named, _HELLO))
        vectors = embeddings.read(caller, named, answer.status, answer.body, len(_HELLO))
    except BadInput:
        raise
    except SteelyardError as error:
        raise BadInput(f"no embeddings: {error}", hint=error.hint) from None
    embeddings.require_size(caller, vectors, len(vectors[0]))
    return Met(caller, named, len(vectors[0]))


def _only(endpoint: Endpoint, key: Reading[Secret]) -> str:
    """Return the one model that the server lists."""
    try:
        listed = attached.listed(endpoint, key=key)
    except BadInput as error:
        raise BadInput(
            f"no list of models that embed: {error}",
            hint="name one with --embeddings-model, and its key's variable with "
            "--embeddings-key-env",
        ) from None
    if len(listed) == 1:
        return listed[0]
    known = ", ".join(listed) or "none"
    raise BadInput(
        f"{endpoint} lists {len(listed)} models ({known}), and which of them embeds is not said",
        hint="name it with --embeddings-model",
    )


@final
class Embedder:
    """Embeds texts at an endpoint that was met, while its client is open (`opened`)."""

    def __init__(self, met: Met, client: Client) -> None:
        self._met, self._client, self._numbers = met, client, count()

    @property
    def model(self) -> str:
        """Which model embeds."""
        return self._met.model

    @property
    def where(self) -> str:
        """The address that is asked."""
        return self._met.where

    def __call__(self, texts: Sequence[str], /) -> tuple[Sequence[Sequence[float]], int]:
        """Return a vector for each text and the time that was waited, batch after batch."""
        vectors: list[Sequence[float]] = []
        waited_ns = 0
        for batch in _batches(texts):
            found, took_ns = self._batch(batch)
            vectors += found
            waited_ns += took_ns
        return vectors, waited_ns

    def _batch(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        caller, model = self._met.caller, self._met.model
        request = prepare_for(embeddings.call(model, texts), caller.endpoint, caller.headers)
        waited_ns, failure = 0, EngineError("nothing was asked")
        for _ in range(_TRIES):
            self._client.submit(str(next(self._numbers)), request, stall_ns=_STALL_NS)
            (exchange,) = self._client.drain()
            waited_ns += exchange.done_ns - exchange.sent_ns
            try:
                vectors = self._read(exchange, len(texts))
            except EngineError as error:
                failure = error
            else:
                return vectors, waited_ns
        raise failure

    def _read(self, exchange: Exchange, wanted: int) -> list[list[float]]:
        met = self._met
        if exchange.failure is not None:
            raise EngineError(f"{met.where} gave no embeddings: {exchange.failure}")
        vectors = embeddings.read(met.caller, met.model, exchange.status, exchange.body, wanted)
        embeddings.require_size(met.caller, vectors, met.size)
        return vectors


@contextmanager
def opened(met: Met) -> Iterator[Embedder]:
    """Open the client of an endpoint; afterwards nothing of it is left."""
    endpoint, trust = met.caller.endpoint, met.caller.trust
    tls = TlsSettings(trust.cacert, verify=not trust.insecure)
    with (
        TemporaryDirectory() as folder,
        Client(
            endpoint.host,
            endpoint.port,
            Path(folder) / "embeddings.bin",
            tls=tls if endpoint.scheme == "https" else None,
        ) as client,
    ):
        yield Embedder(met, client)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH]
