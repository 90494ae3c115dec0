"""record.json is whole or absent, says its version, and comes back equal."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from tests.store.records import record, run_records

from steelyard.domain.errors import BadInput, StoreError
from steelyard.domain.run import RunRecord
from steelyard.platform import atomic
from steelyard.store.records import read_record, write_record


@given(run_records)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_record_survives_its_file(tmp_path: Path, made: RunRecord) -> None:
    assert read_record(write_record(tmp_path, made)) == made


def test_the_file_says_its_version_although_it_is_the_default(tmp_path: Path) -> None:
    path = write_record(tmp_path / "runs" / "r", record())
    assert json.loads(path.read_text())["schema_version"] == 1
    assert read_record(path.parent) == record()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "schema_version": 99}))
    with pytest.raises(StoreError, match="schema version 99"):
        read_record(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"id":"x"}', '{"id":"x","schema_version":1}'])
def test_a_damaged_file_says_how_to_get_the_run_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(StoreError, match="not a whole run record") as caught:
        read_record(path)
    assert "resume" in caught.value.hint


def test_an_absent_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no"):
        read_record(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    (target / "inside").write_text("kept")
    with pytest.raises(BadInput, match="cannot be written"):
        atomic.write(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert (target / "inside").read_text() == "kept"
