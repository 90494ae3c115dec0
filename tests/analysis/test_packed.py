"""A pack in place of the whole vocabulary, on distributions whose divergence is known."""

from __future__ import annotations

import numpy as np
import pytest

from steelyard.analysis import packed
from steelyard.domain.reading import Measured
from steelyard.store.packs import STEP, Floats, Rows, coded, decoded

POSITIONS, VOCABULARY, TOP, DRAWN = 600, 400, 32, 16


def log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normal: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normal


@pytest.fixture(scope="module")
def reference() -> Floats:
    """Positions as sharp and as flat as those of a small model, with a heavy rest."""
    rng = np.random.default_rng(5)
    sharp = rng.uniform(0.5, 4, (POSITIONS, 1))
    return log_softmax(rng.standard_normal((POSITIONS, VOCABULARY)) * sharp)


@pytest.fixture(scope="module")
def rows(reference: Floats) -> Rows:
    return packed.condense(reference, TOP, DRAWN, np.random.default_rng(1))


def moved(reference: Floats, by: float) -> Floats:
    noise = np.random.default_rng(6).standard_normal(reference.shape)
    return log_softmax(reference + noise * by)


def whole(reference: Floats, subject: Floats) -> float:
    return float((np.exp(reference) * (reference - subject)).sum(axis=1).mean())


def known(rows: Rows, subject: Floats) -> Floats:
    at = np.arange(len(subject))[:, None]
    return packed.known(rows, subject[at, rows.ids], subject[at, rows.drawn_ids])


def listed(row: Floats, count: int) -> list[tuple[int, float]]:
    return [(int(i), float(row[i])) for i in np.argsort(-row)[:count]]


def test_rounding_moves_a_log_probability_by_half_a_step(reference: Floats) -> None:
    kept = np.maximum(reference, -31.9)
    assert np.abs(decoded(coded(kept)) - kept).max() <= STEP / 2 + 1e-12


def test_the_top_tokens_stand_in_order_and_the_drawn_are_of_the_rest(
    reference: Floats, rows: Rows
) -> None:
    assert np.array_equal(rows.ids[:, 0], reference.argmax(axis=1))
    assert (np.diff(rows.codes.astype(int), axis=1) >= 0).all()
    assert not any(set(t) & set(d) for t, d in zip(rows.ids, rows.drawn_ids, strict=True))
    inside = np.exp(np.take_along_axis(reference, rows.ids.astype(int), 1)).sum(axis=1)
    assert rows.tail == pytest.approx(1 - inside, abs=1e-6)


@pytest.mark.parametrize("by", [0.03, 0.2, 1.0])
def test_the_divergence_is_that_of_the_whole_vocabulary(
    reference: Floats, rows: Rows, by: float
) -> None:
    assert float(rows.tail.mean()) > 0.2  # the rest weighs: it cannot be what is left out
    subject = moved(reference, by)
    assert known(rows, subject).mean() == pytest.approx(whole(reference, subject), rel=0.02)


def test_the_reference_itself_is_no_further_from_its_pack_than_rounding(
    reference: Floats, rows: Rows
) -> None:
    assert 0 <= known(rows, reference).mean() < STEP**2 / 12


@pytest.mark.parametrize("count", [8, 40, VOCABULARY])
def test_what_a_server_tells_gives_a_lower_bound_and_what_it_may_leave_out(
    reference: Floats, rows: Rows, count: int
) -> None:
    subject = moved(reference, 0.3)
    true = whole(reference, subject)
    told = [packed.told(rows, at, listed(row, count)) for at, row in enumerate(subject)]
    found = sum(one.divergence for one in told) / POSITIONS
    missed = packed.left_out(told)
    assert isinstance(missed, Measured)
    assert found < true
    assert true < found + missed.value


def test_a_server_that_tells_all_leaves_only_the_rest_of_the_pack(reference: Floats) -> None:
    sharp = log_softmax(reference * 8)
    rows = packed.condense(sharp, VOCABULARY // 2, DRAWN, np.random.default_rng(1))
    subject = moved(sharp, 0.3)
    told = [packed.told(rows, at, listed(row, VOCABULARY)) for at, row in enumerate(subject)]
    found = sum(one.divergence for one in told) / POSITIONS
    assert found == pytest.approx(whole(sharp, subject), rel=0.01)
    assert all(
        one.same_top == (r.argmax() == s.argmax())
        for one, r, s in zip(told, sharp, subject, strict=True)
    )


def test_figures_carry_intervals_and_refuse_a_tail_of_too_few() -> None:
    found = packed.figures([0.1] * 200 + [0.2] * 200, [True] * 400)
    assert isinstance(found["divergence"].low, Measured)
    assert isinstance(found["p99"].value, Measured)
    assert not isinstance(found["p999"].value, Measured)
