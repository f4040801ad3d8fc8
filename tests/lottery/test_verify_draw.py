"""The verifier accepts what was honestly drawn and nothing else."""

import json
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import canonical_json, sha256
from lottery.beacon import RECORDED, Mode, Round
from lottery.commitment import Leaf, Leaves, leaves_of
from lottery.entries import Status
from lottery.transcript import _leaf_json, outcome_of, verify_transcript
from lottery.tree import proof_nodes
from lottery.verify_draw import Verdict, verify, verify_together
from tests.lottery.drawing import (
    LIVE_COMMITTED_AT,
    SECRET,
    STATUSES,
    commitment_of,
    draw,
    draw_leaves,
    easy_rules,
    entries_of,
    entry,
    hashes_of,
    misplaced_winner,
    proof,
)

MIXED = entries_of([Status(claim // 3 % 9) if claim % 3 == 0 else Status.ELIGIBLE for claim in range(90)])
EASY = easy_rules(1, 1)


def interior_draw() -> tuple[Leaves, bytes, list[int]]:
    """A draw whose main block, of at least two leaves, touches neither the super block nor the border of a status:
    its leaves, its transcript, the block's positions.
    """
    for size in range(90, 300):
        leaves, _, outcome = draw(entries_of([Status.ELIGIBLE] * size), EASY)
        block = [prize.position for prize in outcome.prizes if prize.tier != "super"]
        others = {prize.position for prize in outcome.prizes if prize.tier == "super"}
        around = {at + step for at in others for step in (-1, 0, 1)} | {-1, size - 1, size}
        if len(block) > 1 and around.isdisjoint(range(block[0] - 1, block[-1] + 2)):
            return leaves, outcome.transcript, block
    raise AssertionError("no draw with such a block")


def broken_step(content: bytes) -> str | None:
    """The title of the step that fails, if one does."""
    last = verify(content)[-1]
    return last.title if last.verdict is Verdict.BROKEN else None


def spoilings(text: str) -> Iterator[str]:
    """The text with each of its characters changed: a digit to another, a letter to another and to its other case."""
    for at, character in enumerate(text):
        if character.isdigit():
            others = str((int(character) + 1) % 10)
        else:
            others = ("b" if character == "a" else "a") + character.swapcase()
        yield from (f"{text[:at]}{other}{text[at + 1 :]}" for other in others if other != character)


def changed(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    paper = json.loads(content)
    change(paper)
    return canonical_json(paper)


def recommitted(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The transcript of an operator who changes the commitment (or the rules) and has it hashed anew."""

    def change_all(paper: dict[str, Any]) -> None:
        change(paper)
        paper["commitment"]["rules_hash"] = sha256(canonical_json(paper["rules"])).hex()
        paper["commitment_hash"] = sha256(canonical_json(paper["commitment"])).hex()

    return changed(content, change_all)


class TestVerifyTranscript:
    @given(STATUSES, st.integers(1, 4), st.integers(1, 4))
    def test_accepts_every_honest_draw(self, statuses: list[Status], lowest: int, super_digits: int) -> None:
        _, _, outcome = draw(entries_of(statuses), easy_rules(lowest, super_digits))
        assert broken_step(outcome.transcript) is None

    def test_accepts_winners_of_several_tiers(self) -> None:
        outcomes = (draw(entries_of([Status.ELIGIBLE] * size), EASY)[2] for size in range(60, 200))
        tiered = next(outcome for outcome in outcomes if {"1", "2"} <= {prize.tier for prize in outcome.prizes})
        assert broken_step(tiered.transcript) is None

    def test_says_what_it_did_not_check(self) -> None:
        _, _, outcome = draw(MIXED)
        unchecked = [step.number for step in verify(outcome.transcript) if step.verdict is Verdict.UNCHECKED]
        assert unchecked == [5, 7]

    def test_leaves_only_the_time_of_publication_unchecked_with_bls(self) -> None:
        _, _, outcome = draw(MIXED)
        unchecked = [step.number for step in verify_transcript(outcome.transcript) if step.verdict is Verdict.UNCHECKED]
        assert unchecked == [5]

    def test_names_a_rehearsal(self) -> None:
        _, _, outcome = draw(MIXED)
        assert "REHEARSAL" in verify(outcome.transcript)[3].detail

    def test_accepts_a_live_draw_whose_round_the_formula_names(self) -> None:
        _, _, outcome = draw(MIXED, mode=Mode.LIVE)
        assert broken_step(outcome.transcript) is None
        assert LIVE_COMMITTED_AT.strftime("%H:%M:%S") == "14:59:24"
        assert "14:59:24" not in verify(outcome.transcript)[3].detail  # the detail speaks Ulaanbaatar's time
        assert "22:59:24" in verify(outcome.transcript)[3].detail

    def test_fails_on_every_changed_character(self) -> None:
        _, _, outcome = draw(MIXED, easy_rules(1, 1))
        text = outcome.transcript.decode()
        for spoiled in spoilings(text):
            assert broken_step(spoiled.encode()), spoiled

    @given(st.data())
    def test_fails_on_any_flipped_byte(self, data: st.DataObject) -> None:
        _, _, outcome = draw(MIXED, easy_rules(2, 2))
        at = data.draw(st.integers(0, len(outcome.transcript) - 1))
        flip = data.draw(st.integers(1, 255))
        tampered = bytearray(outcome.transcript)
        tampered[at] ^= flip
        assert broken_step(bytes(tampered))

    @given(st.data())
    def test_fails_on_any_leaf_left_out(self, data: st.DataObject) -> None:
        _, _, outcome = draw(MIXED, easy_rules(1, 1))
        leaves = json.loads(outcome.transcript)["leaves"]
        at = data.draw(st.integers(0, len(leaves) - 1))
        assert broken_step(changed(outcome.transcript, lambda paper: paper["leaves"].pop(at)))

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"a"',
            b"1" * 5000,
            b"[" * 100_000,
            b"\xff\xfe{}",
            b'{"a":1,"a":1}',
            b"\xef\xbb\xbf{}",
        ],
        ids=lambda content: repr(content[:8]),
    )
    def test_fails_on_what_is_no_transcript(self, content: bytes) -> None:
        assert broken_step(content) == "the file is canonical"

    @pytest.mark.parametrize("spoil", [b" ", b"\n"])
    def test_fails_on_space_after_the_end(self, spoil: bytes) -> None:
        _, _, outcome = draw(MIXED)
        assert broken_step(outcome.transcript + spoil) == "the file is canonical"


class TestVerifyTranscriptOfAnOperator:
    """Who made the transcript can hash anew whatever is changed; each step stops another lie."""

    def _refused(self, change: Callable[[dict[str, Any]], None]) -> str | None:
        _, _, outcome = draw(MIXED, EASY)
        return broken_step(recommitted(outcome.transcript, change))

    def test_another_chain(self) -> None:
        def change(paper: dict[str, Any]) -> None:
            paper["commitment"]["beacon"]["chain"] = "00" * 32

        assert self._refused(change) == "the commitment has its hash and names drand's quicknet"

    def test_tiers_without_order(self) -> None:
        def change(paper: dict[str, Any]) -> None:
            paper["rules"]["tiers"].reverse()

        assert self._refused(change) == "the rules are those that were committed"

    @pytest.mark.parametrize(
        ("name", "value"),
        [("cut_off", "2017-04-03T23:59:59+08:00"), ("committed_at", "2017-04-18T23:59:59+08:00"), ("mode", "live")],
    )
    def test_times_out_of_order(self, name: str, value: str) -> None:
        def change(paper: dict[str, Any]) -> None:
            paper["commitment"][name] = value

        assert self._refused(change) == "cut-off, commitment and beacon round come in this order"

    def test_a_rehearsal_with_another_round_than_the_recorded(self) -> None:
        def change(paper: dict[str, Any]) -> None:
            paper["commitment"]["beacon"]["round"] = paper["beacon"]["round"] = 1001

        assert self._refused(change) == "cut-off, commitment and beacon round come in this order"

    @pytest.mark.parametrize("shift", [-1, 1])
    def test_a_live_round_that_the_formula_does_not_name(self, shift: int) -> None:
        _, _, outcome = draw(MIXED, mode=Mode.LIVE)

        def change(paper: dict[str, Any]) -> None:
            paper["commitment"]["beacon"]["round"] += shift
            paper["beacon"]["round"] += shift

        title = broken_step(recommitted(outcome.transcript, change))
        assert title == "cut-off, commitment and beacon round come in this order"

    def test_randomness_of_his_own(self) -> None:
        def change(paper: dict[str, Any]) -> None:
            paper["beacon"]["signature"] = "00" * 48
            paper["beacon"]["randomness"] = sha256(bytes(48)).hex()

        assert self._refused(change) == "the randomness is that of the named round"

    def test_a_forged_signature_in_a_live_draw_is_left_to_bls(self) -> None:
        forged = replaced_randomness(bytes(48))
        assert broken_step(forged) is None
        assert verify_transcript(forged)[-1].title == "the round bears drand's BLS signature"
        assert verify_transcript(forged)[-1].verdict is Verdict.BROKEN

    def test_another_number(self) -> None:
        def change(paper: dict[str, Any]) -> None:
            paper["commitment"]["committed_at"] = "2017-04-19T00:00:01+08:00"

        assert self._refused(change) == "the numbers follow from the randomness and the commitment"

    def test_counts_that_are_not_the_trees(self) -> None:
        leaves = leaves_of(MIXED, SECRET)
        counts = leaves.counts()
        counts[Status.VOID], counts[Status.LATE] = counts[Status.VOID] + 1, counts[Status.LATE] - 1
        commitment = replace(commitment_of(leaves, EASY), counts=counts)
        outcome = outcome_of(commitment, EASY, RECORDED, leaves.at, hashes_of(leaves))
        assert broken_step(outcome.transcript) == "the counts are those of the tree"

    def test_leaves_out_of_order(self) -> None:
        honest = leaves_of(MIXED, SECRET)
        for first in range(honest.counts()[Status.ELIGIBLE] - 1):
            order = [*range(first), first + 1, first, *range(first + 2, len(honest))]
            swapped = Leaves(b"".join(map(honest.at, order)), array("q", (honest.claims[at] for at in order)))
            _, _, outcome = draw_leaves(swapped, EASY)
            shown = {leaf["position"] for leaf in json.loads(outcome.transcript)["leaves"]}
            if {first, first + 1} <= shown:
                break
        assert {first, first + 1} <= shown
        assert broken_step(outcome.transcript) == "the leaves shown are well formed and in order"

    def test_a_winner_left_out(self) -> None:
        leaves, transcript, block = interior_draw()
        for position in block:
            assert broken_step(shown_without(leaves, transcript, position)) == "no winner was left out"

    def test_a_neighbour_left_out(self) -> None:
        leaves, transcript, block = interior_draw()
        for position in (block[0] - 1, block[-1] + 1):
            assert broken_step(shown_without(leaves, transcript, position)) == "no winner was left out"

    def test_the_border_of_a_status_left_out(self) -> None:
        leaves, _, outcome = draw(MIXED, EASY)
        forged = shown_without(leaves, outcome.transcript, len(MIXED) - 1)
        assert broken_step(forged) == "the counts are those of the tree"

    def test_a_leaf_shown_that_nothing_needs(self) -> None:
        leaves, _, outcome = draw(MIXED, EASY)
        shown = {leaf["position"] for leaf in json.loads(outcome.transcript)["leaves"]}
        extra = next(position for position in range(len(MIXED)) if position not in shown)
        assert broken_step(shown_with(leaves, outcome.transcript, shown | {extra})) == "no winner was left out"

    @pytest.mark.parametrize("change", ["more", "none", "another"])
    def test_prizes_of_his_own(self, change: str) -> None:
        def spoil(paper: dict[str, Any]) -> None:
            prizes = paper["prizes"]
            match change:
                case "more":
                    prizes[0]["amount_mongo"] += 1
                case "none":
                    prizes.pop()
                case "another":
                    prizes[0]["position"] += 1

        assert self._refused(spoil) == "the prizes follow from the rules"

    @pytest.mark.parametrize("change", ["fewer", "more"])
    def test_another_number_of_hashes(self, change: str) -> None:
        def spoil(paper: dict[str, Any]) -> None:
            paper["proof"].pop() if change == "fewer" else paper["proof"].append("00" * 32)

        assert self._refused(spoil) == "the leaves shown are under the committed root"

    def test_a_leaf_beyond_the_tree(self) -> None:
        def spoil(paper: dict[str, Any]) -> None:
            paper["leaves"][-1]["position"] += 1

        assert self._refused(spoil) == "the leaves shown are under the committed root"

    def test_a_leaf_shown_beyond_the_tree(self) -> None:
        def spoil(paper: dict[str, Any]) -> None:
            paper["leaves"].append({"position": 90, "status": "over_cap", "digits": "", "ticket": "ff" * 32})

        assert self._refused(spoil) == "the leaves shown are under the committed root"

    @pytest.mark.parametrize("digits", ["", "00000000"])
    def test_digits_that_do_not_fit_the_status(self, digits: str) -> None:
        def spoil(paper: dict[str, Any]) -> None:
            paper["leaves"][0 if digits == "" else -1]["digits"] = digits

        assert self._refused(spoil) == "the leaves shown are well formed and in order"


def shown_without(leaves: Leaves, transcript: bytes, hidden: int) -> bytes:
    """The transcript of an operator who hides a leaf, with a proof and prizes that fit."""
    shown = {leaf["position"] for leaf in json.loads(transcript)["leaves"]}
    return shown_with(leaves, transcript, shown - {hidden})


def shown_with(leaves: Leaves, transcript: bytes, positions: set[int]) -> bytes:
    """The transcript with just these leaves, and a proof and prizes that fit."""
    ordered = sorted(positions)

    def change(paper: dict[str, Any]) -> None:
        paper["leaves"] = [_leaf_json(position, Leaf.of(leaves.at(position))) for position in ordered]
        paper["proof"] = [digest.hex() for digest in hashes_of(leaves)(proof_nodes(ordered, len(leaves)))]
        paper["prizes"] = [prize for prize in paper["prizes"] if prize["position"] in positions]

    return changed(transcript, change)


def replaced_randomness(signature: bytes) -> bytes:
    """A live draw from a signature that nobody made."""
    beacon = Round(RECORDED.number, sha256(signature), signature)
    _, _, outcome = draw(MIXED, mode=Mode.LIVE, beacon=beacon)
    return outcome.transcript


class TestVerifyProof:
    @given(STATUSES.filter(len), st.data())
    def test_proves_every_claim_with_its_status(self, statuses: list[Status], data: st.DataObject) -> None:
        mine = entry(claim := data.draw(st.integers(1, len(statuses))), statuses[claim - 1])
        leaves, commitment, _ = draw(entries_of(statuses))
        content = proof(leaves, commitment, mine)
        assert broken_step(content) is None
        said = "it takes part" if mine.status is Status.ELIGIBLE else f"excluded: {mine.status.word}"
        assert verify(content)[-1].detail.endswith(said)

    @pytest.mark.parametrize("claim", [1, 3, 5, 9], ids=["eligible", "excluded", "eligible too", "excluded too"])
    def test_fails_on_every_changed_character(self, claim: int) -> None:
        leaves, commitment, _ = draw(MIXED)
        text = proof(leaves, commitment, MIXED[claim]).decode()
        for spoiled in spoilings(text):
            assert broken_step(spoiled.encode()), spoiled

    def test_fails_with_another_claims_salt(self) -> None:
        leaves, commitment, _ = draw(MIXED)
        other = json.loads(proof(leaves, commitment, MIXED[4]))["salt"]
        content = changed(proof(leaves, commitment, MIXED[1]), lambda paper: paper.update(salt=other))
        assert broken_step(content) == "the leaf is under the committed root, where its status stands"

    def test_fails_where_the_counts_put_another_status(self) -> None:
        leaves = leaves_of(MIXED, SECRET)
        counts = leaves.counts()
        counts[Status.VOID], counts[Status.LATE] = counts[Status.VOID] + 1, counts[Status.LATE] - 1
        claims = [leaves.claims[at] for at in range(len(leaves)) if leaves.at(at)[0] == Status.BUSINESS]
        first = next(entry for entry in MIXED if entry.claim == claims[0])
        content = proof(leaves, replace(commitment_of(leaves), counts=counts), first)
        assert broken_step(content) == "the leaf is under the committed root, where its status stands"


class TestVerifyTogether:
    RULES = easy_rules(1, 1)

    @given(st.integers(1, 90))
    def test_says_what_the_receipt_won(self, claim: int) -> None:
        leaves, commitment, outcome = draw(MIXED, self.RULES)
        step = verify_together(outcome.transcript, proof(leaves, commitment, MIXED[claim - 1]))
        won = [prize for prize in outcome.prizes if leaves.claims[prize.position] == claim]
        assert step.verdict is Verdict.HOLDS
        assert step.detail.count("MNT") == len(won)

    def test_refuses_papers_of_two_draws(self) -> None:
        leaves, commitment, _ = draw(MIXED, self.RULES)
        _, _, other = draw(MIXED[1:], self.RULES)
        assert verify_together(other.transcript, proof(leaves, commitment, MIXED[1])).verdict is Verdict.BROKEN

    def test_unmasks_an_operator_who_put_a_winner_out_of_its_place(self) -> None:
        """He swaps a winner's leaf with another before committing; the transcript holds, the owner's proof does not."""
        transcript, winner_proof = misplaced_winner(MIXED, self.RULES)
        assert broken_step(transcript) is None
        assert broken_step(winner_proof) is None
        step = verify_together(transcript, winner_proof)
        assert step.detail == "the receipt's digits win, and the transcript left it out"
