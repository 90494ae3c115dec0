"""The hub's own client as the oracle: it accepts our fake hub, and finds what we have pulled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from tests.hub.conftest import Q4, Q8, REPO, TOKEN, Said
from tests.hub.fake_hub import COMMIT, Hub, sha256
from tests.hub.test_pulls import hear, start

hf = pytest.importorskip("huggingface_hub")
from huggingface_hub import errors  # noqa: E402
from huggingface_hub.utils._fixes import WeakFileLock  # noqa: E402


def test_the_fake_hub_is_one_for_the_hubs_own_client(hub: Hub, tmp_path: Path) -> None:
    api = hf.HfApi(endpoint=hub.origin, token=False)
    info = api.model_info(REPO, files_metadata=True)
    assert info.sha == COMMIT
    sizes = {one.rfilename: one.size for one in info.siblings}
    assert sizes == {name: len(data) for name, data in hub.repos[REPO].files.items()}
    path = api.hf_hub_download(REPO, Q8, cache_dir=tmp_path / "theirs")
    assert Path(path).read_bytes() == hub.repos[REPO].files[Q8]
    for repo, token, kind in (
        ("org/gated", False, errors.GatedRepoError),
        ("org/gated", "hf_other", errors.GatedRepoError),
        ("org/nope", False, errors.RepositoryNotFoundError),
    ):
        with pytest.raises(kind):
            hf.HfApi(endpoint=hub.origin, token=token).auth_check(repo)
    hf.HfApi(endpoint=hub.origin, token=TOKEN).auth_check("org/gated")
    with pytest.raises(errors.RevisionNotFoundError):
        api.model_info(REPO, revision="v9")


def test_the_hubs_own_client_finds_what_we_have_pulled(
    hub: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    assert steelyard("models", "pull", f"{REPO}:Q8_0,BF16").code == 0
    assert Path(str(hf.try_to_load_from_cache(REPO, Q8, cache_dir=cache))).is_file()
    assert hf.try_to_load_from_cache(REPO, Q4, cache_dir=cache) is None
    (repo,) = hf.scan_cache_dir(cache).repos
    assert (repo.repo_id, repo.size_on_disk) == (REPO, 800_000)
    (revision,) = repo.revisions
    assert (revision.commit_hash, revision.refs) == (COMMIT, frozenset({"main"}))
    assert not hf.scan_cache_dir(cache).warnings
    sent = sum(hub.sent.values())
    hf.hf_hub_download(REPO, Q8, cache_dir=cache, endpoint=hub.origin, token=False)
    assert sum(hub.sent.values()) == sent


def test_we_find_what_the_hubs_own_client_has_fetched(
    hub: Hub, cache: Path, steelyard: Callable[..., Said]
) -> None:
    hf.hf_hub_download(REPO, Q8, cache_dir=cache, endpoint=hub.origin, token=False)
    assert "everything was here already" in steelyard("models", "pull", f"{REPO}:Q8_0").out


def test_our_pull_waits_for_the_lock_of_the_hubs_own_client(hub: Hub, cache: Path) -> None:
    digest = sha256(hub.repos[REPO].files[Q8])
    lock = cache / ".locks" / "models--org--tiny-GGUF" / f"{digest}.lock"
    lock.parent.mkdir(parents=True)
    with WeakFileLock(lock):
        pull = start("models", "pull", f"{REPO}:Q8_0")
        hear(pull, "another process fetches")
        with pytest.raises(TimeoutExpired):
            pull.wait(1.0)
        assert hub.sent == {}
    _, said = pull.communicate(timeout=20)
    assert pull.returncode == 0, said
