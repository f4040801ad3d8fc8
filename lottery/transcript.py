"""The published record of a draw, and the proof of one's own leaf: canonical JSON that `verify_draw.py` checks alone.

The transcript shows the leaves of the winners, of their neighbours and at the borders between two statuses, and the
hashes that lead from these to the root. A leaf tells nobody whose it is: its ticket is salted, and only its digits can
be recognised by who holds the receipt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kernel.canonical import Json, canonical_json
from lottery.beacon import QUICKNET, Round, is_signed
from lottery.commitment import Commitment, Leaf, salt_of
from lottery.draw import drawn_numbers, revealed_positions
from lottery.entries import Entry, Status
from lottery.prizes import Numbers, Prize, prizes_of
from lottery.rules import DrawRules
from lottery.tree import Node, proof_nodes
from lottery.verify_draw import Step, verify
from receipts.receipt import lottery_number

FORMAT = "barimt-draw-transcript-1"
PROOF_FORMAT = "barimt-draw-proof-1"

HashesOf = Callable[[Sequence[Node]], Sequence[bytes]]
"""Answers the hashes at the nodes of a draw's tree, in the order asked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a draw came to."""

    numbers: Numbers
    prizes: tuple[Prize, ...]
    transcript: bytes


def outcome_of(
    commitment: Commitment, rules: DrawRules, beacon: Round, leaf_at: Callable[[int], bytes], hashes_of: HashesOf
) -> Outcome:
    """Draw: answer the numbers, the prizes and the canonical transcript. The round must have been checked before."""
    numbers = drawn_numbers(beacon.randomness, commitment.hash())
    positions = revealed_positions(leaf_at, commitment.counts, rules.plan, numbers)
    leaves = {position: Leaf.of(leaf_at(position)) for position in positions}
    entered = [(position, leaf.digits) for position, leaf in leaves.items() if leaf.status is Status.ELIGIBLE]
    prizes = prizes_of(rules.plan, numbers, entered)
    content: dict[str, Json] = {
        "format": FORMAT,
        "commitment": commitment.to_json(),
        "commitment_hash": commitment.hash().hex(),
        "rules": rules.to_json(),
        "beacon": {
            "round": beacon.number,
            "randomness": beacon.randomness.hex(),
            "signature": beacon.signature.hex(),
        },
        "numbers": numbers.labelled(),
        "leaves": [_leaf_json(position, leaf) for position, leaf in leaves.items()],
        "proof": _hex(hashes_of(proof_nodes(positions, commitment.size))),
        "prizes": [_prize_json(prize) for prize in prizes],
    }
    return Outcome(numbers, tuple(prizes), canonical_json(content))


def proof_of(commitment: Mapping[str, Json], commitment_hash: bytes, entry: Entry, at: "Place", secret: bytes) -> bytes:
    """Answer the proof, for its owner alone, that a claim's leaf is under the commitment and with which status."""
    eligible = entry.status is Status.ELIGIBLE
    content: dict[str, Json] = {
        "format": PROOF_FORMAT,
        "commitment": commitment,
        "commitment_hash": commitment_hash.hex(),
        "receipt_hash": entry.root_hash.hex(),
        "salt": salt_of(secret, entry.claim).hex(),
        "lottery": str(lottery_number(entry.root_hash)) if eligible else "",
        "status": entry.status.word,
        "position": at.position,
        "proof": _hex(at.hashes_of(proof_nodes([at.position], at.size))),
    }
    return canonical_json(content)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a leaf stands in its draw's tree."""

    position: int
    size: int
    hashes_of: HashesOf


def verify_transcript(content: bytes) -> list[Step]:
    """Check a transcript as `verify_draw.py` does, and the beacon's BLS signature too. Answers the steps taken; the
    last is broken when the transcript does not hold.
    """
    return verify(content, is_signed=lambda number, signature: is_signed(QUICKNET, number, signature))


def _leaf_json(position: int, leaf: Leaf) -> dict[str, Json]:
    return {
        "position": position,
        "status": leaf.status.word,
        "digits": leaf.digits,
        "ticket": leaf.ticket.hex(),
    }


def _prize_json(prize: Prize) -> dict[str, Json]:
    return {"position": prize.position, "tier": prize.tier, "amount_mongo": prize.amount_mongo}


def _hex(hashes: Sequence[bytes]) -> list[Json]:
    return [digest.hex() for digest in hashes]
