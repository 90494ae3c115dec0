"""Planning: every cell there, in blocked random order, with what it will take."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from tests.campaigns.sweeps import sweep, variant

from steelyard.campaigns.order import sentinel_slots, shuffled
from steelyard.campaigns.plan import Cell, Plan
from steelyard.campaigns.planner import ItemLoad, Rates, plan
from steelyard.domain.campaign import AA_REPLICA, role_of, variant_of
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput, TooLittleRoom
from steelyard.domain.task import Task
from steelyard.domain.workload import Workload


def block(laid: Plan, number: int) -> list[Cell]:
    return [c for c in laid.cells if c.block == number and c.role != "sentinel"]


def test_every_variant_and_the_twin_run_once_in_each_block() -> None:
    laid = plan(sweep())
    for number in range(3):
        cells = block(laid, number)
        assert Counter(cell.label for cell in cells) == {
            "F16": 2,
            "Q8_0": 1,
            "Q4_K_M": 1,
            "Q2_K": 1,
        }
        assert [cell.spec.replica for cell in cells if cell.role == "aa"] == [AA_REPLICA]


def test_tasks_run_in_the_first_block_only_and_workloads_in_all() -> None:
    for cell in plan(sweep()).cells:
        if cell.role == "sentinel":
            continue
        assert bool(cell.spec.tasks) == (cell.block == 0)
        assert cell.spec.task_streams == (2 if cell.block == 0 else 1)
        assert cell.spec.workloads


def test_the_order_is_drawn_anew_in_each_block_and_is_the_same_again() -> None:
    laid = plan(sweep())
    orders = [tuple((c.label, c.role) for c in block(laid, n)) for n in range(3)]
    assert len(set(orders)) > 1
    assert laid == plan(sweep())
    assert laid.id != plan(sweep(seed=8)).id


def test_an_order_is_the_same_on_every_machine_and_python() -> None:
    first = [cell.label for cell in block(plan(sweep(sentinel=None)), 0)]
    assert first == ["F16", "Q4_K_M", "F16", "Q2_K", "Q8_0"]


def test_every_run_of_a_variant_lies_between_two_sentinels_even_without_the_last_blocks() -> None:
    laid = plan(sweep())
    for kept in (1, 2, 3):
        roles = [cell.role for cell in laid.cells if cell.block < kept]
        assert roles[0] == roles[-1] == "sentinel"
    assert sum(cell.role == "sentinel" for cell in laid.cells) == 7
    ids = [cell.spec.id for cell in laid.cells]
    assert len(set(ids)) == len(ids)


def test_each_block_and_seed_draws_an_order_of_its_own() -> None:
    orders = {
        tuple(shuffled("ABCDEF", str, seed=seed, block=block))
        for seed in (1, 2)
        for block in (0, 1)
    }
    assert len(orders) == 4
    assert {tuple(sorted(order)) for order in orders} == {tuple("ABCDEF")}


def test_one_cell_still_has_a_sentinel_on_either_side() -> None:
    assert sentinel_slots(1, first_block=True) == (0, 1)
    assert sentinel_slots(1, first_block=False) == (1,)


def test_a_run_tells_its_own_role() -> None:
    asked = sweep()
    laid = plan(asked)
    assert all(role_of(asked, cell.spec) == cell.role for cell in laid.cells)
    assert laid.canary is not None
    assert role_of(asked, laid.canary) == "canary"
    found = [variant_of(asked, cell.spec) for cell in laid.cells]
    assert [v.label for v in found if v] == [cell.label for cell in laid.cells]
    stranger = variant("F16", 16.0).artifact
    spec = laid.cells[0].spec
    foreign = replace(spec, subject=replace(spec.subject, artifact=replace(stranger, sha256="0")))
    assert variant_of(asked, foreign) is None


def test_a_refused_variant_is_skipped_with_its_reason() -> None:
    laid = plan(sweep(), refused={"Q2_K": "needs 9 GiB, 4 GiB are free"})
    assert [(s.label, s.reason) for s in laid.skipped] == [("Q2_K", "needs 9 GiB, 4 GiB are free")]
    assert "Q2_K" not in {cell.label for cell in laid.cells} | set(laid.fidelity)


def test_the_same_bytes_under_two_names_run_once() -> None:
    asked = sweep()
    twin = replace(asked.variants[1], label="Q8_0-copy")
    laid = plan(replace(asked, variants=(*asked.variants, twin)))
    assert [(s.label, s.reason) for s in laid.skipped] == [("Q8_0-copy", "the same bytes as Q8_0")]


def test_without_its_reference_nothing_is_planned() -> None:
    with pytest.raises(BadInput, match=r"the reference 'F16' cannot run here: no memory"):
        plan(sweep(), refused={"F16": "no memory"})
    asked = sweep()
    nobody = tuple(replace(v, reference=None) for v in asked.variants)
    with pytest.raises(BadInput, match="this one has 0"):
        plan(replace(asked, variants=nobody))


def test_a_workload_that_does_not_fit_the_context_is_refused_before_the_start() -> None:
    with pytest.raises(TooLittleRoom, match=r"documents/.* needs 4300 tokens") as caught:
        plan(sweep(workloads=(Workload("documents", 200, 300, 3, prompt_tokens_max=4000),)))
    assert "context_tokens" in caught.value.hint


def test_estimates_grow_with_bytes_and_are_part_of_no_identity() -> None:
    asked = sweep()
    slow, fast = plan(asked, Rates(output_tps=10)), plan(asked, Rates(output_tps=40))
    assert slow.id == fast.id
    assert slow.seconds > fast.seconds > fast.overhead_s > 0
    times = {c.label: c.estimate_s for c in block(slow, 1)}
    assert times["F16"] > times["Q8_0"] > times["Q4_K_M"] > times["Q2_K"]
    # 5 runs of 4+1 requests in 3 blocks, 1,200 items five times over, 7 sentinels of 3+1.
    assert slow.requests == 15 * 5 + 5 * 1200 + 7 * 4
    models = sum(v.artifact.size_bytes for v in asked.variants)
    assert slow.disk_bytes > models + 2 * 1024 * 2048 * 2


def test_the_smallest_visible_loss_is_known_before_the_start() -> None:
    laid = plan(sweep())
    assert laid.items == 1200
    assert laid.items_for_margin <= laid.items
    assert laid.items_for_margin % 4 == 0
    assert 0.02 < laid.smallest_visible_loss < 0.04
    assert plan(sweep(tasks=())).smallest_visible_loss == 1.0


def test_a_sweep_may_leave_out_whatever_it_does_not_want() -> None:
    bare = plan(sweep(sentinel=None, canary=None, fidelity_positions=0))
    assert bare.canary is None
    assert bare.fidelity == ()
    assert {cell.role for cell in bare.cells} == {"reference", "aa", "candidate"}
    idle = plan(sweep(workloads=(), tasks=()))
    assert idle.cells == ()
    assert idle.blocks == 0
    tasks_only = plan(sweep(workloads=()))
    assert {cell.block for cell in tasks_only.cells} == {0}


def test_a_plan_round_trips_through_json() -> None:
    laid = plan(sweep(), refused={"Q2_K": "no room"})
    assert decode(Plan, encode(laid), source="plan.json") == laid


def test_what_the_items_of_a_task_take_is_counted_where_it_is_known() -> None:
    long = Task("long_context", level=4, items=50, thinking=100)
    asked, rates = sweep(tasks=(long,), repeats=1), Rates(prompt_tps=500.0, output_tps=20.0)
    usual = plan(asked, rates)
    known = plan(asked, replace(rates, items={long.section: ItemLoad(3, 4000, 200)}))
    runs = len(block(known, 0))
    assert known.requests - usual.requests == runs * 50 * 2
    was, now = (
        next(cell.estimate_s for cell in block(laid, 0) if cell.role == "reference")
        for laid in (usual, known)
    )
    # 50 items: 3,840 tokens more to be read, 168 to be written and 200 to be thought.
    assert now - was == pytest.approx(50 * (3840 / 500 + 368 / 20))
    assert known.disk_bytes > usual.disk_bytes
