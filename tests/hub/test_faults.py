"""Every way in which a download goes wrong: it survives, or it says what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from tests import ports
from tests.hub.conftest import Q4, REPO, TOKEN, Said
from tests.hub.fake_hub import Fault, Hub, sha256

from steelyard.domain.errors import BadInput, HubRefused, SteelyardError, TransferFailed
from steelyard.domain.secret import Secret
from steelyard.models.hub import huggingface, remedies, transfer
from steelyard.models.hub.listing import RemoteFile
from steelyard.models.hub.patience import Patience
from steelyard.models.hub.remedies import Trouble
from steelyard.models.hub.transfer import Errand, Tally
from steelyard.models.hub.wire import Login

QUICK = Patience(retries=3, first_s=0.01)


def content(hub: Hub) -> bytes:
    return hub.repos[REPO].files[Q4]


def cdn_path(hub: Hub) -> str:
    return f"/cdn/{sha256(content(hub))}"


def fetch(hub: Hub, folder: Path, stall_s: float = 5.0, patience: Patience = QUICK) -> Tally:
    """Fetch the one file as a pull does, to `folder/whole` by way of `folder/part`."""
    data, tally = content(hub), Tally()
    file = RemoteFile(Q4, len(data), sha256(data))
    url = f"{hub.origin}/{REPO}/resolve/main/{Q4}"
    errand = Errand(file, url, Login(hub.origin, Secret(TOKEN), stall_s), patience)
    transfer.fetch(errand, folder / "part", folder / "whole", tally, Event())
    assert (folder / "whole").read_bytes() == data
    assert not (folder / "part").exists()
    return tally


@pytest.mark.parametrize("kind", ["reset", "truncate", "stall"])
def test_a_body_that_breaks_off_is_gone_on_with(hub: Hub, tmp_path: Path, kind: str) -> None:
    hub.faults[cdn_path(hub)] = [Fault(kind, at=100_000), Fault(kind, at=50_000)]  # type: ignore[arg-type]
    tally = fetch(hub, tmp_path, stall_s=1.5 if kind == "stall" else 5.0)
    assert tally.retries == 2
    # What had arrived was not sent again.
    assert hub.sent[cdn_path(hub)] == len(content(hub))
    ranges = [seen.headers.get("range") for seen in hub.asked(cdn_path(hub))]
    assert ranges == [None, "bytes=100000-299999", "bytes=150000-299999"]


def test_slow_is_not_stalled(hub: Hub, tmp_path: Path) -> None:
    hub.faults[cdn_path(hub)] = [Fault("slow", seconds=0.15)]  # nineteen times
    started = time.monotonic()
    tally = fetch(hub, tmp_path, stall_s=2.0)
    assert time.monotonic() - started > 2.0
    assert tally.retries == 0


def test_wrong_bytes_are_fetched_anew_once(hub: Hub, tmp_path: Path) -> None:
    hub.faults[cdn_path(hub)] = [Fault("wrong", at=1000)]
    fetch(hub, tmp_path)
    assert hub.sent[cdn_path(hub)] == 2 * len(content(hub))


def test_wrong_bytes_twice_are_an_answer_and_nothing_stays(hub: Hub, tmp_path: Path) -> None:
    hub.faults[cdn_path(hub)] = [Fault("wrong", at=1000)] * 2
    with pytest.raises(Trouble) as caught:
        fetch(hub, tmp_path)
    assert caught.value.problem == "wrong_bytes"
    assert list(tmp_path.glob("whole")) + list(tmp_path.glob("part")) == []


def test_a_damaged_part_cannot_become_a_whole(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"\0" * 70_000)
    tally = fetch(hub, tmp_path)
    assert tally.fetched_bytes == len(content(hub)) - 70_000 + len(content(hub))


def test_a_part_that_is_too_long_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(content(hub) + b"more")
    assert fetch(hub, tmp_path).fetched_bytes == len(content(hub))


def test_a_server_without_ranges_starts_from_the_beginning(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(content(hub)[:70_000])
    hub.faults[cdn_path(hub)] = [Fault("no_ranges")]
    assert fetch(hub, tmp_path).fetched_bytes == len(content(hub))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_a_server_error_passes(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.faults[cdn_path(hub)] = [Fault("status", status=status)] * 2
    assert fetch(hub, tmp_path).retries == 2


def test_an_expired_address_on_the_cdn_is_asked_for_again(hub: Hub, tmp_path: Path) -> None:
    hub.faults[cdn_path(hub)] = [Fault("status", status=403)]
    fetch(hub, tmp_path)
    assert len(hub.asked(f"/{REPO}/resolve/main/{Q4}")) == 2


def test_a_rate_limit_is_waited_out_as_long_as_the_hub_says(hub: Hub, tmp_path: Path) -> None:
    hub.faults[f"/{REPO}/resolve/main/{Q4}"] = [
        Fault("status", status=429, headers=(("Retry-After", "1"),))
    ]
    started = time.monotonic()
    fetch(hub, tmp_path)
    assert time.monotonic() - started >= 1.0


def test_a_rate_limit_of_hours_ends_at_once_and_says_so(hub: Hub, tmp_path: Path) -> None:
    hub.faults[f"/{REPO}/resolve/main/{Q4}"] = [
        Fault("status", status=429, headers=(("RateLimit", '"api";r=0;t=7200'),))
    ]
    with pytest.raises(Trouble) as caught:
        fetch(hub, tmp_path)
    said = remedies.error(caught.value, remedies.Asked(REPO, hub.origin, with_token=False))
    assert isinstance(said, TransferFailed)
    assert "wait 7200 s" in said.hint


def test_a_hub_that_stays_broken_ends_with_what_is_kept(hub: Hub, tmp_path: Path) -> None:
    hub.faults[cdn_path(hub)] = [Fault("reset", at=100_000)] + [Fault("status", status=503)] * 9
    with pytest.raises(Trouble) as caught:
        fetch(hub, tmp_path)
    assert caught.value.problem == "server"
    assert (tmp_path / "part").read_bytes() == content(hub)[:100_000]
    assert not (tmp_path / "whole").exists()


def test_a_full_disk_is_no_network_trouble(hub: Hub, tmp_path: Path) -> None:
    data = content(hub)
    file = RemoteFile(Q4, len(data), sha256(data))
    errand = Errand(file, f"{hub.origin}/{REPO}/resolve/main/{Q4}", Login(hub.origin), QUICK)
    with pytest.raises(Trouble) as caught:
        transfer.fetch(errand, Path("/dev/full"), tmp_path / "whole", Tally(), Event())
    assert caught.value.problem == "disk"
    assert len(hub.asked(cdn_path(hub))) == 1


def test_the_token_goes_to_the_hub_and_to_nobody_else(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    shown = {(seen.server, "authorization" in seen.headers) for seen in hub.seen}
    assert shown == {("hub", True), ("cdn", False)}


REFUSALS = [
    ("org/nope:Q4_0", {}, 2, "knows no org/nope", "check the spelling"),
    ("org/private:Q4_K_M", {}, 2, "knows no org/private", "set HF_TOKEN"),
    ("org/gated", {}, 2, "is gated, and no token was sent", "accept its licence at"),
    ("org/gated", {"HF_TOKEN": "hf_other"}, 2, "has no access", "wait for the answer"),
    ("org/gated", {"HF_TOKEN": "hf_wrong"}, 2, "does not accept the token", "make a new one"),
    ("org/gated", {"HF_TOKEN": "two words"}, 2, "is no token", "copy it again"),
    (REPO, {}, 2, "none was chosen", "name them"),
    (f"{REPO}:Q3_K_M", {}, 2, "there is no quant", "did you mean"),
    (f"{REPO}:", {}, 2, "none was chosen", "name them"),
    ("a/b/c", {}, 2, "no name of a repository", "ORG/NAME"),
    ("ollama:nope", {"HF_HUB_OFFLINE": "1"}, 3, "cannot be reached", "check the network"),
    (f"{REPO}:Q4_K_M", {"HF_HUB_OFFLINE": "1"}, 2, "HF_HUB_OFFLINE", "unset it"),
    (f"{REPO}:Q4_K_M", {"HF_ENDPOINT": "nonsense"}, 2, "HF_ENDPOINT is no address", "https"),
]


@pytest.mark.parametrize(("subject", "env", "code", "cause", "way_out"), REFUSALS)
def test_a_refusal_names_the_cause_and_the_way_out(
    steelyard: Callable[..., Said],
    tmp_path: Path,
    subject: str,
    env: dict[str, str],
    code: int,
    cause: str,
    way_out: str,
) -> None:
    if subject.startswith("ollama:"):
        subject = f"ollama:http://127.0.0.1:{ports.free()}/library/nope"  # nobody listens there
    said = steelyard("models", "pull", subject, "--retries", "0", "--out", tmp_path / "out", **env)
    assert (said.code, said.out) == (code, "")
    assert cause in said.err
    assert way_out in said.err
    assert "Traceback" not in said.err
    assert not any(secret in said.err for secret in env.values() if secret.startswith("hf_"))
    assert not (tmp_path / "out").exists()


def test_a_revision_that_does_not_exist_is_said(hub: Hub) -> None:
    with pytest.raises(HubRefused, match="no revision 'v9'") as caught:
        huggingface.look(REPO, "v9", Login(hub.origin), QUICK)
    assert "--revision" in caught.value.hint


@pytest.mark.parametrize("revision", ["../../main", "/main", "a b", ".hidden"])
def test_a_revision_that_could_be_another_path_is_refused(hub: Hub, revision: str) -> None:
    with pytest.raises(BadInput, match="is no revision"):
        huggingface.look(REPO, revision, Login(hub.origin), QUICK)
    assert hub.seen == []


def test_a_file_that_vanishes_between_listing_and_download_is_said(
    hub: Hub, tmp_path: Path
) -> None:
    file = RemoteFile("gone.gguf", 10, "ab" * 32)
    errand = Errand(file, f"{hub.origin}/{REPO}/resolve/main/gone.gguf", Login(hub.origin), QUICK)
    with pytest.raises(Trouble) as caught:
        transfer.fetch(errand, tmp_path / "part", tmp_path / "whole", Tally(), Event())
    assert caught.value.problem == "no_file"


def test_a_page_in_the_place_of_a_hub_is_seen(hub: Hub) -> None:
    hub.faults[f"/api/models/{REPO}/revision/main"] = [Fault("garbage")]
    with pytest.raises(TransferFailed, match="not as a hub does") as caught:
        huggingface.look(REPO, None, Login(hub.origin), QUICK)
    assert "HF_ENDPOINT" in caught.value.hint


def test_a_listing_survives_a_busy_hub(hub: Hub) -> None:
    hub.faults[f"/api/models/{REPO}/revision/main"] = [Fault("status", status=503)] * 3
    assert huggingface.look(REPO, None, Login(hub.origin), QUICK).commit


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "a/../../b.gguf", "a\\b.gguf", "", "a\nb.gguf"]
)
def test_a_path_that_leaves_the_folder_is_refused(hub: Hub, path: str) -> None:
    hub.repos[REPO].listed = [{"rfilename": path, "size": 1, "blobId": "ab" * 20}]
    with pytest.raises(TransferFailed, match="has the path"):
        huggingface.look(REPO, None, Login(hub.origin), QUICK)


def test_words_of_the_hub_that_repeat_the_token_are_covered(hub: Hub) -> None:
    hub.faults[f"/api/models/{REPO}/revision/main"] = [
        Fault("status", status=400, headers=(("X-Error-Message", f"odd token {TOKEN}"),))
    ]
    with pytest.raises(SteelyardError) as caught:
        huggingface.look(REPO, None, Login(hub.origin, Secret(TOKEN)), QUICK)
    assert "odd token ***" in str(caught.value)
    assert TOKEN not in str(caught.value) + caught.value.hint + repr(caught.value)


def test_the_token_comes_from_the_variable_or_the_hubs_own_login(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_file\n")
    home = {"HF_HOME": str(tmp_path)}
    assert huggingface.login(home, 1.0).token == Secret("hf_file")
    assert huggingface.login({**home, "HF_TOKEN": "hf_env"}, 1.0).token == Secret("hf_env")
    off = {**home, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    assert huggingface.login(off, 1.0).token is None
    assert "hf_" not in repr(huggingface.login(home, 1.0))


def test_a_token_that_could_be_read_on_its_way_is_not_sent() -> None:
    env = {"HF_TOKEN": "hf_x", "HF_HOME": "/nowhere"}
    assert huggingface.login({**env, "HF_ENDPOINT": "http://mirror.example"}, 1.0).token is None
    assert huggingface.login({**env, "HF_ENDPOINT": "https://mirror.example"}, 1.0).token


def test_an_address_with_a_login_in_it_is_refused() -> None:
    with pytest.raises(BadInput, match="no address of a hub") as caught:
        huggingface.login({"HF_ENDPOINT": "https://me:secret@mirror.example"}, 1.0)
    assert "secret" not in str(caught.value) + caught.value.hint
