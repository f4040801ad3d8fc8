"""The vectors of docs/formats/draw.md; `python -m tests.lottery.draw_vectors` writes the files anew."""

import json
from pathlib import Path

from kernel.canonical import Json, sha256
from lottery.beacon import RECORDED
from lottery.commitment import leaf_of, salt_of
from lottery.draw import drawn_numbers
from lottery.entries import Status
from tests.lottery.drawing import SECRET, digits_of, draw, easy_rules, entries_of, entry, proof, root_hash

FOLDER = Path(__file__).parents[1] / "vectors" / "draw"
STATUSES = [Status.ELIGIBLE] * 20 + list(Status)


def vectors() -> dict[str, bytes]:
    """Answer each file's name and content."""
    entries = entries_of(STATUSES)
    leaves, commitment, outcome = draw(entries, easy_rules(1, 1))
    winner = leaves.claims[outcome.prizes[0].position]
    return {
        "values.json": (json.dumps(_values(), indent=1, sort_keys=True) + "\n").encode(),
        "transcript.json": outcome.transcript,
        "proof_eligible.json": proof(leaves, commitment, entries[winner - 1]),
        "proof_void.json": proof(leaves, commitment, entries[STATUSES.index(Status.VOID)]),
    }


def _values() -> Json:
    return {
        "leaves": [
            {
                "secret": SECRET.hex(),
                "claim": claim,
                "receipt_hash": root_hash(claim).hex(),
                "digits": digits_of(claim),
                "status": status.word,
                "salt": salt_of(SECRET, claim).hex(),
                "leaf": leaf_of(entry(claim, status), SECRET).hex(),
            }
            for claim, status in ((1, Status.ELIGIBLE), (1, Status.VOID), (2**40, Status.OVER_CAP))
        ],
        "numbers": [_numbers(seed) for seed in _seeds()],
    }


def _seeds() -> list[int]:
    """Two of the first and the first two whose first attempt at the main number is refused."""
    return [0, 1, *(seed for seed in range(200) if _first_attempt(seed) >= 42 * 10**8)][:4]


def _first_attempt(seed: int) -> int:
    return int.from_bytes(sha256(sha256(b"barimt draw 1", RECORDED.randomness, _hash(seed)), b"main", b"\x00")[:4])


def _hash(seed: int) -> bytes:
    return sha256(b"commitment", bytes((seed,)))


def _numbers(seed: int) -> Json:
    numbers = drawn_numbers(RECORDED.randomness, _hash(seed))
    return {
        "randomness": RECORDED.randomness.hex(),
        "commitment_hash": _hash(seed).hex(),
        "first_attempt_main": _first_attempt(seed),
        **numbers.labelled(),
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in vectors().items():
        (FOLDER / name).write_bytes(content)
