"""The formats of the draw stand still: what was published can be checked for ever."""

import json

import pytest

from lottery.verify_draw import Verdict, verify, verify_together
from tests.lottery.draw_vectors import FOLDER, vectors


class TestVectors:
    def test_are_what_is_made_today(self) -> None:
        assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == vectors()

    @pytest.mark.parametrize("name", ["transcript.json", "proof_eligible.json", "proof_void.json"])
    def test_hold(self, name: str) -> None:
        assert verify((FOLDER / name).read_bytes())[-1].verdict is Verdict.HOLDS

    def test_agree_on_what_was_won(self) -> None:
        step = verify_together((FOLDER / "transcript.json").read_bytes(), (FOLDER / "proof_eligible.json").read_bytes())
        assert "MNT" in step.detail

    def test_hold_a_number_whose_first_attempt_is_refused(self) -> None:
        numbers = json.loads((FOLDER / "values.json").read_text())["numbers"]
        assert any(found["first_attempt_main"] >= 42 * 10**8 for found in numbers)
