"""The public randomness: drand's chain `quicknet`, of which anybody can compute the rounds' times and check the rounds.

Round r is published at genesis + (r - 1) x period. Its signature is a BLS signature (`lottery.bls`) of SHA-256(r as a
big-endian u64), scheme `bls-unchained-g1-rfc9380`; its randomness is SHA-256(signature). The chain's hash is
SHA-256(period u32 ‖ genesis i64 ‖ public key ‖ group hash ‖ beacon id). Nobody can bias a round; fewer than the
threshold of its operators can only halt it. Source: drand's specification and the chain's information as served at
https://api.drand.sh/v2/beacons/quicknet/info.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from kernel.refusal import Refusal
from lottery import bls


class Mode(StrEnum):
    """What a draw's randomness is worth."""

    LIVE = "live"
    """A round that did not exist when the commitment was made: nobody could have chosen the winners."""
    REHEARSAL = "rehearsal"
    """A recorded round that everybody knew before: the draw shows the arithmetic and proves nothing else."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What identifies a drand chain. `public_key` is a compressed point of G2, `genesis_s` seconds since 1970."""

    public_key: bytes
    period_s: int
    genesis_s: int
    group_hash: bytes
    beacon_id: str

    @property
    def hash(self) -> bytes:
        """The chain's hash, which names it in addresses and in commitments."""
        head = self.period_s.to_bytes(4) + self.genesis_s.to_bytes(8)
        return sha256(head + self.public_key + self.group_hash + self.beacon_id.encode()).digest()

    def time_of(self, number: int) -> datetime:
        """Answer when a round is published."""
        return datetime.fromtimestamp(self.genesis_s + (number - 1) * self.period_s, UTC)

    def round_at(self, instant: datetime) -> int:
        """Answer the first round that is published at or after an instant."""
        elapsed = instant - datetime.fromtimestamp(self.genesis_s, UTC)
        return max(1, -(-elapsed // timedelta(seconds=self.period_s)) + 1)


QUICKNET: Final = Chain(
    public_key=bytes.fromhex(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510"
        "d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    ),
    period_s=3,
    genesis_s=1692803367,
    group_hash=bytes.fromhex("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e"),
    beacon_id="quicknet",
)


@dataclass(frozen=True, slots=True)
class Round:
    """A round as the beacon answers it."""

    number: int
    randomness: bytes
    signature: bytes


RECORDED: Final = Round(
    number=1000,
    randomness=bytes.fromhex("fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"),
    signature=bytes.fromhex(
        "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
    ),
)
"""Round 1000 of quicknet, of 2023-08-23 as api.drand.sh served it: the randomness of every rehearsal."""


class WrongRound(Refusal):
    """The beacon answered with another round than the commitment names."""

    code = "beacon_wrong_round"


class WrongRandomness(Refusal):
    """The randomness is not the SHA-256 of the signature."""

    code = "beacon_wrong_randomness"


class WrongSignature(Refusal):
    """The signature is not the chain's signature of the round."""

    code = "beacon_wrong_signature"


class RoundWasPublic(Refusal):
    """The round was public before the commitment was: whoever committed could have known the winners."""

    code = "beacon_round_was_public"


def check_round(chain: Chain, named: int, answer: Round) -> None:
    """Accept a beacon's answer, or raise `WrongRound`, `WrongRandomness` or `WrongSignature`, checked in this order."""
    if answer.number != named:
        raise WrongRound(expected=str(named), found=str(answer.number))
    if sha256(answer.signature).digest() != answer.randomness:
        raise WrongRandomness(round=str(named))
    if not is_signed(chain, named, answer.signature):
        raise WrongSignature(round=str(named))


def is_signed(chain: Chain, number: int, signature: bytes) -> bool:
    """Answer whether `signature` is the chain's signature of a round."""
    return bls.is_signed(chain.public_key, sha256(number.to_bytes(8)).digest(), signature)
