"""Whatever is wrong with what was asked: exit 2, one clear message, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli import wrong
from tests.cli.conftest import Room
from tests.cli.refusals import Case, Steelyard, Words, refused

from steelyard.models import artifacts

MODELS: list[Case] = [
    ("missing", lambda r: [r.at("gone.gguf")], ("there is no file", "gone.gguf", "models list")),
    ("empty", lambda r: [wrong.empty(r.at("x.gguf"))], ("x.gguf", "it is empty", "download")),
    ("text", lambda r: [wrong.letter(r.at("x.gguf"))], ("not a usable GGUF", "b'Dear'")),
    ("pointer", lambda r: [wrong.pointer(r.at("x.gguf"))], ("Git LFS pointer", "git lfs pull")),
    ("cut header", lambda r: [wrong.cut(r.at("x.gguf"), r.good, 0.001)], ("truncated", "header")),
    ("cut weights", lambda r: [wrong.cut(r.at("x.gguf"), r.good, 0.5)], ("truncated", "tensor")),
    ("liar", lambda r: [wrong.liar(r.at("x.gguf"))], ("header is damaged or lies", "announces")),
    ("far tensor", lambda r: [wrong.far_tensor(r.at("x.gguf"))], ("its header lies", "token_embd")),
    ("engine", lambda r: [f"{r.good}@lamacpp"], ("no engine 'lamacpp'", "did you mean 'llamacpp'")),
    ("profile", lambda r: [f"{r.good}@llamacpp/fast"], ("no engine profile 'fast'", "default")),
    ("name", lambda _: ["bundeld"], ("no model 'bundeld'", "did you mean 'bundled'")),
    ("no ladder", lambda r: [r.folder], ("holds no GGUF file", "give a file")),
]


READERS = ("models quantise", "models show")


# A sweep goes to a server; whoever reads a file does not.
URL: Case = (
    "url",
    lambda _: ["http://localhost:8080/v1"],
    ("address of a server", "the model's file"),
)


SUBJECTS = [
    *((command, *case[1:]) for command in ("sweep", *READERS) for case in MODELS),
    *((command, *URL[1:]) for command in READERS),
]


@pytest.mark.parametrize(("command", "words", "phrases"), SUBJECTS)
def test_a_subject_that_cannot_be_used_is_named_with_the_cause(
    steelyard: Steelyard, room: Room, command: str, words: Words, phrases: tuple[str, ...]
) -> None:
    ends: dict[str, list[str | Path]] = {
        "sweep": ["--out", room.out],
        "models quantise": ["Q8_0", "--out", room.out],
        "models show": [],
    }
    rest = ends[command]
    refused(steelyard(*command.split(), *words(room), *rest), room, *phrases)


QUANTS: list[Case] = [
    ("unknown quant", lambda r: [r.good, "Q4_KM"], ("no quant 'Q4_KM'", "did you mean 'Q4_K_M'")),
    (
        "rows that do not fit",
        lambda r: [wrong.narrow(r.at("narrow.gguf"), 96), "Q4_K_M"],
        (
            "Q4_K_M stores blocks of 256",
            "have 96",
            "quants that fit",
            "Q4_0",
        ),
    ),
    (
        "no importance matrix",
        lambda r: [r.good, "IQ2_M"],
        ("IQ2_M", "needs an importance matrix", "--imatrix FILE"),
    ),
    (
        "importance matrix missing",
        lambda r: [r.good, "Q4_0", "--imatrix", r.at("gone.gguf")],
        ("no importance matrix", "gone.gguf", "--imatrix"),
    ),
    (
        "a model as importance matrix",
        lambda r: [r.good, "Q4_0", "--imatrix", r.good],
        ("not a usable importance matrix", "it is a model"),
    ),
    (
        "already quantised",
        lambda r: [wrong.quantised(r.at("q8.gguf"), r.good), "Q4_0"],
        ("q8.gguf is already quantised (Q8_0)", "--requantise"),
    ),
    (
        "no native llama.cpp",
        lambda r: [r.good, "Q4_0", "--runtime", "native"],
        ("needs llama-quantize on PATH", "--runtime wheel"),
    ),
]


@pytest.mark.parametrize(("words", "phrases"), [c[1:] for c in QUANTS], ids=[c[0] for c in QUANTS])
@pytest.mark.parametrize("command", ["sweep", "models quantise"])
def test_a_quant_that_cannot_be_made_is_refused_before_anything_is_made(
    steelyard: Steelyard,
    room: Room,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    words: Words,
    phrases: tuple[str, ...],
) -> None:
    monkeypatch.setenv("PATH", str(room.folder))
    subject, quant, *rest = words(room)
    asked = (
        ["sweep", subject, "--quants", quant, "--yes"]
        if command == "sweep"
        else ["models", "quantise", subject, quant]
    )
    refused(steelyard(*asked, *rest, "--out", room.out), room, *phrases)


def test_quants_that_the_disk_has_no_room_for_are_refused_before_the_source_is_read(
    steelyard: Steelyard, room: Room
) -> None:
    vast = wrong.vast(room.at("vast.gguf"), wrong.TERA)
    said = steelyard("models", "quantise", vast, "Q8_0", "--out", room.out)
    refused(said, room, "quantising vast.gguf needs 5", " GB in ", "are free", "another folder")
    assert "hashing" not in said.err


def located(room: Room) -> dict[str, object]:
    """The subject of a RunSpec whose bytes are there."""
    found = artifacts.fingerprint(room.good)
    return {"artifact": {"name": "tiny.gguf", "format": "gguf", "sha256": found.sha256}}


SPECS: list[tuple[str, Callable[[Room], dict[str, object]], tuple[str, ...]]] = [
    ("key", lambda _: {"warmups": 1}, ("unknown key 'warmups'", "known keys: subject")),
    (
        "inner key",
        lambda _: {"controls": {"thread": 2}},
        ("unknown key 'controls.thread'", "did you mean 'threads'?"),
    ),
    ("type", lambda _: {"repeat": "many"}, ("spec.json: repeat:", "integer")),
    ("bytes", lambda _: {}, ("no file here has the sha256 of 'x'", "--model")),
    (
        "engine",
        lambda r: {"subject": {**located(r), "engine": "lamacpp"}},
        ("no engine 'lamacpp'", "did you mean 'llamacpp'"),
    ),
    (
        "runtime",
        lambda r: {"subject": {**located(r), "runtime": "wheeel"}},
        ("no runtime 'wheeel'", "did you mean 'wheel'"),
    ),
    (
        "family",
        lambda r: {"subject": located(r), "tasks": [{"family": "readin"}]},
        ("no task family 'readin'", "did you mean 'reading'"),
    ),
    (
        "cores",
        lambda r: {"subject": located(r), "controls": {"affinity": [4000]}},
        ("core 4000 cannot be used here", "the cores of this machine"),
    ),
]


@pytest.mark.parametrize(("changes", "phrases"), [c[1:] for c in SPECS], ids=[c[0] for c in SPECS])
def test_a_spec_that_cannot_be_run_is_refused_before_the_engine_starts(
    steelyard: Steelyard,
    room: Room,
    changes: Callable[[Room], dict[str, object]],
    phrases: tuple[str, ...],
) -> None:
    spec = wrong.spec(room.at("spec.json"), changes(room))
    said = steelyard("run", spec, "--model", room.good, "--out", room.out)
    refused(said, room, *phrases)


OTHERS: list[Case] = [
    ("command", lambda _: ["swep"], ("no command 'swep'", "did you mean 'sweep'")),
    ("command below", lambda _: ["models", "lst"], ("No such command 'lst'", "'list'")),
    ("option", lambda _: ["doctor", "--jsn"], ("No such option '--jsn'", "--json")),
    ("no spec", lambda _: ["run"], ("give a SPEC file", "steelyard run --example")),
    (
        "spec missing",
        lambda r: ["run", r.at("gone.json")],
        ("gone.json cannot be read", "run --example"),
    ),
    ("spec is text", lambda r: ["run", r.file()], ("a-file is not JSON",)),
    ("spec is a model", lambda r: ["run", r.good], ("tiny.gguf is not JSON",)),
    ("unknown run", lambda _: ["results", "show", "ffff"], ("no run 'ffff'", "no run at all")),
    ("unknown runs", lambda _: ["results", "compare", "a1", "b2"], ("there is no run 'a1'",)),
    (
        "export format",
        lambda _: ["results", "export", "--format", "xml"],
        ("'--format'", "'xml' is not one of 'csv', 'json', 'jsonl'"),
    ),
    (
        "report of nothing",
        lambda r: ["report", r.folder],
        ("holds no sweep", "that `steelyard sweep` printed"),
    ),
    ("resume nowhere", lambda _: ["sweep", "--resume"], ("--resume needs --out", "name the")),
    (
        "resume of nothing",
        lambda r: ["sweep", "--resume", "--out", r.folder],
        ("holds no sweep", "that `steelyard sweep` printed"),
    ),
    (
        "resume of no folder",
        lambda r: ["sweep", "--resume", "--out", r.out],
        ("out holds no sweep", "that `steelyard sweep` printed"),
    ),
    (
        "engine",
        lambda _: ["engines", "check", "lamacpp"],
        ("no engine 'lamacpp'", "did you mean 'llamacpp'"),
    ),
    (
        "nothing to rebuild from",
        lambda r: ["results", "rebuild", r.at("gone")],
        ("there is no folder", "gone", "printed at its end"),
    ),
    ("no folder", lambda r: ["models", "list", r.at("gone")], ("gone is no folder",)),
]


@pytest.mark.parametrize(("words", "phrases"), [c[1:] for c in OTHERS], ids=[c[0] for c in OTHERS])
def test_every_other_door_says_what_is_wrong_and_how_to_mend_it(
    steelyard: Steelyard, room: Room, words: Words, phrases: tuple[str, ...]
) -> None:
    refused(steelyard(*words(room)), room, *phrases)
    assert not (room.folder / "lock").exists()


UNWRITABLE: list[tuple[str, Callable[[Room], Path]]] = [
    ("read-only", lambda _: Path("/proc/steelyard")),
    ("a file", lambda r: r.file()),
    ("below a file", lambda r: r.file() / "deeper"),
]


WRITERS: dict[str, Words] = {
    "sweep": lambda r: ["sweep", r.good],
    "models quantise": lambda r: ["models", "quantise", r.good, "Q8_0"],
    "run": lambda r: [
        *("run", wrong.spec(r.at("spec.json"), {"subject": located(r)})),
        *("--model", r.good),
    ],
}


@pytest.mark.parametrize("place", [c[1] for c in UNWRITABLE], ids=[c[0] for c in UNWRITABLE])
@pytest.mark.parametrize("command", sorted(WRITERS))
def test_a_folder_that_cannot_be_written_is_refused_at_once(
    steelyard: Steelyard, room: Room, command: str, place: Callable[[Room], Path]
) -> None:
    out = place(room)
    said = steelyard(*WRITERS[command](room), "--out", out)
    refused(said, room, f"{out} cannot be written to", "choose another folder with --out")


@pytest.mark.parametrize("place", ["/proc/runs.csv", "."])
def test_an_export_that_cannot_be_written_is_refused(
    steelyard: Steelyard, room: Room, place: str
) -> None:
    refused(steelyard("results", "export", "--out", place), room, "cannot be written")


SETTINGS = [
    ("unknown table", "[rating]\n", ("setting", "'rating'", "did you mean 'ratings'")),
    ("no TOML", "ratings = [\n", ("settings.toml cannot be read", "mend it")),
    ("numbers", "[ratings]\noutput_tps = [1, 2]\n", ("ratings.output_tps", "four limits")),
]


@pytest.mark.parametrize(
    ("text", "phrases"), [c[1:] for c in SETTINGS], ids=[c[0] for c in SETTINGS]
)
@pytest.mark.parametrize("command", ["results list", "run", "sweep"])
def test_wrong_settings_are_refused_before_anything_begins(
    steelyard: Steelyard,
    room: Room,
    home: Path,
    command: str,
    text: str,
    phrases: tuple[str, ...],
) -> None:
    home.mkdir(parents=True)
    (home / "settings.toml").write_text(text)
    words = ["results", "list"] if command == "results list" else [*WRITERS[command](room)]
    rest = [] if command == "results list" else ["--out", room.out]
    refused(steelyard(*words, *rest), room, *phrases)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("eval", "http://127.0.0.1:9", "--private-seed", ""), "is the variable set"),
        (("eval", "choose", "a", "b", "--private-seed", " "), "is the variable set"),
        (("eval", "repeat", "a", "--private-seed", ""), "is the variable set"),
        (("sweep", "--private-seed", ""), "is the variable set"),
        (("tasks", "sample", "logic", "--private-seed", ""), "is the variable set"),
        (("eval", "http://127.0.0.1:9", "--tasks", " , "), "names nothing"),
        (("eval", "http://127.0.0.1:9", "--set", ","), "names nothing"),
        (("eval", "choose", "a", "b", "--tasks", ""), "names nothing"),
        (("eval", "repeat", "a", "--tasks", ","), "names nothing"),
        (("eval", "http://127.0.0.1:9", "--thinking", "-1"), "--thinking"),
        (
            ("eval", "http://127.0.0.1:9", "--tasks", "lm-eval:arc_easy", "--thinking", "64"),
            "--thinking is for tasks of ours",
        ),
    ],
)
def test_an_option_that_says_nothing_is_refused(
    words: tuple[str, ...], said: str, steelyard: Steelyard
) -> None:
    done = steelyard(*words)
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert said in " ".join(done.err.split())
    assert not list(Path().iterdir())
