"""Draws made of nothing but numbers, for the tests of the pure part."""

import json
from array import array
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from kernel.canonical import sha256
from kernel.clock import Month
from lottery.beacon import QUICKNET, RECORDED, Mode, Round
from lottery.commitment import Commitment, Leaf, Leaves, leaves_of
from lottery.entries import Candidate, Entry, Status
from lottery.prizes import Plan, Tier
from lottery.rules import DrawRules, cut_off, draw_rules
from lottery.transcript import HashesOf, Outcome, Place, outcome_of, proof_of
from lottery.verify_draw import Verdict, verify
from receipts.claim import ClaimState
from receipts.receipt import lottery_number

MONTH = Month(2017, 3)
RULES = draw_rules(MONTH)
SECRET = bytes(range(32))
ROUND_TIME = QUICKNET.time_of(RECORDED.number)
LIVE_COMMITTED_AT = ROUND_TIME - timedelta(seconds=RULES.beacon_delay_s)


def easy_rules(lowest_digits: int, super_digits: int) -> DrawRules:
    """Rules by which small draws have winners: one tier for each number of digits from `lowest_digits` on."""
    tiers = tuple(Tier(digits, 10**digits) for digits in range(lowest_digits, 9))
    return replace(RULES, plan=Plan(tiers, super_digits, super_fund_mongo=1_000_003))


def root_hash(claim: int) -> bytes:
    return sha256(b"receipt", claim.to_bytes(8))


def entry(claim: int, status: Status = Status.ELIGIBLE) -> Entry:
    return Entry(claim, root_hash(claim), status)


def entries_of(statuses: Sequence[Status]) -> list[Entry]:
    return [entry(claim, status) for claim, status in enumerate(statuses, 1)]


def digits_of(claim: int) -> str:
    return lottery_number(root_hash(claim)).digits


def candidate(claim: int, **changes: object) -> Candidate:
    honest = Candidate(
        claim=claim,
        root_hash=root_hash(claim),
        consumer=1,
        seller=37900846788,
        day=MONTH.first_day,
        claimed_at=datetime(2017, 3, 20, tzinfo=UTC),
        state=ClaimState.FINAL,
        void=False,
        lottery=True,
        own_seller=False,
        total_mongo=100,
        entered_before=0,
    )
    return replace(honest, **changes)  # type: ignore[arg-type]


def commitment_of(leaves: Leaves, rules: DrawRules = RULES, mode: Mode = Mode.REHEARSAL) -> Commitment:
    return Commitment(
        month=MONTH,
        mode=mode,
        cut_off=cut_off(MONTH),
        committed_at=LIVE_COMMITTED_AT if mode is Mode.LIVE else cut_off(MONTH),
        counts=leaves.counts(),
        root=leaves.tree().root,
        rules_hash=rules.hash(),
        chain=QUICKNET.hash,
        round=RECORDED.number,
    )


def draw(
    entries: Sequence[Entry], rules: DrawRules = RULES, *, mode: Mode = Mode.REHEARSAL, beacon: Round = RECORDED
) -> tuple[Leaves, Commitment, Outcome]:
    return draw_leaves(leaves_of(entries, SECRET), rules, mode=mode, beacon=beacon)


def draw_leaves(
    leaves: Leaves, rules: DrawRules, *, mode: Mode = Mode.REHEARSAL, beacon: Round = RECORDED
) -> tuple[Leaves, Commitment, Outcome]:
    commitment = commitment_of(leaves, rules, mode)
    return leaves, commitment, outcome_of(commitment, rules, beacon, leaves.at, hashes_of(leaves))


def hashes_of(leaves: Leaves) -> HashesOf:
    tree = leaves.tree()
    return lambda nodes: [tree.hash_of(node) for node in nodes]


def proof(leaves: Leaves, commitment: Commitment, mine: Entry) -> bytes:
    place = Place(leaves.claims.index(mine.claim), len(leaves), hashes_of(leaves))
    return proof_of(commitment.to_json(), commitment.hash(), mine, place, SECRET)


def misplaced_winner(entries: Sequence[Entry], rules: DrawRules) -> tuple[bytes, bytes]:
    """The transcript of an operator who put a winner's leaf where it is not shown, and that winner's proof.

    He cannot know the number when he commits, so all leaves are tried until one that was moved turns out to win.
    """
    honest = leaves_of(entries, SECRET)
    eligible = honest.counts()[Status.ELIGIBLE]
    for moved in range(eligible):
        order = [position for position in range(len(honest)) if position != moved]
        order.insert((moved + eligible // 2) % eligible, moved)
        dishonest = Leaves(b"".join(map(honest.at, order)), array("q", (honest.claims[at] for at in order)))
        leaves, commitment, outcome = draw_leaves(dishonest, rules)
        digits = Leaf.of(honest.at(moved)).digits
        wins = digits[-rules.plan.lowest_digits :] == outcome.numbers.main[-rules.plan.lowest_digits :]
        shown = [leaf["position"] for leaf in json.loads(outcome.transcript)["leaves"]]
        if wins and order.index(moved) not in shown and verify(outcome.transcript)[-1].verdict is Verdict.HOLDS:
            mine = next(entry for entry in entries if entry.claim == honest.claims[moved])
            return outcome.transcript, proof(leaves, commitment, mine)
    raise AssertionError("no leaf that was moved wins")


STATUSES = st.lists(st.sampled_from(Status), max_size=60)
