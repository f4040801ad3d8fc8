"""A journalist downloads one file and one transcript, and checks the draw with the Python of her machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lottery import verify_draw
from lottery.entries import Status
from tests.lottery.drawing import draw, easy_rules, entries_of, proof

ENTRIES = entries_of([Status.ELIGIBLE] * 40 + [Status.VOID] * 3 + [Status.OVER_CAP] * 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing but the verifier, the transcript and one consumer's proof."""
    leaves, commitment, outcome = draw(ENTRIES, easy_rules(1, 1))
    shutil.copy(Path(verify_draw.__file__), tmp_path / "verify_draw.py")
    (tmp_path / "transcript.json").write_bytes(outcome.transcript)
    winner = leaves.claims[outcome.prizes[0].position]
    (tmp_path / "proof.json").write_bytes(proof(leaves, commitment, ENTRIES[winner - 1]))
    (tmp_path / "void.json").write_bytes(proof(leaves, commitment, ENTRIES[41]))
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the copy with a bare interpreter: no site packages, no environment, nothing of the project on the path."""
    command = [sys.executable, "-I", "-S", "verify_draw.py", *arguments]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)


class TestVerifyDrawAlone:
    def test_holds_for_an_honest_draw_and_numbers_its_steps(self, folder: Path) -> None:
        done = run(folder, "transcript.json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert [f"({number})" in done.stdout for number in range(1, 14)] == [True] * 13
        assert "BLS signature: NOT CHECKED" in done.stdout
        assert "REHEARSAL" in done.stdout

    def test_proves_my_receipt_and_what_it_won(self, folder: Path) -> None:
        done = run(folder, "transcript.json", "proof.json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "it takes part" in done.stdout
        assert "it won" in done.stdout
        assert "MNT" in done.stdout.splitlines()[-1]

    def test_says_why_my_receipt_took_no_part(self, folder: Path) -> None:
        done = run(folder, "void.json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "excluded: void" in done.stdout

    @pytest.mark.parametrize("name", ["transcript.json", "proof.json"])
    def test_fails_on_a_changed_digit_in_every_part(self, folder: Path, name: str) -> None:
        content = (folder / name).read_text()
        places = [at for at, character in enumerate(content) if character.isdigit()]
        for at in places[:: len(places) // 12]:
            changed = f"{content[:at]}{(int(content[at]) + 1) % 10}{content[at + 1 :]}"
            (folder / name).write_text(changed)
            done = run(folder, name)
            assert done.returncode == 1, changed
            assert "BROKEN" in done.stdout

    @pytest.mark.parametrize("arguments", [(), ("absent.json",), ("proof.json", "void.json"), (".",)])
    def test_says_how_it_is_used(self, folder: Path, arguments: tuple[str, ...]) -> None:
        done = run(folder, *arguments)
        assert done.returncode == 2
        assert done.stderr
        assert not done.stdout
