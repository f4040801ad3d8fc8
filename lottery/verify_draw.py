"""Verify a Barimt draw, alone: this one file, Python 3.11 or newer, the standard library, no network, no permission.

    python3 verify_draw.py transcript.json             the draw of a month
    python3 verify_draw.py proof.json                  that my receipt was in it, or why it was not
    python3 verify_draw.py transcript.json proof.json  both, and what my receipt won

Exit status: 0 everything checked holds, 1 something does not, 2 a file or the command line is unusable.

It is written from docs/formats/draw.md and shares no code with the program that draws, so that an error in one shows
in the other. Two things it cannot check, and says so: the beacon's BLS signature, which the standard library cannot do
(`barimt draw verify` can), and when the commitment was published, as long as no outside witness has signed it.
"""

import json
import re
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NoReturn

STATUSES = ["eligible", "void", "business", "own_seller", "provisional", "lapsed", "late", "below_minimum", "over_cap"]
DIGITS, NUMBERS, GRACE = 8, 10**8, timedelta(hours=72)

# drand's chain quicknet, the only one that this version of the format accepts, and its round 1000
CHAIN = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
PERIOD_S, GENESIS_S = 3, 1692803367
REHEARSAL_ROUND = 1000
REHEARSAL_RANDOMNESS = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"

# the members of each document: `int` is a whole number below 2^48, a text is the regular expression of a text
HASH, NUMBER, STATUS = r"[0-9a-f]{64}", r"\d{8}", "|".join(STATUSES)
MONTH, TIME = r"20\d\d-(0[1-9]|1[0-2])", r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+\d\d:\d\d"
COMMITMENT: dict[str, Any] = (
    {"format": "barimt-draw-commitment-1", "month": MONTH, "mode": "live|rehearsal"}
    | {"cut_off": TIME, "committed_at": TIME, "counts": dict.fromkeys(STATUSES, int), "root": HASH}
    | {"rules_hash": HASH, "beacon": {"chain": HASH, "round": int}, "witnesses": []}
)
RULES: dict[str, Any] = dict.fromkeys(
    ("minimum_mongo", "cap_per_seller_day", "rolls_months", "beacon_delay_s"), int
) | {"tiers": [{"digits": int, "prize_mongo": int}], "super": {"digits": int, "fund_mongo": int}}
TRANSCRIPT: dict[str, Any] = (
    {"format": "barimt-draw-transcript-1", "commitment": COMMITMENT, "commitment_hash": HASH, "rules": RULES}
    | {"beacon": {"round": int, "randomness": HASH, "signature": r"[0-9a-f]{96}"}}
    | {"numbers": {"main": NUMBER, "super": NUMBER}, "proof": [HASH]}
    | {"leaves": [{"position": int, "status": STATUS, "digits": rf"({NUMBER})?", "ticket": HASH}]}
    | {"prizes": [{"position": int, "tier": r"[1-8]|super", "amount_mongo": int}]}
)
PROOF: dict[str, Any] = (
    {"format": "barimt-draw-proof-1", "commitment": COMMITMENT, "commitment_hash": HASH}
    | {"receipt_hash": HASH, "salt": HASH, "lottery": rf"([A-Z]{{2}} {NUMBER})?"}
    | {"status": STATUS, "position": int, "proof": [HASH]}
)


class Verdict(StrEnum):
    """How a step ended."""

    HOLDS = "holds"
    BROKEN = "BROKEN"
    UNCHECKED = "NOT CHECKED"


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step of a verification."""

    number: int
    title: str
    verdict: Verdict
    detail: str


class Ended(Exception):  # noqa: N818 - named by what happened
    """A step ends without holding. Its arguments are the verdict and the reason."""


@dataclass(slots=True)
class Case:
    """A document under verification, and what its steps have found out so far."""

    content: bytes
    is_signed: Callable[[int, bytes], bool] | None
    paper: dict[str, Any] = field(default_factory=dict)
    commitment: dict[str, Any] = field(default_factory=dict)
    leaves: list[tuple[int, bytes]] = field(default_factory=list)
    size: int = 0


def is_proof(content: bytes) -> bool:
    """Answer whether a document says that it is the proof of one leaf, and not a transcript."""
    return b'"format":"barimt-draw-proof-1"' in content


def verify(content: bytes, *, is_signed: Callable[[int, bytes], bool] | None = None) -> list[Step]:
    """Check a transcript or a proof; `is_signed(round, signature)` checks BLS. The last step taken may be broken."""
    case, taken = Case(content, is_signed), list[Step]()
    for number, (title, check) in enumerate(PROOF_STEPS if is_proof(content) else TRANSCRIPT_STEPS, 1):
        try:
            taken.append(Step(number, title, Verdict.HOLDS, check(case)))
        except Ended as end:
            taken.append(Step(number, title, *end.args))
            if taken[-1].verdict is Verdict.BROKEN:
                break
    return taken


def verify_together(transcript: bytes, proof: bytes) -> Step:
    """Check that a transcript and a proof, each of which holds, are of one draw and agree on what the receipt won."""
    draw, mine = json.loads(transcript), json.loads(proof)
    title = "the transcript gives the receipt of the proof what it won"
    if draw["commitment_hash"] != mine["commitment_hash"]:
        return Step(1, title, Verdict.BROKEN, "they are of different draws")
    won = [prize for prize in draw["prizes"] if prize["position"] == mine["position"]]
    if not won and mine["lottery"] and _won(draw, [(mine["position"], mine["lottery"][3:])]):
        return Step(1, title, Verdict.BROKEN, "the receipt's digits win, and the transcript left it out")
    prizes = " and ".join(f"{_mnt(prize['amount_mongo'])} ({prize['tier']})" for prize in won)
    return Step(1, title, Verdict.HOLDS, f"it won {prizes or 'nothing'}")


def _form(case: Case) -> str:
    """The bytes are the one canonical JSON of their content, with exactly the members of the format."""
    try:
        case.paper = json.loads(case.content)
        again = _canonical(case.paper)
    except (ValueError, RecursionError) as error:
        raise Ended(Verdict.BROKEN, "not JSON") from error
    _require(again == case.content, "not canonical JSON: other spaces, order, escapes or doubled members")
    _fits(case.paper, PROOF if is_proof(case.content) else TRANSCRIPT, "")
    case.commitment = case.paper["commitment"]
    case.size = sum(case.commitment["counts"].values())
    return f"{len(case.content):,} bytes"


def _fits(value: Any, form: Any, path: str) -> None:
    if form is int:
        _require(type(value) is int and 0 <= value < 1 << 48, f"{path}: a whole number is expected")
    elif isinstance(form, str):
        _require(type(value) is str and re.fullmatch(form, value, re.ASCII), f"{path}: expected {form}")
    elif isinstance(form, list):
        _require(type(value) is list and (form or not value), f"{path}: an array of the format is expected")
        for at, item in enumerate(value):
            _fits(item, form[0], f"{path}/{at}")
    else:
        _require(type(value) is dict and value.keys() == form.keys(), f"{path or '/'}: other members than the format's")
        for key, item in value.items():
            _fits(item, form[key], f"{path}/{key}")


def _commitment(case: Case) -> str:
    _require(_hash(case.commitment) == case.paper["commitment_hash"], "the commitment does not have this hash")
    _require(case.commitment["beacon"]["chain"] == CHAIN, "the beacon is not drand's quicknet")
    return f"month {case.commitment['month']}, {case.size:,} leaves, commitment {case.paper['commitment_hash']}"


def _rules(case: Case) -> str:
    rules = case.paper["rules"]
    digits = [tier["digits"] for tier in rules["tiers"]]
    ascend = digits and digits == sorted(set(digits))
    _require(ascend and {*digits, rules["super"]["digits"]} <= set(range(1, 9)), "tiers of 1 to 8 digits must ascend")
    _require(_hash(rules) == case.commitment["rules_hash"], "the rules are not those that were committed")
    return f"{len(digits)} tiers, rules {case.commitment['rules_hash']}"


def _times(case: Case) -> str:
    try:
        cut_off, committed_at = (datetime.fromisoformat(case.commitment[name]) for name in ("cut_off", "committed_at"))
    except ValueError as error:
        raise Ended(Verdict.BROKEN, "there is no such time") from error
    year, month = map(int, case.commitment["month"].split("-"))
    month_end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=cut_off.tzinfo)
    _require(cut_off - month_end >= GRACE, "the cut-off is less than 72 hours after the month's end")
    _require(committed_at >= cut_off, "the commitment was made before the cut-off")
    named = case.commitment["beacon"]["round"]
    if case.commitment["mode"] == "rehearsal":
        _require(named == REHEARSAL_ROUND, "a rehearsal uses the recorded round 1000")
        return "REHEARSAL: the round was known beforehand; this draw shows the arithmetic and proves nothing else"
    due = committed_at + timedelta(seconds=case.paper["rules"]["beacon_delay_s"])
    periods = -(-(due - datetime.fromtimestamp(GENESIS_S, UTC)) // timedelta(seconds=PERIOD_S))
    _require(named == max(1, periods + 1), "the formula names another round")
    return f"committed {committed_at.isoformat()}; round {named} is the first at or after {due.isoformat()}"


def _witnesses(case: Case) -> NoReturn:
    signed = len(case.commitment["witnesses"])
    raise Ended(Verdict.UNCHECKED, f"signed by {signed} witnesses, so its time of publication is not provable")


def _randomness(case: Case) -> str:
    beacon = case.paper["beacon"]
    _require(beacon["round"] == case.commitment["beacon"]["round"], "this is not the round that was named")
    _require(sha256(bytes.fromhex(beacon["signature"])).hexdigest() == beacon["randomness"], "not SHA-256(signature)")
    known = case.commitment["mode"] == "live" or beacon["randomness"] == REHEARSAL_RANDOMNESS
    _require(known, "not the recorded randomness of round 1000")
    return f"round {beacon['round']}, randomness {beacon['randomness']}"


def _signature(case: Case) -> str:
    beacon = case.paper["beacon"]
    if case.is_signed is None:
        raise Ended(Verdict.UNCHECKED, "BLS is not in the standard library; `barimt draw verify` checks it")
    _require(case.is_signed(beacon["round"], bytes.fromhex(beacon["signature"])), "not drand's signature of the round")
    return "signed by drand's quicknet"


def _numbers(case: Case) -> str:
    randomness, commitment = bytes.fromhex(case.paper["beacon"]["randomness"]), case.paper["commitment_hash"]
    seed = sha256(b"barimt draw 1" + randomness + bytes.fromhex(commitment)).digest()
    drawn = {label: _number(seed + label.encode()) for label in ("main", "super")}
    _require(drawn == case.paper["numbers"], f"the beacon and the commitment give {drawn}")
    return f"main {drawn['main']}, super {drawn['super']}"


def _number(seed: bytes) -> str:
    values = (int.from_bytes(sha256(seed + bytes([attempt])).digest()[:4], "big") for attempt in range(256))
    return f"{next(value for value in values if value < 42 * NUMBERS) % NUMBERS:08d}"


def _leaves(case: Case) -> str:
    for leaf in case.paper["leaves"]:
        placed = bool(leaf["digits"]) == (leaf["status"] == "eligible")
        _require(placed, f"leaf {leaf['position']}: digits stand with eligible leaves, and only there")
        case.leaves.append((leaf["position"], _leaf(leaf["status"], leaf["digits"], bytes.fromhex(leaf["ticket"]))))
    for (position, leaf), (next_position, next_leaf) in pairwise(case.leaves):
        _require(position < next_position and leaf < next_leaf, f"leaf {next_position} is out of order")
    return f"{len(case.leaves):,} leaves shown, in ascending order"


def _leaf(status: str, digits: str, ticket: bytes) -> bytes:
    return bytes([STATUSES.index(status)]) + int(digits[::-1] or 0).to_bytes(4, "big") + ticket


def _tree(case: Case) -> str:
    """The leaves and the given hashes, from left to right, give the committed root (tree of RFC 6962, section 2.1)."""
    given = iter(case.paper["proof"])
    positions = [position for position, _ in case.leaves]
    hashes = {position: sha256(b"\x00" + leaf).digest() for position, leaf in case.leaves}
    _require(not positions or positions[-1] < case.size, "a leaf is beyond the number of leaves")
    root = _root(positions, hashes, (0, case.size), given) if case.size else sha256(b"").digest()
    _require(root.hex() == case.commitment["root"], "the leaves do not lead to the committed root")
    _require(next(given, None) is None, "there are more hashes than needed")
    return f"root {case.commitment['root']}"


def _root(positions: Sequence[int], hashes: dict[int, bytes], span: tuple[int, int], given: Iterator[str]) -> bytes:
    start, end = span
    at = bisect_left(positions, start)
    if at == len(positions) or positions[at] >= end:
        found = next(given, "")
        _require(found, "there are fewer hashes than needed")
        return bytes.fromhex(found)
    if end - start == 1:
        return hashes[start]
    middle = start + (1 << (end - start - 1).bit_length() - 1)
    left = _root(positions, hashes, (start, middle), given)
    return sha256(b"\x01" + left + _root(positions, hashes, (middle, end), given)).digest()


def _counts(case: Case) -> str:
    """The last leaf of each status and the first of each but the eligible are shown, where the counts put them."""
    shown = dict(case.leaves)
    for position, code in _borders(case).items():
        _require(shown.get(position, b"\xff")[0] == code, f"the count of {STATUSES[code]} is not proven")
    return ", ".join(f"{count:,} {status}" for status, count in case.commitment["counts"].items() if count) or "none"


def _borders(case: Case) -> dict[int, int]:
    ends = list(accumulate(case.commitment["counts"][status] for status in STATUSES))
    spans = [(code, start, end) for code, (start, end) in enumerate(pairwise([0, *ends])) if start < end]
    return {position: code for code, start, end in spans for position in (start if code else end - 1, end - 1)}


def _blocks(case: Case) -> str:
    """Each winning block is shown with both its neighbours, and no leaf is shown that nothing needs."""
    rules, numbers = case.paper["rules"], case.paper["numbers"]
    main, fund = (numbers["main"], rules["tiers"][0]["digits"]), (numbers["super"], rules["super"]["digits"])
    needed = {*_borders(case), *_block(case, *main), *_block(case, *fund)}
    _require(needed == {position for position, _ in case.leaves}, "a leaf is shown that nothing needs")
    return "each winning block is shown whole, between its neighbours"


def _block(case: Case, number: str, digits: int) -> set[int]:
    """Answer the positions of the leaves with the number's last digits and of the two beside them, without a gap."""
    width = 10 ** (DIGITS - digits)
    low = int(number[::-1]) // width * width
    # before the first leaf and after the last one stands what is smaller and greater than any
    leaves = [(-1, b""), *case.leaves, (case.size, b"\xff")]
    contents = [leaf for _, leaf in leaves]
    first, last = (bisect_left(contents, b"\x00" + end.to_bytes(4, "big")) for end in (low, low + width))
    run = [position for position, _ in leaves[first - 1 : last + 1]]
    whole = run == list(range(run[0], run[-1] + 1))
    _require(whole, f"the leaves ending as {number} in {digits} digits are not shown whole")
    return {position for position in run if 0 <= position < case.size}


def _prizes(case: Case) -> str:
    entered = [(leaf["position"], leaf["digits"]) for leaf in case.paper["leaves"] if leaf["digits"]]
    won = _won(case.paper, entered)
    _require(won == case.paper["prizes"], "the prizes are not those of the rules")
    return f"{len(won):,} prizes, {_mnt(sum(prize['amount_mongo'] for prize in won))}"


def _won(paper: dict[str, Any], entered: list[tuple[int, str]]) -> list[dict[str, Any]]:
    """Answer the prizes: of the main number the highest tier reached, of the super number an equal share each."""
    rules, main, prizes = paper["rules"], paper["numbers"]["main"], list[tuple[int, str, int]]()
    for position, digits in entered:
        reached = [tier for tier in rules["tiers"] if digits[-tier["digits"] :] == main[-tier["digits"] :]]
        prizes += [(position, str(tier["digits"]), tier["prize_mongo"]) for tier in reached[-1:]]
    ending = paper["numbers"]["super"][-rules["super"]["digits"] :]
    sharing = [position for position, digits in entered if digits.endswith(ending)]
    prizes += [(position, "super", rules["super"]["fund_mongo"] // len(sharing)) for position in sharing]
    return [dict(zip(("position", "tier", "amount_mongo"), prize, strict=True)) for prize in prizes]


def _mine(case: Case) -> str:
    """The leaf is rebuilt from the receipt's hash and the salt that only its owner was given."""
    paper, receipt = case.paper, bytes.fromhex(case.paper["receipt_hash"])
    digest = sha256(b"lottery" + receipt).digest()
    letters = "".join(chr(65 + byte % 26) for byte in digest[:2])
    number = f"{letters} {int.from_bytes(digest[2:10], 'big') % NUMBERS:08d}" if paper["status"] == "eligible" else ""
    _require(number == paper["lottery"], "this is not the receipt's lottery number")
    ticket = sha256(bytes.fromhex(paper["salt"]) + receipt).digest()
    case.leaves = [(paper["position"], _leaf(paper["status"], number[3:], ticket))]
    return f"receipt {paper['receipt_hash']} {number}".rstrip()


def _place(case: Case) -> str:
    position, status, counts = case.paper["position"], case.paper["status"], case.commitment["counts"]
    start = sum(counts[word] for word in STATUSES[: STATUSES.index(status)])
    _require(start <= position < start + counts[status], f"position {position} is not among the {status} ones")
    _tree(case)
    return f"leaf {position} of {case.size:,}: " + ("it takes part" if status == "eligible" else f"excluded: {status}")


def _canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _hash(value: Any) -> str:
    return sha256(_canonical(value)).hexdigest()


def _mnt(mongo: int) -> str:
    return f"{mongo // 100:,}.{mongo % 100:02d} MNT"


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise Ended(Verdict.BROKEN, otherwise)


TRANSCRIPT_STEPS: tuple[tuple[str, Callable[[Case], str]], ...] = (
    ("the file is canonical", _form),
    ("the commitment has its hash and names drand's quicknet", _commitment),
    ("the rules are those that were committed", _rules),
    ("cut-off, commitment and beacon round come in this order", _times),
    ("the commitment was public before the round", _witnesses),
    ("the randomness is that of the named round", _randomness),
    ("the round bears drand's BLS signature", _signature),
    ("the numbers follow from the randomness and the commitment", _numbers),
    ("the leaves shown are well formed and in order", _leaves),
    ("the leaves shown are under the committed root", _tree),
    ("the counts are those of the tree", _counts),
    ("no winner was left out", _blocks),
    ("the prizes follow from the rules", _prizes),
)
PROOF_STEPS = (
    *TRANSCRIPT_STEPS[:2],
    ("the leaf is the receipt's", _mine),
    ("the leaf is under the committed root, where its status stands", _place),
)


def main(arguments: Sequence[str]) -> int:
    """Verify the files named on the command line, print each step, and answer the exit status."""
    try:
        contents = [Path(name).read_bytes() for name in arguments]
    except OSError as error:
        sys.stderr.write(f"cannot read {error.filename}: {error.strerror}\n")
        return 2
    papers = {is_proof(content): content for content in contents}
    if not contents or len(papers) != len(contents):
        sys.stderr.write("usage: python3 verify_draw.py [transcript.json] [proof.json]\n")
        return 2
    steps = [step for content in contents for step in verify(content)]
    if len(papers) > 1 and all(step.verdict is not Verdict.BROKEN for step in steps):
        steps.append(verify_together(papers[False], papers[True]))
    for step in steps:
        print(f"({step.number}) {step.title}: {step.verdict}\n      {step.detail}")  # noqa: T201 - this is a program
    return 1 if any(step.verdict is Verdict.BROKEN for step in steps) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
