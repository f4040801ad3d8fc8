"""Verifying in-process against the bare Ed25519 verification, and Base45 against a signature. Ratios of one run.

    python -m benchmarks.bench_verify [--rounds 9] [--receipts 2000] [--json]

Both sides of a ratio run alternately over the same receipts. Exit 1 when a median misses its bar: verification at least
0.85 of the bare rate, Base45 encoding of 144 octets at most a fifth of a signature.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from statistics import median

from benchmarks.receipts_made import GATEWAY, keyring, texts
from receipts import base45, qr
from receipts.verification import verify_text

VERIFY_MIN, ENCODE_MAX = 0.85, 0.2


def seconds(work: Callable[[], object]) -> float:
    """Answer how long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(rounds: int, receipts: int) -> dict[str, list[float]]:
    """Answer the ratios of each round."""
    made, keys = texts(receipts), keyring()
    coses = [base45.decode(text[4:]) or b"" for text in made]
    pieces = [(cose[80:], qr.to_sign(cose[7:15], cose[18:78])) for cose in coses]
    verifier = GATEWAY.public_key()
    ratios: dict[str, list[float]] = {"verify": [], "encode": []}
    for _ in range(rounds):
        ours = seconds(lambda: [verify_text(text, keys) for text in made])
        bare = seconds(lambda: [verifier.verify(signature, signed) for signature, signed in pieces])
        signing = seconds(lambda: [GATEWAY.sign(signed) for _, signed in pieces])
        encoding = seconds(lambda: [base45.encode(cose) for cose in coses])
        ratios["verify"].append(bare / ours)
        ratios["encode"].append(encoding / signing)
    return ratios


def main() -> int:
    """Print the ratios and answer the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--receipts", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    ratios = measure(given.rounds, given.receipts)
    told = {
        name: {"min": round(min(of), 3), "median": round(median(of), 3), "max": round(max(of), 3)}
        for name, of in ratios.items()
    }
    if given.json:
        print(json.dumps(told))
    else:
        print(f"verification against bare Ed25519 (rate, at least {VERIFY_MIN}): {told['verify']}")
        print(f"Base45 encoding against a signature (time, at most {ENCODE_MAX}): {told['encode']}")
    return 0 if told["verify"]["median"] >= VERIFY_MIN and told["encode"]["median"] <= ENCODE_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
