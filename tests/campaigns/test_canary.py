"""The canary: a go, or a stop that says what to do."""

from __future__ import annotations

from dataclasses import replace

from tests.analysis.timed import in_a_row, record, section

from steelyard.campaigns.canary import judge
from steelyard.campaigns.events import CanaryBlocked, CanaryPassed
from steelyard.domain.reading import Missing
from steelyard.domain.run import Proof, RunRecord

TEN = in_a_row(10)
NAME = "canary/p0/o32/c1"


def good() -> RunRecord:
    return record([section(TEN, NAME)])


def test_ten_alike_let_the_matrix_begin() -> None:
    found = judge(good(), seconds=2.5)
    assert found == CanaryPassed(good().spec.id, 2.5)


def test_a_text_that_varies_blocks_where_the_engine_promises_that_it_does_not() -> None:
    varied = record([section((replace(TEN[0], text="another"), *TEN[1:]), NAME)])
    blocked = judge(varied, seconds=1.0)
    assert isinstance(blocked, CanaryBlocked)
    assert blocked.reasons[0].startswith("CANARY_NOT_DETERMINISTIC: 10%")
    assert "one slot" in blocked.advice[0]
    assert isinstance(judge(varied, seconds=1.0, deterministic=False), CanaryPassed)


def test_missing_telemetry_blocks() -> None:
    uncounted = replace(TEN[0], usage=Missing("not_reported"))
    blocked = judge(record([section((uncounted, *TEN[1:]), NAME)]), seconds=1.0)
    assert isinstance(blocked, CanaryBlocked)
    assert blocked.reasons[0].startswith("CANARY_MISSING_TELEMETRY")


def test_a_canary_that_failed_blocks_with_its_reason() -> None:
    dead = replace(good(), outcome="failed", reason="EngineError: code 139", sections=())
    blocked = judge(dead, seconds=1.0)
    assert isinstance(blocked, CanaryBlocked)
    assert blocked.reasons == ("the canary failed: EngineError: code 139",)
    assert "engines check" in blocked.advice[0]


def test_a_proof_that_failed_blocks() -> None:
    wrong = Proof("identity", passed=False, found="another model is served")
    blocked = judge(replace(good(), proofs=(wrong,)), seconds=1.0)
    assert isinstance(blocked, CanaryBlocked)
    assert blocked.reasons == ("identity: another model is served",)
    assert blocked.advice == ("check that the right file is served",)


def test_an_engine_that_tells_little_is_held_only_to_what_can_be_seen() -> None:
    untold = Proof("slots", passed=False, found="not reported")
    swapped = Proof("file", passed=False, found="other bytes")
    silent = replace(good(), proofs=(untold,))
    assert isinstance(judge(silent, seconds=1.0), CanaryBlocked)
    assert isinstance(judge(silent, seconds=1.0, tells=False), CanaryPassed)
    seen = judge(replace(good(), proofs=(untold, swapped)), seconds=1.0, tells=False)
    assert isinstance(seen, CanaryBlocked)
    assert seen.reasons == ("file: other bytes",)
