"""The short form of `python -m tests.crash.till_kills`."""

from pathlib import Path

from tests.crash import till_kills


def test_a_till_killed_at_random_loses_and_doubles_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    ended = till_kills.run(tmp_path, kills=3, seed=5)
    assert ended.acknowledged > 0
    assert ended.good, ended
