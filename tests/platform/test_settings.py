"""Settings: where data lies, and a clear word on every key that does not exist."""

import os
from pathlib import Path

import pytest

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.platform import settings


def written(home: Path, text: str) -> settings.Settings:
    (home / settings.FILE_NAME).write_text(text)
    return settings.load({settings.HOME_VARIABLE: str(home)})


def test_the_variable_says_where_everything_lies(tmp_path: Path) -> None:
    found = settings.load({settings.HOME_VARIABLE: str(tmp_path)})
    assert found.ratings == {}
    for path in (found.database, found.calibration, found.forge):
        assert path.parent == tmp_path


def test_without_the_variable_the_users_own_folder_is_taken() -> None:
    assert settings.load({}).home.name == "steelyard"


def test_the_process_environment_is_what_counts_by_default() -> None:
    wanted = os.environ.get(settings.HOME_VARIABLE)
    assert settings.load().home == settings.load({settings.HOME_VARIABLE: wanted or ""}).home


def test_ratings_are_read_as_four_limits(tmp_path: Path) -> None:
    found = written(tmp_path, "[ratings]\nttft_s = [1, 2, 4.5, 8]\n")
    assert found.ratings == {"ttft_s": (1.0, 2.0, 4.5, 8.0)}


def test_an_unknown_table_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="'rating'") as caught:
        written(tmp_path, "[rating]\n")
    assert "did you mean 'ratings'" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ratings]\nttft_s = [1, 2, 3]\n", "not four numbers"),
        ("[ratings]\nttft_s = 3\n", "not four numbers"),
        ("[ratings]\nttft_s = [1, 2, 'x', 4]\n", "not four numbers"),
        ("[ratings]\nttft_s = [1, 2, true, 4]\n", "not four numbers"),
        ("[ratings]\nttft_s = [1, 5, 3, 4]\n", "up and down"),
        ("ratings = 3\n", "not a table"),
        ("[ratings\n", "cannot be read"),
    ],
)
def test_a_bad_file_is_refused_and_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        written(tmp_path, text)
    assert settings.FILE_NAME in str(caught.value)
    assert caught.value.hint


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / settings.FILE_NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read"):
        settings.load({settings.HOME_VARIABLE: str(tmp_path)})
