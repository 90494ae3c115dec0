"""How a judge's replies can be bound: tried once, before any answer is put before it.

A server that does not take a schema refuses the request, or drops it in silence; then words alone
are left, and the reading of replies is as strict as ever. Not aware of answers or marks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from steelyard.domain.judging import Bound
from steelyard.domain.stream import Attempt, Failed
from steelyard.domain.task import Ask
from steelyard.domain.workload import GenerationRequest
from steelyard.judging.case import Case, Matter
from steelyard.runs.bench import Bench, Key

SECTION: Final = "judge_trial"
_BOUNDS: Final[tuple[Bound, ...]] = ("schema with lengths", "schema")
_MATTER: Final = Matter("What is one and one?", "Two.", "The number is right.", ("2",))
_OF_ANY: Final = frozenset({"http_404", "http_408"})  # said of any request, whatever is in it


def bound(bench: Bench) -> tuple[Bound, tuple[Attempt, ...]]:
    """Return how to bind the replies, and the requests that found it out.

    A failure that is no refusal of the schema is for the answers to meet: it may pass. An engine
    whose requests have no place for a schema is not asked at all.
    """
    tried: list[Attempt] = []
    for each in _BOUNDS:
        request = _request(bench, Case("trial", _MATTER, each).start())
        if bench.dialect.encode(request) == bench.dialect.encode(replace(request, schema="")):
            return "words", ()
        tried.append(_asked(bench, request, each))
        outcome = tried[-1].outcome
        if not (isinstance(outcome, Failed) and _refused(outcome.why)):
            return each, tuple(tried)
    return "words", tuple(tried)


def _refused(why: str) -> bool:
    """Say whether a server would not have the request as it was."""
    return why.startswith("http_4") and why not in _OF_ANY


def _request(bench: Bench, ask: Ask) -> GenerationRequest:
    return GenerationRequest(
        messages=ask.messages,
        max_tokens=ask.max_tokens,
        reuse_prefix=bench.spec.controls.reuse_prefix,
        sampling=bench.spec.controls.sampling,
        schema=ask.schema,
    )


def _asked(bench: Bench, request: GenerationRequest, name: str) -> Attempt:
    bench.client.set_streams(1)
    bench.submit(Key(SECTION, 0, name.replace(" ", "_")), request)
    (exchange,) = list(bench.results())
    return bench.told(exchange)
