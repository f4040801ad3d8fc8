"""The data directory is closed to others, and what we did not make stays as it was."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.data_dir import DataDir, DataDirUnusable
from runtime.private_files import open_private, write_private


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestMake:
    def test_makes_a_directory_that_others_cannot_read(self, tmp_path: Path) -> None:
        assert mode_of(DataDir.make(tmp_path / "a" / "b").root) & 0o067 == 0

    @pytest.mark.parametrize("mode", [0o700, 0o755, 0o777])
    def test_leaves_a_directory_that_was_there_as_it_was(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine").chmod(mode)
        DataDir.make(tmp_path / "mine")
        assert mode_of(tmp_path / "mine") == mode

    def test_answers_an_absolute_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert DataDir.make(Path("here")).root == tmp_path / "here"

    def test_says_what_is_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(DataDirUnusable, match="file"):
            DataDir.make(tmp_path / "file")
        with pytest.raises(DataDirUnusable, match="file/below"):
            DataDir.make(tmp_path / "file" / "below")


class TestFolders:
    def test_are_closed(self, tmp_path: Path) -> None:
        made = DataDir.make(tmp_path / "data")
        assert {mode_of(folder) for folder in (made.keys, made.lake, made.out)} == {0o700}


class TestPasswords:
    def test_are_kept(self, tmp_path: Path) -> None:
        made = DataDir.make(tmp_path)
        first = made.passwords(["a", "b"])
        assert first["a"] != first["b"]
        assert DataDir.make(tmp_path).passwords(["b", "a"]) == first
        assert mode_of(tmp_path / "roles.json") == 0o600

    def test_of_a_later_role_join_the_earlier_ones(self, tmp_path: Path) -> None:
        made = DataDir.make(tmp_path)
        first = made.passwords(["a"])
        assert made.passwords(["a", "b"])["a"] == first["a"]

    def test_are_the_same_for_all_who_ask_at_once(self, tmp_path: Path) -> None:
        made = DataDir.make(tmp_path)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: made.passwords(["a", "b"]), range(64)))
        assert answers == answers[:1] * 64

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}'])
    def test_in_a_damaged_file_are_not_guessed(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "roles.json").write_text(content)
        with pytest.raises(DataDirUnusable, match=r"roles\.json"):
            DataDir.make(tmp_path).passwords(["a"])


class TestWritePrivate:
    def test_replaces_whole_or_not_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        write_private(path, b"one", replace=False)
        write_private(path, b"two", replace=False)
        assert path.read_bytes() == b"one"
        write_private(path, b"three", replace=True)
        assert path.read_bytes() == b"three"
        assert mode_of(path) == 0o600
        assert list(tmp_path.iterdir()) == [path]


class TestOpenPrivate:
    def test_makes_a_file_that_others_cannot_read(self, tmp_path: Path) -> None:
        os.close(open_private(tmp_path / "lock", os.O_RDWR))
        assert mode_of(tmp_path / "lock") == 0o600

    @pytest.mark.parametrize("there", [True, False])
    def test_follows_no_link(self, tmp_path: Path, there: bool) -> None:  # noqa: FBT001 - a case of the test
        if there:
            (tmp_path / "target").write_text("")
        (tmp_path / "lock").symlink_to(tmp_path / "target")
        with pytest.raises(OSError, match="symbolic links"):
            open_private(tmp_path / "lock", os.O_RDWR)
        assert (tmp_path / "target").exists() == there
