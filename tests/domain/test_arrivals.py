"""Event blocks: small, exact, and damage is noticed."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.records import stream

from steelyard.domain.arrivals import KINDS, Arrivals, pack, unpack
from steelyard.domain.errors import StoreError
from steelyard.domain.stream import Arrival

INT64 = st.integers(-(2**63), 2**63 - 1)
LENGTH = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(st.lists(st.builds(Arrival, INT64, st.sampled_from(KINDS), LENGTH, INT64), max_size=40))
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


def test_an_event_takes_at_most_sixteen_bytes_in_memory() -> None:
    import tracemalloc

    one = stream(random.Random(3), 10**15, 20_000)
    tracemalloc.start()
    kept = Arrivals(one)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Growing columns leave some room at their end.
    assert len(kept) == len(one)
    assert taken / len(one) <= 16


def test_columns_read_like_a_tuple() -> None:
    one = (Arrival(5, "role", 0), Arrival(9, "content", 3, 2), Arrival(9, "finish", 3))
    kept = Arrivals(one)
    assert kept == one
    assert one[1] in kept
    assert (kept[-1], kept[:2], kept[1].spread_ns) == (one[2], one[:2], 2)
    assert Arrivals.read(kept.text) == kept
    assert kept != one[:2]
    with pytest.raises(IndexError):
        kept[3]
