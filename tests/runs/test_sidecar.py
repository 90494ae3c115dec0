"""The sidecar's file: apart from the run, read back whole, and never in the way."""

from __future__ import annotations

import json
from pathlib import Path

from steelyard.analysis.metrics.registry import METRICS
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.serverside import RawSpeed, Sidecar, SidecarField
from steelyard.runs import sidecar

GONE = Missing("not_applicable", "too deep")
FOUND = Sidecar(
    model="a.gguf",
    sha256="00",
    program="wheel",
    build="xllamacpp 1",
    threads=2,
    repeats=2,
    state="OK",
    speeds=(
        RawSpeed(
            *("pp512", "prompt_tps", 512, 0, "OK"),
            *(Measured(2000.5, "client"), Measured(10.0, "client")),
            (1990.5, 2010.5),
        ),
        RawSpeed("tg8@d9", "output_tps", 8, 9, "NOT_APPLICABLE", GONE, GONE, (), "too deep"),
    ),
    fields={"gpu_info": SidecarField("NOT_APPLICABLE"), "backends": SidecarField("OK", "CPU")},
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = sidecar.write(tmp_path, [FOUND, FOUND])
    assert path == tmp_path / "sidecar.json"
    assert sidecar.read(tmp_path) == Measured((FOUND, FOUND), "engine")


def test_the_file_says_which_of_our_metrics_a_speed_stands_beside(tmp_path: Path) -> None:
    sidecar.write(tmp_path, [FOUND])
    mapping = json.loads((tmp_path / "sidecar.json").read_text())["mapping"]
    assert set(mapping) == {"prompt_tps", "output_tps"}
    assert set(mapping) <= set(METRICS)


def test_a_sidecar_that_is_absent_or_broken_is_a_reason(tmp_path: Path) -> None:
    absent = sidecar.read(tmp_path)
    assert isinstance(absent, Missing)
    assert absent.code == "no_sidecar"
    for text in ("", "{", '{"sidecars": [{"model": 3}]}', "\udcff"):
        (tmp_path / "sidecar.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        broken = sidecar.read(tmp_path)
        assert isinstance(broken, Missing)
        assert broken.code == "parse_error"
