"""Identity and JSON: what is equal hashes equal, what comes back is what went out."""

import dataclasses

import pytest

from steelyard.domain.codec import decode, encode, from_plain
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.ids import canonical, content_id
from steelyard.domain.load import Closed
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, RunSpec
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Invalid, Mark, Right, Task, Wrong
from steelyard.domain.vitals import VitalSample
from steelyard.domain.workload import Workload

SPEC = RunSpec(
    Subject(Artifact("m.gguf", "gguf", sha256="ab" * 32, size_bytes=9)),
    Controls(threads=2),
    workloads=(Workload("interactive", 512, 64, 4),),
    tasks=(Task("reading", items=7),),
)


def test_a_field_at_its_default_is_left_out_so_that_a_new_field_changes_no_old_hash() -> None:
    assert canonical(Task("reading")) == '{"family":"reading"}'


def test_a_closed_load_without_waves_has_the_identity_that_it_had_before_there_were_any() -> None:
    assert canonical(Closed(8)) == '{"kind":"closed","streams":8}'
    assert canonical(Closed(8, batching="static")) != canonical(Closed(8))


def test_a_spec_round_trips_through_json_and_keeps_its_identity() -> None:
    back = decode(RunSpec, encode(SPEC), source="spec.json")
    assert back == SPEC
    assert back.id == SPEC.id


def test_a_name_or_a_path_is_no_part_of_a_subjects_identity() -> None:
    renamed = Subject(Artifact("other.gguf", "gguf", sha256="ab" * 32))
    assert renamed.id == SPEC.subject.id
    assert Subject(Artifact("m.gguf", "gguf", sha256="cd" * 32)).id != SPEC.subject.id
    assert dataclasses.replace(renamed, profile=EngineProfile(slots=2)).id != SPEC.subject.id


@pytest.mark.parametrize(
    "mark", [Mark(Right()), Mark(Wrong(), {"strict": "7"}), Mark(Invalid("truncated"))]
)
def test_marks_come_back_as_the_same_member_of_the_union(mark: Mark) -> None:
    assert from_plain(Mark, decode(dict, encode(mark), source="x"), source="x") == mark


def test_a_measured_zero_and_a_missing_number_stay_different_in_json() -> None:
    none = Missing("not_exposed", "no counter")
    sample = VitalSample(
        1, Measured(0.0, "client"), none, none, none, none, none, none, none, none, none
    )
    assert decode(VitalSample, encode(sample), source="x") == sample


def test_an_unknown_key_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(BadInput, match=r"spec: unknown key 'controls\.thread'") as caught:
        from_plain(
            RunSpec,
            {
                "subject": {"artifact": {"name": "m", "format": "gguf", "sha256": "0"}},
                "controls": {"thread": 2},
            },
            source="spec",
        )
    assert caught.value.hint == "did you mean 'threads'?"


def test_broken_json_is_one_sentence() -> None:
    with pytest.raises(BadInput, match="spec.json is not JSON"):
        decode(RunSpec, "{", source="spec.json")


def test_a_wrong_type_names_the_key() -> None:
    with pytest.raises(BadInput, match="controls.threads"):
        from_plain(
            RunSpec,
            {
                "subject": {"artifact": {"name": "m", "format": "gguf", "sha256": "0"}},
                "controls": {"threads": "many"},
            },
            source="spec",
        )


def test_an_unknown_name_suggests_the_nearest() -> None:
    error = UnknownName.among("quant", "Q4KM", ["Q4_K_M", "Q8_0"])
    assert "did you mean 'Q4_K_M'?" in error.hint


def test_ids_do_not_depend_on_the_order_of_keys() -> None:
    assert content_id({"a": 1, "b": 2}) == content_id({"b": 2, "a": 1})
