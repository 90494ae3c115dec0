"""What a search may turn: one knob each, nothing that the engine does not take or cannot have."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import pytest

from steelyard.campaigns.knobs import candidates
from steelyard.domain.subject import EngineProfile

ALL = frozenset(field.name for field in fields(EngineProfile))
BASES = (
    EngineProfile(threads=3, slots=4),
    EngineProfile(threads=1, batch_tokens=16, micro_batch_tokens=8),
    EngineProfile(kv_type="q8_0", flash_attention=True, slots=2),
    EngineProfile(kv_type="q8_0", kv_type_v="q4_0", flash_attention=True),
)


@pytest.mark.parametrize("base", BASES)
def test_every_candidate_differs_from_the_baseline_and_from_the_others(base: EngineProfile) -> None:
    found = candidates(base, ALL, cores=4, streams=4)
    profiles = [replace(base, **each.changes) for each in found]
    assert base not in profiles
    assert len(set(profiles)) == len(profiles)
    assert len(found) >= 8


@pytest.mark.parametrize("base", BASES)
def test_candidates_alone_and_two_of_different_knobs_together_can_be_launched(
    base: EngineProfile,
) -> None:
    found = candidates(base, ALL, cores=4, streams=4)
    for first, second in product(found, found):
        together = {**first.changes, **second.changes}
        if first is not second and set(first.knobs) & set(second.knobs):
            continue
        if any(together[key] != value for key, value in first.changes.items()):
            continue
        profile = replace(base, **together)
        assert profile.micro_batch_tokens <= profile.batch_tokens, together
        quantised = (profile.kv_type_v or profile.kv_type) != "f16"
        assert profile.flash_attention or not quantised, together


def test_only_what_the_engine_takes_is_tried() -> None:
    base = EngineProfile(threads=1, slots=4)
    found = candidates(base, frozenset({"slots"}), cores=4, streams=4)
    assert {key for each in found for key in each.changes} == {"slots"}
    assert candidates(EngineProfile(), frozenset(), cores=4, streams=4) == ()


def test_one_request_at_a_time_leaves_slots_alone() -> None:
    found = candidates(EngineProfile(threads=1), ALL, cores=4, streams=1)
    assert not any("slots" in each.changes for each in found)
