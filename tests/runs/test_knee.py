"""The search for the knee on a real server: how it is planned, and what it cannot be held to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.bench_stage import pacer

from steelyard.domain.load import Closed
from steelyard.domain.progress import Noted, Progress
from steelyard.domain.prompts import Synthetic
from steelyard.domain.run import Controls, Place, RunSpec
from steelyard.domain.slo import slo
from steelyard.domain.workload import Workload
from steelyard.engines import attached
from steelyard.engines.url import Endpoint
from steelyard.runs import knee
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.stats.knee import Found, Plan

WORK = Workload("bench", 32, 1, 32, warmup=0, load=Closed(2), prompts=Synthetic(32, 1))


def search(folder: Path, objectives: str | None, plan: Plan) -> tuple[Session, list[Found], int]:
    """Search on two servers of 2 ms each; return what was found and how many probes began."""
    flags = ("--servers", "2", "--service-ms", "2", "--tokens", "1")
    found: list[Found] = []
    told: list[Progress] = []
    with pacer(folder / "p", *flags) as up:
        endpoint = Endpoint.read(up.url)
        engine = attached.attach(endpoint)
        spec = RunSpec(engine.subject, Controls(), workloads=(WORK,), campaign_seed=3)
        place = Place((), {}, folder / "run", endpoint.host, endpoint.port)
        limits = None if objectives is None else slo(objectives)
        with Executor(Verifier(), told.append).visit(spec, engine, place) as session:
            found.append(knee.find(session, WORK, limits, plan, told.append))
    return session, found, sum(isinstance(event, Noted) for event in told)


@pytest.mark.parametrize(
    ("streams", "requests", "plan"),
    [
        (1, None, Plan()),
        (8, None, Plan(streams=8)),
        (1, 50, Plan(requests=50, requests_most=200)),
    ],
)
def test_a_search_goes_as_it_was_shown_to_be_enough_unless_told_otherwise(
    streams: int, requests: int | None, plan: Plan
) -> None:
    assert knee.plan(streams, requests) == plan


def test_objectives_that_these_answers_have_no_time_for_end_the_search(tmp_path: Path) -> None:
    session, found, probes = search(tmp_path, "tpot_p95=50ms", knee.plan(2, 32))
    assert found == []
    assert probes == 1
    assert "could not be held against the objectives" in session.found.reason


def test_no_probe_has_the_moments_of_another_and_none_is_ended_early(tmp_path: Path) -> None:
    plan = Plan(streams=2, requests=64, requests_most=64, probes_most=3)
    session, found, probes = search(tmp_path, None, plan)
    assert session.found.outcome == "completed", session.found.reason
    assert len(found) == 1
    assert probes == found[0].probes == 3
    open_probes = session.found.sections[1:]
    gaps = [
        [b.intended_ns - a.intended_ns for a, b in zip(s.attempts, s.attempts[1:], strict=False)]
        for s in open_probes
    ]
    shares = [[gap / sum(each) for gap in each] for each in gaps]
    assert shares[0] != pytest.approx(shares[1], rel=0.01)
    assert all(section.reason == "" for section in session.found.sections)
