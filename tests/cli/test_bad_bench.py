"""Whatever is wrong with a bench: one clear message, no folder, nothing calibrated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.cli.conftest import Said
from tests.engines.foreign import ONE_MODEL, Reply, serving

Steelyard = Callable[..., Said]
Words = Sequence[str | Path]
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that is up, so that only the options can be wrong."""
    with serving({"/v1/models": ONE_MODEL}) as server:
        yield server.url()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "bench"


def refused(said: Said, out: Path, home: Path, *phrases: str, code: int = 2) -> None:
    """The exit code, one message that says this much, and nothing written anywhere."""
    assert said.code == code, said
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.count("Error: ") == 1, said.err
    for phrase in phrases:
        assert phrase in " ".join(said.err.split()), said.err
    assert not out.exists()
    assert not Path("benches").exists()
    assert not (home / "instrument.json").exists()


SHAPES: list[tuple[str, str, tuple[str, ...]]] = [
    (
        "two loads",
        "--rate 5 --concurrency 2",
        ("--concurrency and --rate are different loads", "give one of them"),
    ),
    ("no number", "--concurrency two", ("--concurrency", "'two' is no whole number", "1,8,32")),
    ("no streams", "--concurrency 0", ("--concurrency", "'0' is no whole number")),
    ("twice", "--concurrency 2,2", ("names 2 twice", "name each level once")),
    ("rate below nothing", "--rate -1", ("--rate", "'-1' is no number above 0")),
    ("process", "--rate 5 --arrivals poison", ("'poison'", "did you mean 'poisson'")),
    ("process alone", "--arrivals poisson", ("--arrivals says nothing without --rate",)),
    ("cap alone", "--cap 3", ("--cap says nothing without --rate",)),
    ("batching alone", "--batching both", ("--batching says nothing without --concurrency",)),
    (
        "batching in two processes",
        "--concurrency 8 --batching static --processes 2",
        ("takes one process of the client", "leave --processes out"),
    ),
    (
        "too few for turns",
        "--concurrency 8 --batching both --requests 100",
        ("--requests 100 is too few for 12 turns", "a turn takes 2 waves", "--requests 192"),
    ),
    (
        "batching and a search",
        "--concurrency 8 --batching static --find-knee",
        ("--find-knee keeps places filled", "leave --batching out"),
    ),
    (
        "batching both and a comparison",
        f"--concurrency 8 --batching both --compare {NOBODY}",
        ("--compare takes turns between two servers", "compare under --batching static"),
    ),
    ("ramp", "--ramp quick", ("--ramp 'quick' cannot be read", "rate:1..20/60s")),
    ("steps without time", "--steps rate:1,2", ("--steps 'rate:1,2' cannot be read", "/30s")),
    ("users", "--conversations users=0", ("'0' is no whole number", "users=8")),
    ("think", "--conversations users=2,thinks=2s", ("'thinks'", "did you mean 'think'")),
    ("speed alone", "--trace-speed 2", ("--trace-speed says nothing without --trace",)),
    ("no trace", "--trace gone.json", ("--trace gone.json cannot be read", "check path")),
    (
        "too many",
        "--rate 100000 --duration 1000s",
        ("would send 100,000,000 requests", "lower the rate"),
    ),
    (
        "no request by chance",
        "--rate 0.001 --duration 1s",
        ("chance leaves no request at all", "a longer --duration"),
    ),
    ("duration", "--duration soon", ("'--duration'", "'soon' is no duration")),
    ("no duration", "--duration 0s", ("'--duration'", "longer than nothing")),
    ("requests", "--requests 0", ("'--requests'", "0 is not in the range")),
    ("no load of that name", "--load soap", ("'--load'", "'soak'")),
    ("soak with a rate", "--load soak --rate 5", ("soak lays down its own levels", "leave the")),
    ("soak with a trace", "--load soak --trace t.json", ("soak lays down its own levels",)),
    ("levels twice", "--load concurrency --concurrency 3", ("lays down its own levels",)),
    ("length laid down", "--load concurrency --requests 3", ("own prompts and its end", "--req")),
    (
        "prompts laid down",
        "--load soak --prompts synthetic:in=64",
        ("own prompts and its end", "leave --prompts out"),
    ),
]

OTHERS: list[tuple[str, str, tuple[str, ...]]] = [
    ("no prompts", "--prompts gone.txt", ("there is no file gone.txt", "synthetic:")),
    ("empty prompts", "--prompts empty.txt", ("empty.txt holds no prompts", "on each line")),
    ("form of prompts", "--prompts notes.md", (".md", "none of .txt, .jsonl, .csv")),
    ("no ShareGPT", "--prompts sharegpt:list.json", ("list.json", "conversations")),
    ("kind of prompts", "--prompts syntetic:in=5", ("'syntetic'", "did you mean 'synthetic'")),
    ("setting of prompts", "--prompts synthetic:inn=5", ("'inn'", "did you mean 'in'")),
    ("too short", "--prompts synthetic:in=3", ("no room for a beginning of its own", "16 tokens")),
    (
        "prefix in conversations",
        "--conversations users=2 --prompts prefix:prefix=64,in=32",
        ("conversations share their own beginnings", "use synthetic:"),
    ),
    (
        "pictures in conversations",
        "--conversations users=2 --prompts images:n=1",
        ("turns of a conversation are text", "use synthetic:"),
    ),
    ("size of pictures", "--prompts images:width=0", ("width=0", "no whole number")),
    ("half a trace", "--trace half.jsonl", ("how long each prompt is", "--prompts")),
    ("unsorted trace", "--trace back.json", ("request 3 comes before the one above", "sort")),
    ("objective", "--slo speed=1s", ("no metric for --slo 'speed'", "known:")),
    ("limit", "--slo ttft=fast", ("'fast' is no duration", "500ms")),
    ("knee of a rate", "--find-knee --rate 5", ("--find-knee chooses the rates itself",)),
    ("knee of levels", "--find-knee --concurrency 1,2", ("--find-knee chooses the rates",)),
    ("knee by time", "--find-knee --duration 5s", ("goes by requests", "leave --duration out")),
    ("knee of a load", "--find-knee --load soak", ("--find-knee chooses the rates itself",)),
    (
        "knee of single requests",
        "--find-knee --slo ttft=500ms",
        ("--slo ttft limits each request", "ttft_p95=…"),
    ),
    ("no patience", "--timeout 0s", ("--timeout", "longer than nothing")),
    ("patience in words", "--timeout long", ("--timeout", "'long' is no duration", "500ms")),
    ("seed too large", "--seed 2147483648", ("--seed", "0<=x<=2147483647")),
    ("blocks alone", "--blocks 3", ("--blocks says nothing without --compare",)),
    (
        "compare at two levels",
        f"--compare {NOBODY} --concurrency 1,2",
        ("--compare takes turns under one load", "one --concurrency or one --rate"),
    ),
    (
        "compare while it rises",
        f"--compare {NOBODY} --ramp rate:1..2/5s",
        ("one steady load", "--conversations"),
    ),
    ("compare and search", f"--compare {NOBODY} --find-knee", ("takes turns under one load",)),
    ("compare with a missing file", "--compare gone.gguf", ("no file gone.gguf", "models list")),
    ("key", "--api-key-env NO_SUCH_KEY", ("NO_SUCH_KEY is not set", "never an argument")),
    ("certificates without TLS", "--cacert gone.pem", ("--cacert is for", "leave --cacert out")),
    ("no TLS to believe", "--insecure", ("--insecure is for an encrypted connection",)),
    ("threads of theirs", "--threads 2", ("--threads is for an engine that is started here",)),
    ("runtime of theirs", "--runtime native", ("--runtime is for an engine that is started",)),
    ("model", "--model smal", ("no model at", "'smal'", "did you mean 'small'")),
    ("option", "--concurency 2", ("No such option", "--concurrency")),
]


@pytest.fixture(autouse=True)
def files(home: Path) -> None:  # noqa: ARG001 - the working folder is made there
    """The files that cases name, in the working folder."""
    Path("empty.txt").write_text("\n\n")
    Path("notes.md").write_text("a prompt\n")
    Path("list.json").write_text("[1, 2]")
    Path("t.json").write_text("[0, 1]")
    Path("back.json").write_text("[0, 2, 1]")
    Path("half.jsonl").write_text(json.dumps({"timestamp": 0, "input_length": 32}) + "\n")


@pytest.mark.parametrize(("words", "phrases"), [c[1:] for c in SHAPES], ids=[c[0] for c in SHAPES])
def test_a_load_that_cannot_be_sent_is_refused_before_anything_is_asked(
    steelyard: Steelyard, out: Path, home: Path, words: str, phrases: tuple[str, ...]
) -> None:
    refused(steelyard("bench", NOBODY, *words.split(), "--out", out), out, home, *phrases)


@pytest.mark.parametrize(("words", "phrases"), [c[1:] for c in OTHERS], ids=[c[0] for c in OTHERS])
def test_an_option_that_makes_no_sense_is_named_with_the_way_out(
    steelyard: Steelyard, url: str, out: Path, home: Path, words: str, phrases: tuple[str, ...]
) -> None:
    refused(steelyard("bench", url, *words.split(), "--out", out), out, home, *phrases)


SUBJECTS: list[tuple[str, Words, int, tuple[str, ...]]] = [
    ("unknown name", ["bundeld"], 2, ("no model 'bundeld'", "did you mean 'bundled'")),
    ("no file", ["gone.gguf"], 2, ("there is no file gone.gguf", "models list")),
    ("no scheme", ["127.0.0.1:1"], 2, ("does not say http or https", "http://127.0.0.1:1")),
    ("no scheme, a name", ["localhost:1/v1"], 2, ("write http://localhost:1/v1",)),
    ("other scheme", ["ftp://127.0.0.1"], 2, ("ftp:// is not spoken here",)),
    ("password", ["http://me:pass@127.0.0.1:1"], 2, ("holds a user name or a password",)),
    ("query", [f"{NOBODY}/?key=1"], 2, ("a query or a fragment is not part",)),
    ("nobody there", [NOBODY], 3, ("nobody listens at http://127.0.0.1:1", "is the server up")),
    (
        "too long for the model",
        ["bundled", "--prompts", "synthetic:in=90000,out=8"],
        2,
        ("was trained for 4,096 tokens", "need 90,", "shorter --prompts"),
    ),
    ("model of a file", ["bundled", "--model", "x"], 2, ("--model is for a server",)),
    ("key of a file", ["bundled", "--api-key-env", "X"], 2, ("--api-key-env is for a server",)),
    ("no subject", [], 2, ("Missing argument 'SUBJECT'",)),
]


@pytest.mark.parametrize(
    ("words", "code", "phrases"), [c[1:] for c in SUBJECTS], ids=[c[0] for c in SUBJECTS]
)
def test_a_subject_that_cannot_be_measured_is_named_with_the_cause(
    steelyard: Steelyard, out: Path, home: Path, words: Words, code: int, phrases: tuple[str, ...]
) -> None:
    refused(steelyard("bench", *words, "--out", out), out, home, *phrases, code=code)


ANSWERS = [
    ("a key is wanted", Reply({"error": "no"}, 401), 2, ("key", "--api-key-env")),
    ("it is elsewhere", Reply({}, 301, {"Location": "https://x.example/v1"}), 2, ("x.example",)),
    ("no API", Reply({}, 404), 2, ("/v1/models",)),
    ("no JSON", Reply(b"<html>"), 3, ("JSON",)),
    ("broken", Reply({"error": "boom"}, 500), 3, ("500",)),
]


@pytest.mark.parametrize(
    ("reply", "code", "phrases"), [c[1:] for c in ANSWERS], ids=[c[0] for c in ANSWERS]
)
def test_a_server_that_does_not_say_what_it_has_is_not_measured(
    steelyard: Steelyard, out: Path, home: Path, reply: Reply, code: int, phrases: tuple[str, ...]
) -> None:
    with serving({"/v1/models": reply}) as server:
        said = steelyard("bench", server.url(), "--out", out)
    refused(said, out, home, *phrases, code=code)


def test_a_folder_that_holds_something_is_left_as_it_is(
    steelyard: Steelyard, url: str, out: Path
) -> None:
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    said = steelyard("bench", url, "--out", out)
    assert said.code == 2
    assert f"{out} is not empty" in said.err
    assert [path.name for path in out.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("place", ["/proc/bench", "empty.txt", "empty.txt/deeper"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_server_is_asked(
    steelyard: Steelyard, home: Path, place: str
) -> None:
    said = steelyard("bench", NOBODY, "--out", place)
    refused(said, Path("/nowhere"), home, f"{place} cannot be written to", "another folder")


def test_a_file_that_is_no_model_is_no_subject(steelyard: Steelyard, out: Path, home: Path) -> None:
    refused(steelyard("bench", "empty.txt", "--out", out), out, home, "not a usable GGUF")
