"""A sweep that cannot be done: exit 2 and one clear message before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli import wrong
from tests.cli.conftest import Room
from tests.cli.refusals import Case, Steelyard, Words, refused
from tests.llamalib import tiny

SWEEPS: list[Case] = [
    (
        "no disk",
        lambda r: [wrong.vast(r.at("vast.gguf"), wrong.TERA), "--yes"],
        ("this sweep needs", " TB in ", "are free", "ask for fewer quants"),
    ),
    (
        "no memory",
        lambda r: [vast_ladder(r), "--yes"],
        ("would take about 1.1 TB of memory", "are free", "smaller quant"),
    ),
    (
        "no memory for the context",
        lambda r: [r.good, "--context", "20000000", "--yes"],
        ("20000000 tokens of context", "of memory", "shorter context"),
    ),
    (
        "trained for too little context",
        lambda r: [tiny.write(r.at("small.gguf"), tiny.Shape(context=256))],
        ("small was trained for 256 tokens", "the work needs", "a model with more context"),
    ),
    (
        "asked for more context than trained",
        lambda r: [r.good, "--context", "8192"],
        ("trained for 4,096 tokens", "--context asks for 8,192", "less --context"),
    ),
    (
        "context too small for the work",
        lambda r: [r.good, "--context", "300"],
        ("needs", "tokens of context", "gives 300"),
    ),
    ("empty name", lambda r: [r.good, "--quants", "Q8_0,,Q4_0"], ("'--quants'", "empty")),
    ("twice the same", lambda r: [r.good, "--quants", "Q8_0,Q8_0"], ("'--quants'", "repeated")),
    ("budget", lambda r: [r.good, "--budget", "soon"], ("'--budget'", "write 45m")),
    ("no budget", lambda r: [r.good, "--budget", "0s"], ("'--budget'", "longer than nothing")),
    ("soak", lambda r: [r.good, "--soak", "soon"], ("'--soak'", "'soon' is no duration")),
    (
        "soak beyond the budget",
        lambda r: [r.good, "--soak", "30m", "--budget", "20m"],
        ("--soak alone takes 30 min 00 s of 20 min 00 s", "a longer --budget or a shorter --soak"),
    ),
    ("cores", lambda r: [r.good, "--affinity", "two"], ("'--affinity'", "write 0-3")),
    ("cores backwards", lambda r: [r.good, "--affinity", "3-1"], ("runs backwards", "write 1-3")),
    (
        "cores that are not there",
        lambda r: [r.good, "--affinity", "0,4000"],
        ("core 4000 cannot be used here", "the cores of this machine are"),
    ),
    ("items", lambda r: [r.good, "--items", "0"], ("'--items'", "1<=x<=5000")),
    ("option", lambda r: [r.good, "--quant", "Q8_0"], ("No such option '--quant'", "--quants")),
    (
        "too long",
        lambda r: [wrong.vast(r.at("vast.gguf"), wrong.TERA)],
        ("this sweep would take about", "minutes", "--yes", "--budget 45m"),
    ),
    (
        "two models in one folder",
        lambda r: [two_models(r)],
        ("is another model than", "a folder of their own"),
    ),
    (
        "broken file in the ladder",
        lambda r: [broken_ladder(r)],
        ("b.gguf", "cannot be read", "mend or remove it"),
    ),
    (
        "quant not in the ladder",
        lambda r: [good_ladder(r), "--quants", "Q8_1"],
        ("no quant in this folder 'Q8_1'", "did you mean 'Q8_0'"),
    ),
]


def folder(room: Room) -> Path:
    made = room.at("ladder")
    made.mkdir()
    return made


def good_ladder(room: Room) -> Path:
    made = folder(room)
    (made / "a.gguf").symlink_to(room.good)
    wrong.quantised(made / "b.gguf", room.good)
    return made


def vast_ladder(room: Room) -> Path:
    made = folder(room)
    wrong.vast(made / "a.gguf", wrong.TERA)
    wrong.vast(made / "b.gguf", wrong.TERA)
    return made


def two_models(room: Room) -> Path:
    made = folder(room)
    (made / "a.gguf").symlink_to(room.good)
    tiny.write(made / "b.gguf", tiny.Shape(layers=1, context=4096))
    return made


def broken_ladder(room: Room) -> Path:
    made = folder(room)
    (made / "a.gguf").symlink_to(room.good)
    wrong.cut(made / "b.gguf", room.good, 0.5)
    return made


@pytest.mark.parametrize(("words", "phrases"), [c[1:] for c in SWEEPS], ids=[c[0] for c in SWEEPS])
def test_a_sweep_that_cannot_be_done_is_refused_before_it_begins(
    steelyard: Steelyard, room: Room, words: Words, phrases: tuple[str, ...]
) -> None:
    refused(steelyard("sweep", *words(room), "--out", room.out), room, *phrases)


def test_a_rating_of_no_metric_is_refused_before_the_sweep_and_not_after_it(
    steelyard: Steelyard, room: Room, home: Path
) -> None:
    home.mkdir(parents=True)
    (home / "settings.toml").write_text("[ratings]\noutput_tpss = [40, 20, 10, 5]\n")
    said = steelyard("sweep", room.good, "--out", room.out)
    refused(said, room, "no metric 'output_tpss'", "did you mean")
