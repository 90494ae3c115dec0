"""What is refused of a bench's options: no option is ever ignored, and no load is without an end.

One that says nothing for this load or this subject is named. Not aware of servers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from steelyard.app.benches import both_ways
from steelyard.app.benches.request import BenchRequest, is_address
from steelyard.domain.errors import BadInput
from steelyard.domain.load import (
    Closed,
    Load,
    Ramp,
    Steps,
    Trace,
    described,
)
from steelyard.domain.slo import Slo
from steelyard.domain.workload import Workload
from steelyard.engines import meeting
from steelyard.loadgen import schedule
from steelyard.runs.loads import schedule_seed

_OF_SERVERS: Final = ("model", "api_key_env", "send_key_anywhere", "cacert", "insecure")
_OF_TLS: Final = ("cacert", "insecure")
_OF_FILES: Final = ("threads", "runtime", "image", "device", "sidecar")


def what_says_nothing(request: BenchRequest, loads: tuple[Load, ...]) -> None:
    """Refuse an option that is for another load, or for another kind of subject."""
    addresses = [is_address(subject) for subject in request.subjects]
    if request.engine is not None:
        if not any(addresses):
            from steelyard.app import subjects

            subjects.on(request.subject, request.engine)
            subjects.require_loading(request.engine, contained=request.contained)
        else:
            meeting.chosen(request.engine)
    if not any(addresses):
        options(request, _OF_SERVERS, "a server that somebody else runs: a file is served here")
    elif not any(subject.startswith("https:") for subject in request.subjects):
        options(request, _OF_TLS, "an encrypted connection: the address does not say https")
    if all(addresses):
        options(request, _OF_FILES, "an engine that is started here: this server runs already")
    if request.image is not None and not request.contained:
        raise BadInput(
            "--image is for an engine that is started in a container",
            hint="add --runtime container, or leave --image out",
        )
    if request.compare is None and not request.both_ways and request.blocks is not None:
        raise BadInput(
            "--blocks says nothing without --compare or --batching both",
            hint="give one of them, or drop --blocks",
        )
    both_ways.refuse(
        request.batching,
        find_knee=request.find_knee,
        compare=request.compare,
        processes=request.processes,
    )
    if request.find_knee:
        if not isinstance(loads[0], Closed) or len(loads) > 1 or request.load is not None:
            raise BadInput(
                "--find-knee chooses the rates itself",
                hint="give --concurrency N for its saturating probe, or nothing",
            )
        if request.duration is not None:
            raise BadInput(
                "--find-knee goes by requests, not by time",
                hint="give --requests N for its shortest probe, or leave --duration out",
            )


def what_no_load_can_miss(objectives: Slo) -> None:
    """Refuse objectives of single requests alone: a search follows those of a whole load."""
    if not any(
        limit.quantile is not None or limit.metric == "errors" for limit in objectives.limits
    ):
        name = objectives.limits[0].name
        raise BadInput(
            f"--find-knee goes by what a whole load must meet; --slo {name} limits each request",
            hint=f"write {name}_p95=…, or add errors=1%",
        )


def what_cannot_be_sent(request: BenchRequest, workloads: Sequence[Workload]) -> None:
    """Refuse a load without an end or a beginning, and one under which two cannot take turns."""
    for workload in workloads:
        load = workload.load
        if load is None or schedule.streams_ns(load) or request.find_knee:
            continue
        moments = schedule.moments_ns(
            load,
            schedule_seed(request.seed, workload.name, 0),
            requests=workload.requests or None,
            duration_s=workload.duration_s,
        )
        if not moments:
            raise BadInput(
                f"in {described(load)} chance leaves no request at all",
                hint="take a longer --duration, a higher rate or another --seed",
            )
    if request.compare is None:
        return
    if len(workloads) > 1 or request.find_knee:
        raise BadInput(
            "--compare takes turns under one load", hint="give one --concurrency or one --rate"
        )
    if isinstance(workloads[0].load, Trace | Ramp | Steps):
        raise BadInput(
            "--compare takes turns under one steady load, of which each turn is a part",
            hint="give one --concurrency, one --rate or --conversations",
        )


def options(request: object, names: Collection[str], what: str) -> None:
    """Raise `BadInput` for an option of a door that was typed and is for `what`."""
    for name in names:
        if getattr(request, name) not in (None, False):
            option = "SUBJECT" if name == "subject" else f"--{name.replace('_', '-')}"
            raise BadInput(f"{option} is for {what}", hint=f"leave {option} out")
