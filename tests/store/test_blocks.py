"""Event blocks: small, exact, and damage is noticed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.records import stream

from steelyard.domain.errors import StoreError
from steelyard.domain.stream import Arrival
from steelyard.store.blocks import KINDS, pack, unpack

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.builds(Arrival, INT64, st.sampled_from(KINDS), INT64), max_size=40))
def test_every_arrival_comes_back(arrivals: list[Arrival]) -> None:
    assert unpack(pack(arrivals)) == tuple(arrivals)


def test_an_event_of_a_real_stream_takes_at_most_twelve_bytes() -> None:
    rng = random.Random(1)
    for tokens in (2, 16, 200):
        many = [a for n in range(30) for a in stream(rng, 10**15 + n * 10**10, tokens)]
        assert len(pack(many)) / len(many) <= 12


def test_a_cut_or_changed_block_is_refused() -> None:
    block = pack(stream(random.Random(2), 10**15, 50))
    changed = bytearray(block)
    changed[len(block) // 2] ^= 0xFF
    for bad in (block[:-3], bytes(changed), b"", block[:5]):
        with pytest.raises(StoreError, match="damaged"):
            unpack(bad)


def test_a_block_of_a_later_format_is_refused_with_the_way_out() -> None:
    with pytest.raises(StoreError, match="format 9") as caught:
        unpack(b"\x09" + pack([])[1:])
    assert "newer" in caught.value.hint
