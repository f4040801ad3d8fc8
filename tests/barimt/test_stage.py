"""The demo's data directory: closed to others with what it lies in, and made anew without losing the last one."""

from pathlib import Path

from barimt.demo.stage import make_stage


def test_what_it_lies_in_is_closed_to_others(tmp_path: Path) -> None:
    make_stage(tmp_path / ".barimt" / "demo")
    assert (tmp_path / ".barimt").stat().st_mode & 0o007 == 0
    assert (tmp_path / ".barimt" / "demo").stat().st_mode & 0o077 == 0


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    make_stage(tmp_path / "shared" / "demo")
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755


def test_the_last_one_is_moved_aside(tmp_path: Path) -> None:
    first = make_stage(tmp_path / "demo")
    (first.out / "summary.json").write_text("{}")
    second = make_stage(tmp_path / "demo")
    assert not list(second.out.iterdir())
    (aside,) = tmp_path.glob("demo-*")
    assert (aside / "out" / "summary.json").read_text() == "{}"
