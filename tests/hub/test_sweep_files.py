"""A sweep of what lies on a hub: planned by headers, fetched once, refused or tidied up by rule."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import door
from tests.app.stage import answers
from tests.campaigns.sweeps import sweep
from tests.hub.conftest import COMMAND, TOKEN, Said, noise
from tests.hub.fake_hub import CHUNK, COMMIT, Fault, Hub, Repo, sha256
from tests.hub.test_pulls import hear, start, until
from tests.llamalib import tiny

from steelyard.app.hub import pulling, stored_notes
from steelyard.app.sweeps import fetched, plan_text, sweeping
from steelyard.app.sweeps.folder import SweepFolder
from steelyard.app.sweeps.spec import SweepRequest
from steelyard.campaigns.planner import plan
from steelyard.domain.errors import BadInput, TooLittleRoom, UnknownName
from steelyard.models import artifacts, ladder
from steelyard.models.hub import headers, held, holding
from steelyard.models.hub.listing import Globs
from steelyard.models.hub.patience import Patience
from steelyard.runs.places import SCRIPT
from steelyard.scripted import plan as scripts

REPO = "org/real-GGUF"
QUANTS = ("Q8_0", "Q4_K_M", "Q2_K")
ALL = f"hf:{REPO}:F16,{','.join(QUANTS)}"
ITEMS = 60
FAST = ("--items", str(ITEMS), "--repeats", "1", "--include-polluted")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a model that an engine can load."""
    folder = tmp_path_factory.mktemp("made")
    source = tiny.write(folder / "real-F16.gguf", tiny.Shape(context=4096))
    for quant in QUANTS:
        ladder.quantise(source, quant, folder / f"real-{quant}.gguf")
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.gguf"))}


@pytest.fixture
def real(hub: Hub, made: dict[str, bytes]) -> Hub:
    hub.repos[REPO] = Repo(dict(made), licence="apache-2.0")
    return hub


def home(cache: Path) -> Path:
    return cache / "models--org--real-GGUF"


def there(cache: Path) -> set[str]:
    return {path.name.removesuffix(".gguf")[5:] for path in home(cache).glob("snapshots/*/*.gguf")}


def write_script(cache: Path) -> None:
    """Lay the scripted engine's plan where the files will lie: Q2_K is wrong more often."""
    variants = {"*Q2_K*": {"wrong_rate": 0.6, "speed": 2.0}, "*Q4_K_M*": {"speed": 1.5}}
    planned: dict[str, Any] = {"ttft_s": 0.002, "gap_s": 0.0005, "wrong_rate": 0.2}
    folder = home(cache) / "snapshots" / COMMIT
    folder.mkdir(parents=True, exist_ok=True)
    script = scripts.Plan(**planned, answers=answers(ITEMS), variants=variants)
    scripts.write(script, folder / SCRIPT)


def dry(subject: str, **options: Any) -> Any:
    """Plan a sweep without running it, and return the plan as a program gets it."""
    request = SweepRequest(subject, dry_run=True, **options)
    return json.loads(plan_text.dry_run_text(request, lambda _: None, as_json=True))


def test_a_plan_is_made_from_the_headers_and_fetches_no_file(real: Hub, cache: Path) -> None:
    told = dry(ALL)
    assert {cell["label"] for cell in told["cells"]} == {"F16", *QUANTS}
    fetch = told["fetch"]
    sizes = {name[5:-5]: len(data) for name, data in real.repos[REPO].files.items()}
    assert {row["label"]: row["size_bytes"] for row in fetch["variants"]} == sizes
    assert fetch["needed_bytes"] == sum(sizes.values())
    assert [row["label"] for row in fetch["variants"] if row["reference"]] == ["F16"]
    assert not (home(cache) / "blobs").exists()


@pytest.mark.full
@pytest.mark.usefixtures("real")
def test_people_are_told_what_is_fetched_and_what_becomes_of_it(
    steelyard: Callable[..., Said],
) -> None:
    said = steelyard("sweep", ALL, "--dry-run", "--keep", "Q2_K", "--disk-reserve", "2GB")
    assert "All of it is needed at once" in said.out
    assert "but for what is recommended, the reference, Q2_K, and what is pinned" in said.out
    assert "2.0 GB of them kept back" in said.out
    assert "everything stays" in steelyard("sweep", ALL, "--dry-run", "--keep-all").out


@pytest.mark.usefixtures("real")
def test_only_what_the_sweep_will_run_is_fetched() -> None:
    fetch = dry(ALL, quants=("Q4_K_M",))["fetch"]
    assert [row["label"] for row in fetch["variants"]] == ["F16", "Q4_K_M"]


def test_globs_choose_what_is_weighed(real: Hub, tmp_path: Path) -> None:
    real.repos[REPO].files["README.md"] = b"# real"
    found = dry(f"hf:{REPO}", include=("*Q*", "*F16*", "README*"), exclude=("*Q2_K*",))["fetch"]
    assert [row["label"] for row in found["variants"]] == ["F16", "Q8_0", "Q4_K_M"]
    assert found["needed_bytes"] == sum(row["size_bytes"] for row in found["variants"])
    with pytest.raises(BadInput, match="--include is about what a sweep fetches"):
        dry(str(tmp_path), include=("*Q*",))


def test_what_is_here_is_read_here(real: Hub, steelyard: Callable[..., Said]) -> None:
    assert steelyard("models", "pull", f"{REPO}:F16,Q8_0").code == 0
    sent = dict(real.sent)
    found = dry(ALL)["fetch"]
    missing = {row["label"]: row["missing_bytes"] for row in found["variants"]}
    assert (missing["F16"], missing["Q8_0"], missing["Q2_K"] > 0) == (0, 0, True)
    assert {path for path, size in real.sent.items() if size > sent.get(path, 0)} == {
        f"/cdn/{sha256(real.repos[REPO].files[f'real-{quant}.gguf'])}"
        for quant in ("Q4_K_M", "Q2_K")
    }


def test_one_file_is_foreseen_as_far_as_it_can_be(real: Hub, cache: Path) -> None:
    found = dry(f"hf:{REPO}:F16", quants=("Q8_0",))
    assert list(found) == ["fetch"]
    assert found["fetch"]["needed_bytes"] == len(real.repos[REPO].files["real-F16.gguf"])
    with pytest.raises(BadInput, match="quants made from it lose twice"):
        dry(f"hf:{REPO}:Q8_0")
    with pytest.raises(UnknownName, match="no variant to keep"):
        dry(f"hf:{REPO}:F16", quants=("Q8_0",), keep=("Q8_0",))
    with pytest.raises(BadInput, match="Q8_9"):
        dry(f"hf:{REPO}:F16", quants=("Q8_9",))
    assert there(cache) == set()


@pytest.mark.parametrize(
    "run", [dry, lambda subject: sweeping.perform(SweepRequest(subject, yes=True), print)]
)
def test_what_the_disk_cannot_hold_is_refused_with_what_fits(
    real: Hub, cache: Path, run: Callable[[str], object]
) -> None:
    real.repos[REPO].claimed = {"real-F16.gguf": 9 * 10**15, "real-Q8_0.gguf": 8 * 10**15}
    with pytest.raises(TooLittleRoom, match=r"at once: F16 9000.0 TB, Q8_0 8000.0 TB") as caught:
        run(ALL)
    assert "together 17000.0 TB to fetch" in str(caught.value)
    assert f"these fit: `steelyard sweep hf:{REPO}:Q4_K_M,Q2_K`" in caught.value.hint
    each = f"`steelyard models each {REPO}:F16,Q8_0,Q4_K_M,Q2_K -- steelyard engines bench {{}}`"
    assert each in caught.value.hint
    assert there(cache) == set()


@pytest.mark.usefixtures("real")
def test_a_reserve_that_leaves_nothing_names_no_subset() -> None:
    with pytest.raises(TooLittleRoom, match=r"9000.0 TB of them kept back") as caught:
        dry(ALL, disk_reserve=9 * 10**15)
    assert "these fit" not in caught.value.hint


def test_what_no_sweep_takes_is_refused_before_it_is_fetched(
    real: Hub, cache: Path, tmp_path: Path
) -> None:
    weights = noise(50_000, 3)
    real.repos["org/tensors"] = Repo({"model.safetensors": weights, "config.json": b"{}"})
    real.repos["org/secret"] = Repo(real.repos[REPO].files, gated="manual", members={TOKEN})
    other = tiny.write(tmp_path / "other-Q8_0.gguf", tiny.Shape(context=4096, layers=3))
    mixed = {**real.repos[REPO].files, "other-Q8_0.gguf": other.read_bytes()}
    real.repos["org/mixed"] = Repo(mixed)
    real.repos["org/noise"] = Repo({"n-Q8_0.gguf": weights, "n-F16.gguf": weights + b"x"})
    for subject, cause in (
        ("hf:org/tensors", "a sweep takes GGUF files"),
        ("hf:org/secret:F16,Q8_0", "is gated, and no token was sent"),
        ("hf:org/mixed:F16,other-Q8_0", "is another model than"),
        ("hf:org/noise:F16,Q8_0", "is not a usable GGUF file"),
        (f"hf:{REPO}:F16,Q9_9", "there is no quant"),
        (f"hf:{REPO}", "none was chosen"),
    ):
        with pytest.raises(BadInput, match=cause):
            sweeping.perform(SweepRequest(subject), lambda _: None)
    assert not list(cache.glob("models--*/blobs/*"))


def test_a_gated_model_is_planned_for_who_is_let_in(
    real: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    real.repos["org/secret"] = Repo(real.repos[REPO].files, gated="manual", members={TOKEN})
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(BadInput, match="the account of your token has no access") as caught:
        dry("hf:org/secret:F16,Q8_0")
    assert "where a person decides, wait" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert len(dry("hf:org/secret:F16,Q8_0")["fetch"]["variants"]) == 2
    assert not any("authorization" in seen.headers for seen in real.seen if seen.server == "cdn")


def test_what_was_fetched_for_a_sweep_that_never_began_is_the_next_ones(
    real: Hub, cache: Path, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    assert steelyard("models", "pull", f"{REPO}:Q8_0,Q2_K").code == 0
    digest = {q: sha256(real.repos[REPO].files[f"real-{q}.gguf"]) for q in ("Q8_0", "Q2_K")}
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "request.json").write_text("{}")
    stored_notes.claims().add([digest["Q8_0"]], str(tmp_path / "never"))
    stored_notes.claims().add([digest["Q2_K"]], str(begun))
    paths = tuple(home(cache).glob("snapshots/*/*.gguf"))
    fetched.adopt(SweepFolder(tmp_path / "next"), paths)
    claims = stored_notes.claims().read()
    assert claims == {digest["Q8_0"]: str(tmp_path / "next"), digest["Q2_K"]: str(begun)}


@pytest.mark.usefixtures("real")
def test_what_is_to_be_kept_must_be_there_to_keep(made: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no variant to keep 'Q3_K_M'"):
        dry(ALL, keep=("Q3_K_M",))
    assert dry(ALL, keep=("q4-k-m",))["fetch"]
    (tmp_path / "real-F16.gguf").write_bytes(made["real-F16.gguf"])
    with pytest.raises(BadInput, match="comes from no hub"):
        dry(str(tmp_path / "real-F16.gguf"), keep_all=True)


def test_a_header_is_read_in_the_face_of_faults(real: Hub) -> None:
    for number, name in enumerate(real.repos[REPO].files):
        digest = sha256(real.repos[REPO].files[name])
        real.faults[f"/cdn/{digest}"] = [
            [Fault("reset", at=2_000), Fault("truncate", at=9_000)],
            [Fault("no_ranges")],
            [Fault("status", status=503)],
            [Fault("reset", at=0)],
        ][number]
    assert {cell["label"] for cell in dry(ALL)["cells"]} == {"F16", *QUANTS}


@pytest.mark.parametrize("fault", [None, Fault("no_ranges"), Fault("truncate", at=500)])
def test_no_more_of_a_file_is_asked_for_than_its_header_takes(
    real: Hub, tmp_path: Path, fault: Fault | None
) -> None:
    name = "real-F16.gguf"
    path = f"/cdn/{sha256(real.repos[REPO].files[name])}"
    remote = pulling.look(pulling.HubRequest(f"hf:{REPO}"))
    one = next(one for one in remote.offer(Globs()).variants if one.label == "F16")
    if fault is not None:
        real.faults[path] = [Fault("slow", seconds=0), fault]  # the second span meets it
    found = headers.facts(remote, one, tmp_path, Patience(first_s=0.01), span=1 << 16)
    (tmp_path / name).write_bytes(real.repos[REPO].files[name])
    assert found == artifacts.inspect(tmp_path / name)
    if fault is None:
        assert real.sent[path] < one.size_bytes / 2


@pytest.mark.full
def test_an_engine_holds_its_file_whoever_started_it(
    real: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    assert steelyard("models", "pull", f"{REPO}:F16,Q8_0").code == 0
    write_script(cache)
    path = home(cache) / "snapshots" / COMMIT / "real-Q8_0.gguf"
    words = ("bench", f"{path}@scripted", "--duration", "60s", "--out", str(cache / "bench"))
    bench = start(*words)
    lease = held.leases_of(path)[0]

    def refused() -> bool:
        assert bench.poll() is None, bench.communicate()
        with holding.unless_held(lease) as free:
            return not free

    try:
        until(refused, 60)
        said = steelyard("models", "remove", REPO, "--yes")
        assert (said.code, "is in use" in said.err) == (2, True)
    finally:
        bench.send_signal(signal.SIGINT)
        _, err = bench.communicate(timeout=20)
    assert steelyard("models", "remove", REPO, "--yes").code == 0, err
    assert real.sent


def test_a_resume_refuses_what_makes_no_sense_before_it_begins(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    folder.begin(sweep(), plan(sweep()))
    folder.write("request.json", {"subject": "bundled"})
    again = SweepRequest(resume=True, out=folder.root)
    for request, cause in (
        (replace(again, keep_all=True), "--keep-all is about what a sweep fetches"),
        (again, "does not say where F16, Q8_0, Q4_K_M, Q2_K lies"),
    ):
        with pytest.raises(BadInput, match=cause):
            sweeping.perform(request, lambda _: None)
    assert folder.events() == ()


@pytest.mark.usefixtures("real")
def test_notes_that_cannot_be_read_stop_a_fetch_before_it_begins(
    steelyard: Callable[..., Said], cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "claims.json").write_text("{")
    said = steelyard("models", "pull", f"{REPO}:Q8_0")
    assert (said.code, "nobody knows what sweeps have fetched" in said.err) == (2, True)
    assert not (home(cache) / "blobs").exists()


def test_a_pull_takes_a_file_out_of_a_sweeps_hands(
    real: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    assert steelyard("models", "pull", f"{REPO}:Q8_0").code == 0
    digest = sha256(real.repos[REPO].files["real-Q8_0.gguf"])
    stored_notes.claims().add([digest], "/somewhere/sweep")
    assert "everything was here" in steelyard("models", "pull", f"{REPO}:Q8_0").out
    assert stored_notes.claims().read() == {}
    assert there(cache) == {"Q8_0"}


@pytest.mark.full
@pytest.mark.alone
def test_a_sweep_fetches_once_and_leaves_what_is_recommended(
    real: Hub, cache: Path, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    """Q8_0 was here before, Q2_K is not recommended: of what was fetched only Q2_K goes."""
    assert steelyard("models", "pull", f"{REPO}:Q8_0").code == 0
    write_script(cache)
    out = tmp_path / "sweep"
    said = swept(f"{ALL}@scripted", *FAST, "--out", str(out))
    assert said.code == 0, said.err
    picks = json.loads((out / "sweep_summary.json").read_text())["recommendation"]
    recommended = {pick["label"] for pick in picks}
    assert "Q2_K" not in recommended
    assert there(cache) == {"F16", "Q8_0", *recommended}
    gone = set(QUANTS) - recommended - {"Q8_0"}
    assert gone
    assert all(f"{label} (" in said.err.partition("removed again")[2] for label in gone)
    assert "F16 (the reference)" in said.err
    assert stored_notes.claims().read() == {}
    once = sum(len(data) for data in real.repos[REPO].files.values())
    whole = [one for one in real.seen if one.server == "cdn" and "range" not in one.headers]
    assert len(whole) == 4  # a header is asked for by a range, a file is not
    assert sum(real.sent.values()) <= 2 * once


@pytest.mark.full
@pytest.mark.alone
def test_an_interrupted_sweep_keeps_everything_and_fetches_again_what_is_gone(
    real: Hub, cache: Path, tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    write_script(cache)
    out = tmp_path / "sweep"
    words = ["sweep", f"{ALL}@scripted", *FAST, "--out", str(out)]
    running = subprocess.Popen(
        [*COMMAND, *words], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    journal = out / "journal.jsonl"
    until(lambda: journal.exists() and journal.read_text().count("cell_finished") > 0, 60)
    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, "--resume" in err) == (130, True), err
    assert there(cache) == {"F16", *QUANTS}
    assert steelyard("models", "remove", f"{REPO}:Q2_K,Q8_0", "--yes").code == 0
    assert there(cache) == {"F16", "Q4_K_M"}
    sent = dict(real.sent)
    again = ("sweep", "--resume", "--include-polluted", "--out", str(out))
    said = swept(*again, "--keep", "Q2_K")
    assert said.code == 0, said.err
    assert "needed again and gone meanwhile" in said.err
    fetched_again = {path for path, size in real.sent.items() if size > sent.get(path, 0)}
    wanted = {sha256(real.repos[REPO].files[f"real-{q}.gguf"]) for q in ("Q2_K", "Q8_0")}
    assert fetched_again == {f"/cdn/{digest}" for digest in wanted}
    assert "Q2_K" in there(cache)
    # It has ended: another resume needs no file and fetches none.
    sent = dict(real.sent)
    assert swept(*again).code == 0
    assert dict(real.sent) == sent


@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_it_fetches_begins_no_sweep_and_keeps_what_came(
    real: Hub, cache: Path, tmp_path: Path, how: signal.Signals
) -> None:
    data = real.repos[REPO].files["real-F16.gguf"]
    path = f"/cdn/{sha256(data)}"
    real.faults[path] = [Fault("no_ranges"), Fault("held", at=150_000)]  # its header, then all
    out = tmp_path / "sweep"
    running = start("sweep", f"{ALL}@scripted", *FAST, "--out", str(out))
    part = home(cache) / "blobs" / f"{sha256(data)}.incomplete"
    until(lambda: part.exists() and part.stat().st_size > 100_000, 60)
    running.send_signal(how)
    _, err = running.communicate(timeout=20)
    assert running.returncode == 130, err
    assert "are kept; the same command goes on from there" in err
    assert "Traceback" not in err
    assert not out.exists()
    assert part.stat().st_size > 100_000


@pytest.mark.full
@pytest.mark.alone
def test_a_pull_beside_a_sweep_fetches_nothing_twice_and_keeps_its_file(
    real: Hub, cache: Path, tmp_path: Path
) -> None:
    write_script(cache)
    digest = sha256(real.repos[REPO].files["real-Q2_K.gguf"])
    real.faults[f"/cdn/{digest}"] = [Fault("no_ranges"), Fault("held", at=CHUNK)]  # its header
    out = tmp_path / "sweep"
    running = start("sweep", f"{ALL}@scripted", *FAST, "--out", str(out))
    part = home(cache) / "blobs" / f"{digest}.incomplete"
    until(part.exists, 60)
    pull = start("models", "pull", f"{REPO}:Q2_K")
    hear(pull, "another process fetches")
    real.go.set()
    _, said = pull.communicate(timeout=60)
    assert pull.returncode == 0, said
    _, err = running.communicate(timeout=240)
    assert running.returncode == 0, err
    assert "Q2_K" in there(cache)
    assert len([o for o in real.asked(f"/cdn/{digest}") if "range" not in o.headers]) == 1


def swept(*words: str) -> Said:
    """Run a whole sweep."""
    ran = door.steelyard(Path.cwd(), *(words if words[0] == "sweep" else ("sweep", *words)))
    return Said(ran.returncode, ran.stdout, ran.stderr)


def test_files_outside_the_cache_have_no_lease(tmp_path: Path) -> None:
    path = tmp_path / "m-Q8_0.gguf"
    path.write_bytes(b"x")
    assert held.leases_of(path) == ()
    with fetched.in_use((path,)):
        assert sorted(tmp_path.iterdir()) == [path]
