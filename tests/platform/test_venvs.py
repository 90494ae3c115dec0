"""Environments: whole or not at all, made by the real uv from a package made on the spot."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.domain.errors import Busy, SteelyardError
from steelyard.platform import locks, pip_settings, venvs
from steelyard.platform.venvs import Recipe


def wheel(folder: Path, source: str, version: str = "1.0") -> Path:
    """Write a package `weighty` of one module."""
    path = folder / f"weighty-{version}-py3-none-any.whl"
    info = f"weighty-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("weighty.py", source)
        out.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: weighty\nVersion: {version}\n"
        )
        out.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        out.writestr(f"{info}/RECORD", "")
    return path


def recipe(path: Path, pins: str = "weighty==1.0\n") -> Recipe:
    return Recipe("scale", (f"weighty @ {path.as_uri()}",), pins, ("weighty",), ("weighty",))


def names(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if not p.name.endswith(".lock"))


def test_an_environment_runs_its_package_and_says_its_version(tmp_path: Path) -> None:
    made = venvs.install(recipe(wheel(tmp_path, "WEIGHT = 7")), tmp_path / "envs")
    assert made.described == "weighty 1.0"
    assert made.current
    command = [str(made.python), "-I", "-c", "import weighty; print(weighty.WEIGHT)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "7\n"
    assert names(tmp_path / "envs") == ["scale"]
    before = made.python.lstat().st_mtime_ns
    assert venvs.install(recipe(tmp_path / "weighty-1.0-py3-none-any.whl"), tmp_path / "envs")
    assert made.python.lstat().st_mtime_ns == before  # nothing was made anew


def test_what_does_not_import_is_not_installed_and_leaves_nothing(tmp_path: Path) -> None:
    broken = recipe(wheel(tmp_path, "raise RuntimeError('no scale')"))
    with pytest.raises(SteelyardError, match="does not run here") as caught:
        venvs.install(broken, tmp_path / "envs")
    assert "no scale" in str(caught.value)
    assert venvs.find(broken, tmp_path / "envs") is None
    assert names(tmp_path / "envs") == []


def test_a_failed_renewal_leaves_the_one_that_was_there(tmp_path: Path) -> None:
    good = recipe(wheel(tmp_path, "WEIGHT = 7"))
    venvs.install(good, tmp_path / "envs")
    with pytest.raises(SteelyardError, match="could not be installed"):
        venvs.install(replace(good, requirements=("weighty==9.9",)), tmp_path / "envs")
    there = venvs.find(good, tmp_path / "envs")
    assert there is not None
    assert there.current


def test_other_pins_make_it_anew(tmp_path: Path) -> None:
    first = recipe(wheel(tmp_path, "WEIGHT = 7"))
    venvs.install(first, tmp_path / "envs")
    second = recipe(wheel(tmp_path, "WEIGHT = 8", "2.0"), pins="weighty==2.0\n")
    there = venvs.find(second, tmp_path / "envs")
    assert there is not None
    assert not there.current
    assert venvs.install(second, tmp_path / "envs").described == "weighty 2.0"


def test_what_a_killed_install_left_is_cleared_and_is_never_found(tmp_path: Path) -> None:
    torn = tmp_path / "envs" / ".scale.part"
    torn.mkdir(parents=True)
    (torn / "half").write_text("a file")
    found = recipe(wheel(tmp_path, "WEIGHT = 7"))
    assert venvs.find(found, tmp_path / "envs") is None
    venvs.install(found, tmp_path / "envs")
    assert names(tmp_path / "envs") == ["scale"]


def test_a_folder_without_a_stamp_is_not_installed(tmp_path: Path) -> None:
    made = recipe(wheel(tmp_path, "WEIGHT = 7"))
    stamp = venvs.install(made, tmp_path / "envs").folder / "steelyard.json"
    stamp.write_text("{")
    assert venvs.find(made, tmp_path / "envs") is None
    assert venvs.uninstall(made, tmp_path / "envs")
    assert not venvs.uninstall(made, tmp_path / "envs")
    assert names(tmp_path / "envs") == []


def test_two_installs_at_once_are_one_too_many(tmp_path: Path) -> None:
    made = recipe(wheel(tmp_path, ""))
    with locks.folder_lock(tmp_path / "envs" / ".scale.lock"), pytest.raises(Busy):
        venvs.install(made, tmp_path / "envs")


def test_pips_settings_are_said_in_uvs_words(tmp_path: Path) -> None:
    settings = {
        "extra-index-url": "file:///one file:///two",
        "find-links": f"{tmp_path} /nowhere/at/all",
        "no-index": "1",
        "default-timeout": "180",
    }
    env = pip_settings.for_uv(settings)
    assert env["UV_INDEX"] == "file:///one file:///two"
    assert env["UV_FIND_LINKS"] == str(tmp_path)  # uv would stop at a folder that is not there
    assert env["UV_NO_INDEX"] == "1"
    assert env["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_pips_settings_are_read_of_the_interpreter_that_has_pip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/somewhere")
    assert pip_settings.read(pip_settings.base_python())["find-links"] == "/somewhere"
    assert Path(pip_settings.base_python()).resolve() == Path(sys.executable).resolve()
