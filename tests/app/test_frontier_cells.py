"""What is foreseen of a cell rules it out only where it surely fails; quality has one order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.analysis.rates import Rates, TypeRate
from steelyard.app.frontier import cells as frontier_cells
from steelyard.app.frontier import ground as frontier_ground
from steelyard.app.frontier.ground import FrontierRequest, Ground
from steelyard.app.frontier.quality import Quality, by_bits
from steelyard.campaigns.cells import Cell, Kv
from steelyard.campaigns.fit_limits import Limits
from steelyard.domain.progress import Progress
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Fidelity
from steelyard.models import artifacts, ladder
from steelyard.models.offload import Placing

NO_RATES: Reading[Rates] = Missing("not_calibrated", "not calibrated")
NOTHING = Missing("none", "none")


def ignore(_event: Progress) -> None:
    """Show nothing."""


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path / "home"))
    request = FrontierRequest("bundled", context=1024, folder=tmp_path / "runs", device="cpu")
    return frontier_ground.lay(request, ignore)


def known(bytes_per_s: float) -> Reading[Rates]:
    kinds = ("F16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K", "Q5_0", "Q5_1", "Q4_0", "F32")
    types = dict.fromkeys(kinds, TypeRate(bytes_per_s, 1e9))
    return Measured(Rates(1, 0.0, types, bytes_per_s, 0.1, 0.1), "client")


def foreseen(ground: Ground, rates: Reading[Rates] = NO_RATES) -> list[frontier_cells.Foreseen]:
    return list(frontier_cells.foresee(ground, frontier_cells.rungs(ground), rates))


def test_the_grid_is_every_quant_with_every_cache_and_says_what_it_leaves_out(
    ground: Ground,
) -> None:
    found = foreseen(ground)
    assert len({each.cell for each in found}) == len(found) == 6 * 3
    assert not any(each.out for each in found)
    assert dict(ground.skipped) == {
        "GPU layers": "--device cpu was asked for",
        "expert offload": "--device cpu was asked for",
        "draft model": "none was named with --draft",
    }


def test_what_a_quant_is_foreseen_to_be_is_what_its_file_then_is(
    ground: Ground, tmp_path: Path
) -> None:
    (rung,) = [each for each in frontier_cells.rungs(ground) if each.label == "Q4_K_M"]
    assert rung.made is not None
    source = ground.order.source[0]
    made = ladder.quantise(source, "Q4_K_M", tmp_path / "made.gguf", imatrix=ground.order.imatrix)
    assert artifacts.inspect(made) == rung.facts


def test_memory_rules_out_by_its_lower_end_alone(ground: Ground) -> None:
    largest = max(each.memory_bytes for each in foreseen(ground))
    tight = replace(ground, limits=Limits(int(largest * 0.97), 5.0))
    assert not any(each.out for each in foreseen(tight))
    smaller = replace(ground, limits=Limits(int(largest * 0.90), 5.0))
    out = {each.cell.name: each.out for each in foreseen(smaller) if each.out}
    assert out
    assert all("may be taken" in why for why in out.values())
    busy = replace(ground, free_bytes=1000)
    assert all("are free here: not run" in each.out for each in foreseen(busy))


def test_speed_rules_out_only_where_half_as_much_again_is_too_slow(ground: Ground) -> None:
    fast = foreseen(ground, known(1e9))
    slowest = min(
        each.output_tps.high.value for each in fast if isinstance(each.output_tps.high, Measured)
    )
    for times, ruled_out in ((1.4, False), (1.6, True)):
        asked = replace(ground, limits=replace(ground.limits, output_tps=slowest * times))
        assert any(each.out for each in foreseen(asked, known(1e9))) is ruled_out


def test_on_a_gpu_no_speed_is_foreseen_and_what_lies_there_is_taken_from_the_rest(
    ground: Ground,
) -> None:
    with_gpu = replace(ground, limits=Limits(10**12, 1e6, gpu_bytes=10**12))
    found = foreseen(with_gpu, known(1e9))
    there = [each for each in found if each.cell.placing.gpu_layers]
    assert len(there) == len(found) // 2
    assert not any(each.out for each in there)  # nobody knows how fast it is
    assert all("tok/s foreseen" in each.out for each in found if each not in there)
    plain = {each.cell: each for each in found}
    for each in there:
        twin = plain[replace(each.cell, placing=Placing())]
        assert each.gpu_bytes > 0
        assert each.memory_bytes + each.gpu_bytes == twin.memory_bytes


def test_quality_is_all_by_divergence_or_all_by_bits() -> None:
    exact, small = Kv("f16", "f16"), Kv("q4_0", "q4_0")

    def fidelity(kld: float) -> Fidelity:
        estimate = Estimate(Measured(kld, "derived"), NOTHING, NOTHING, 1)
        return Fidelity(estimate, estimate, estimate, 1, "", 512, "", "")

    measured = Quality(
        Measured({("Q8_0", small): fidelity(0.09), ("Q4_K_M", exact): fidelity(0.04)}, "derived"),
        ("F16", exact),
        failed={("Q2_K", exact): "it died"},
    )
    cells = [
        (Cell("F16", exact), 16.0),
        (Cell("Q4_K_M", exact), 4.8),
        (Cell("Q8_0", small), 8.5),
        (Cell("Q2_K", exact), 2.6),
    ]
    # A cache that costs more than a quant stands behind it; what could not be weighed is last.
    ranks = [measured.rank(cell, bpw) for cell, bpw in cells]
    assert ranks == sorted(ranks)
    assert measured.divergence(Cell("Q2_K", exact)) == Missing("not_weighed", "it died")
    bits = by_bits(Missing("no_time", "it would take long"))
    assert bits.rank(*cells[2]) < bits.rank(*cells[1])
    assert "it would take long" in bits.words
