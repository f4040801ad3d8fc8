"""A million edited QR texts: none is accepted, none crashes the reader, many reach the signature.

    python -m benchmarks.bench_qr_edits [--edits 1000000] [--seed 1] [--json]

Edits: single and double characters, case, spaces, characters added and removed, look-alikes, other Base45 triples,
other CBOR spellings of the same COSE, and single bits of the 144 octets encoded anew. An edit that changes nothing is
drawn again. Counted is at which step of docs/formats/verification.md each text fell. Exit 1 when one is accepted, one
crashes, or fewer than three in ten reach the signature.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from random import Random  # noqa: TID251 - seeded

from benchmarks.receipts_made import keyring, texts
from receipts import base45
from receipts.verification import STEPS, NotGenuine, verify_text

RECEIPTS = 200
SIGNATURE_SHARE_MIN = 0.3
LOOK_ALIKES = "АВЕКМНОРСТХ０１２３Ⅰ ﹪\u200b\x00éß"
Edit = Callable[[Random, str], str]


def one_character(random: Random, text: str) -> str:
    """Put another character of the alphabet somewhere."""
    at = random.randrange(4, len(text))
    return text[:at] + random.choice(base45.ALPHABET) + text[at + 1 :]


def two_characters(random: Random, text: str) -> str:
    """Edit two places."""
    return one_character(random, one_character(random, text))


def one_bit(random: Random, text: str) -> str:
    """Turn one bit of the 144 octets and encode them anew."""
    octets = bytearray(base45.decode(text[4:]) or b"")
    octets[random.randrange(18, len(octets))] ^= 1 << random.randrange(8)
    return text[:4] + base45.encode(bytes(octets))


def one_octet(random: Random, text: str) -> str:
    """Put another octet anywhere and encode them anew."""
    octets = bytearray(base45.decode(text[4:]) or b"")
    octets[random.randrange(len(octets))] = random.randrange(256)
    return text[:4] + base45.encode(bytes(octets))


def case(random: Random, text: str) -> str:
    """Write a stretch in small letters."""
    start = random.randrange(len(text))
    end = random.randrange(start, len(text)) + 1
    return text[:start] + text[start:end].lower() + text[end:]


def spaces(random: Random, text: str) -> str:
    """Put or take spaces, as printers and keyboards do."""
    at = random.randrange(len(text) + 1)
    return random.choice([text[:at] + " " + text[at:], text + " ", " " + text, text + "\n", text.replace(" ", "+")])


def longer_or_shorter(random: Random, text: str) -> str:
    """Drop, double or exchange characters."""
    at = random.randrange(len(text) - 1)
    return random.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        ]
    )


def look_alike(random: Random, text: str) -> str:
    """Put a character that looks alike, or that nobody sees."""
    at = random.randrange(len(text))
    return text[:at] + random.choice(LOOK_ALIKES) + text[at + 1 :]


def other_triple(random: Random, text: str) -> str:
    """Put a triple that stands for more than 65535."""
    at = 4 + 3 * random.randrange(72)
    value = random.randrange(65536, 45**3)
    alphabet = base45.ALPHABET
    return text[:at] + alphabet[value % 45] + alphabet[value // 45 % 45] + alphabet[value // 2025] + text[at + 3 :]


def other_cbor(random: Random, text: str) -> str:
    """Spell the same COSE otherwise: tagged, longer heads, indefinite lengths, another header."""
    octets = base45.decode(text[4:]) or b""
    spelled = random.choice(
        [
            b"\xd2" + octets,
            b"\x98\x04" + octets[1:],
            b"\x9f" + octets[1:] + b"\xff",
            octets[:1] + b"\x58\x0d" + octets[2:],
            octets[:15] + b"\xb8\x00" + octets[16:],
            octets[:16] + b"\x59\x00\x3c" + octets[18:],
            octets[:2] + b"\xbf" + octets[3:7] + octets[7:15] + b"\xff" + octets[15:],
            octets[:3] + b"\x04\x48" + octets[7:15] + b"\x01\x32" + octets[15:],
        ]
    )
    return text[:4] + base45.encode(spelled)


EDITS: tuple[tuple[Edit, int], ...] = (
    (one_character, 20), (two_characters, 15), (one_bit, 30), (one_octet, 10), (case, 5), (spaces, 5),
    (longer_or_shorter, 5), (look_alike, 4), (other_triple, 3), (other_cbor, 3),
)  # fmt: skip
"""Edits and how often each is drawn, in per cent."""


def edited(random: Random, text: str) -> str:
    """Answer an edit of a text that is not the text."""
    [edit] = random.choices([edit for edit, _ in EDITS], [share for _, share in EDITS])
    while (made := edit(random, text)) == text:
        pass
    return made


def try_edits(count: int, seed: int) -> Counter[str]:
    """Edit and read `count` texts; answer how each ended: a step's number, `accepted` or `crashed`."""
    random, made, keys = Random(seed), texts(RECEIPTS), keyring()
    genuine, ended = set(made), Counter[str]()
    for _ in range(count):
        text = edited(random, random.choice(made))
        assert text not in genuine
        try:
            verify_text(text, keys)
        except NotGenuine as refused:
            ended[str(refused.step)] += 1
        except Exception:  # noqa: BLE001 - what is counted here
            ended["crashed"] += 1
        else:
            ended["accepted"] += 1
    return ended


def main() -> int:
    """Print the counts and answer the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--edits", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    began, workers = time.perf_counter(), os.cpu_count() or 1
    chunks = 10 * workers
    sizes = [given.edits // chunks + (at < given.edits % chunks) for at in range(chunks)]
    with ProcessPoolExecutor(workers) as pool:
        ended = sum(pool.map(try_edits, sizes, range(given.seed, given.seed + chunks)), Counter[str]())
    told = {"edits": ended.total(), "accepted": ended["accepted"], "crashed": ended["crashed"],
            "steps": {f"{step} {name}": ended[str(step)] for step, name in STEPS.items() if ended[str(step)]},
            "seconds": round(time.perf_counter() - began, 1)}  # fmt: skip
    print(json.dumps(told, indent=None if given.json else 1))
    enough = ended["5"] >= SIGNATURE_SHARE_MIN * ended.total()
    return 0 if enough and not ended["accepted"] and not ended["crashed"] else 1


if __name__ == "__main__":
    sys.exit(main())
