"""The chain's times and hash, and what is a round of it."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import sha256
from kernel.refusal import Refusal
from lottery.beacon import (
    QUICKNET,
    RECORDED,
    Chain,
    Round,
    WrongRandomness,
    WrongRound,
    WrongSignature,
    check_round,
    is_signed,
)

GENESIS = datetime.fromtimestamp(QUICKNET.genesis_s, UTC)
INFINITY = bytes([0xC0]) + bytes(47)

SHIFTED = bytes.fromhex(
    "94385d48ab9d338824a523ff7d310fbeeac0184598d56b49f27857bcd3ef91f6ead1c7ef99c9beee47784ebba5c635de"
)
"""The recorded signature plus r times the curve's point with x = 4: on the curve, outside the subgroup of order r."""


def signed_by(signature: bytes) -> Round:
    return Round(RECORDED.number, sha256(signature), signature)


class TestChain:
    def test_has_the_hash_under_which_the_world_knows_it(self) -> None:
        assert QUICKNET.hash.hex() == "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"

    def test_is_the_chain_of_the_recorded_answers(self, shared_data: Path) -> None:
        recorded = json.loads((shared_data / "crypto" / "drand" / "chain_info.json").read_text())["quicknet"]
        assert recorded["hash"] == QUICKNET.hash.hex()
        assert recorded["public_key"] == QUICKNET.public_key.hex()

    def test_publishes_the_first_round_at_genesis(self) -> None:
        assert QUICKNET.time_of(1) == GENESIS
        assert QUICKNET.round_at(GENESIS) == 1
        assert QUICKNET.round_at(GENESIS - timedelta(days=2000)) == 1

    def test_published_the_recorded_round_in_2023(self) -> None:
        assert QUICKNET.time_of(RECORDED.number) == datetime(2023, 8, 23, 15, 59, 24, tzinfo=UTC)

    @given(st.integers(0, 10**12))
    def test_names_the_first_round_at_or_after_an_instant(self, microseconds: int) -> None:
        instant = GENESIS + timedelta(microseconds=microseconds)
        number = QUICKNET.round_at(instant)
        assert QUICKNET.time_of(number) >= instant
        assert number == 1 or QUICKNET.time_of(number - 1) < instant


class TestCheckRound:
    def test_accepts_the_recorded_round(self) -> None:
        check_round(QUICKNET, 1000, RECORDED)

    @pytest.mark.parametrize(
        ("answer", "refusal"),
        [
            (replace(RECORDED, number=1001), WrongRound),
            (replace(RECORDED, number=999, randomness=bytes(32)), WrongRound),
            (replace(RECORDED, randomness=bytes(32)), WrongRandomness),
            (replace(RECORDED, signature=bytes(48)), WrongRandomness),
            (signed_by(bytes(48)), WrongSignature),
            (signed_by(RECORDED.signature[:-1] + b"\x38"), WrongSignature),
            (signed_by(b""), WrongSignature),
            (signed_by(RECORDED.signature + b"\x00"), WrongSignature),
            (signed_by(INFINITY), WrongSignature),
        ],
    )
    def test_refuses(self, answer: Round, refusal: type[Refusal]) -> None:
        with pytest.raises(refusal):
            check_round(QUICKNET, 1000, answer)

    def test_refuses_the_signature_of_another_round(self) -> None:
        assert not is_signed(QUICKNET, 1001, RECORDED.signature)

    def test_refuses_the_negative_of_the_signature(self) -> None:
        """The same point mirrored: the other value of the sign bit."""
        assert not is_signed(QUICKNET, 1000, bytes([RECORDED.signature[0] ^ 0x20]) + RECORDED.signature[1:])

    def test_refuses_a_second_signature_outside_the_subgroup(self) -> None:
        """The pairing does not see a point of small order that is added; another signature would be other randomness,
        and who could choose among many could choose the winners.
        """
        assert not is_signed(QUICKNET, 1000, SHIFTED)

    def test_refuses_another_chains_key(self) -> None:
        generator = (
            "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
            "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        )
        other = Chain(bytes.fromhex(generator), 3, QUICKNET.genesis_s, QUICKNET.group_hash, "other")
        assert not is_signed(other, 1000, RECORDED.signature)


def test_checking_a_signature_leaves_the_recursion_limit_alone() -> None:
    """py_ecc raises it to 100,000, at which hostile JSON overflows the C stack of the process."""
    code = (
        "import sys; before = sys.getrecursionlimit()\n"
        "from lottery.beacon import QUICKNET, RECORDED, check_round; check_round(QUICKNET, 1000, RECORDED)\n"
        "assert sys.getrecursionlimit() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
