"""Whatever is wrong with what was asked: exit 2, one clear message, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli import wrong
from tests.cli.conftest import Said
from tests.llamalib import tiny

from steelyard.models import artifacts

Steelyard = Callable[..., Said]


@dataclass(frozen=True)
class Room:
    """Where a case makes its files; `out` is the folder that must stay empty."""

    folder: Path
    good: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def at(self, name: str) -> Path:
        return self.folder / name

    def file(self) -> Path:
        """A file where a folder is wanted."""
        return wrong.letter(self.at("a-file"))


Words = Callable[[Room], Sequence[str | Path]]
Case = tuple[str, Words, tuple[str, ...]]

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


@pytest.fixture
def room(tmp_path: Path, tiny_model: Path) -> Room:
    folder = tmp_path / "work" / "room"
    folder.mkdir()
    return Room(folder, tiny_model)


def refused(said: Said, room: Room, *phrases: str) -> None:
    """Exit code 2, one message that says this much, no traceback, nothing left in the folder."""
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    errors = [line for line in said.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, said.err
    for phrase in phrases:
        assert phrase in " ".join(said.err.split()), said.err
    assert not room.out.exists() or list(room.out.iterdir()) == []
    assert list(room.folder.rglob("*.part")) == []


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


def test_a_rating_of_no_metric_is_refused_before_the_sweep_and_not_after_it(
    steelyard: Steelyard, room: Room, home: Path
) -> None:
    home.mkdir(parents=True)
    (home / "settings.toml").write_text("[ratings]\noutput_tpss = [40, 20, 10, 5]\n")
    said = steelyard("sweep", room.good, "--out", room.out)
    refused(said, room, "no metric 'output_tpss'", "did you mean")


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
