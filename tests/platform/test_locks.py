"""Folder locks between real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.domain.errors import BadInput, Busy
from steelyard.platform.locks import folder_lock

HOLD = """
import sys
from pathlib import Path
from steelyard.platform.locks import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_two_sweeps_in_one_folder_are_refused_and_the_holder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with holder(folder) as process:
        with pytest.raises(Busy, match=f"process {process.pid}$") as caught, folder_lock(folder):
            pass
        assert "--out" in caught.value.hint
        process.communicate()
    with folder_lock(folder):
        pass


def test_a_killed_holder_leaves_the_folder_free(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait()
        with folder_lock(tmp_path):
            pass


def test_a_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path):
        raise ZeroDivisionError
    with folder_lock(tmp_path):
        pass


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write to"), folder_lock(tmp_path / "file"):
        pass
