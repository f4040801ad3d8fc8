"""Running a draw on stored claims: prizes to claims, once, with a transcript that anybody can check."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.clock import Month
from lottery.beacon import RECORDED, Mode, RoundWasPublic, WrongRandomness
from lottery.close_month import AlreadyClosed
from lottery.commitment import Leaf
from lottery.draw import revealed_positions
from lottery.entries import Status
from lottery.run_draw import SUPER_TIER, AlreadyDrawn, ClaimPrize, UnknownDraw, require_round
from lottery.store import reading
from lottery.transcript import verify_transcript
from lottery.tree import Tree, proof_nodes
from lottery.verify_draw import Verdict
from refunds.post_prizes import Prize, post_prizes
from runtime.database import Role
from tests.factories import World
from tests.lottery.conftest import Draws, claims_of_thirty
from tests.lottery.drawing import MONTH, ROUND_TIME, RULES, draw, easy_rules, entries_of


@pytest.mark.usefixtures("generous")
class TestRunDraw:
    async def test_gives_each_prize_to_the_claim_whose_digits_won(self, world: World, draws: Draws) -> None:
        claims = await claims_of_thirty(world)
        draws.close()
        drawn = draws.run()
        with world.database.transaction(Role.JOBS) as connection:
            rows = connection.execute(text("SELECT claim, leaf FROM lottery.entries"))
            digits = {claim: Leaf.of(leaf).digits for claim, leaf in rows}
            stored = reading.prizes_of_month(connection, MONTH)
            transcript = reading.transcript_of(connection, MONTH)
        assert set(digits) == set(claims)
        main = {claim for claim, own in digits.items() if own[-1] == drawn.numbers.main[-1]}
        fortunate = {claim for claim, own in digits.items() if own[-1] == drawn.numbers.super[-1]}
        assert {prize.claim for prize in drawn.prizes if prize.tier != SUPER_TIER} == main
        assert {prize.claim for prize in drawn.prizes if prize.tier == SUPER_TIER} == fortunate
        assert stored == [(prize.claim, prize.tier, prize.amount_mongo) for prize in drawn.prizes]
        assert transcript == drawn.transcript
        assert all(step.verdict is not Verdict.BROKEN for step in verify_transcript(drawn.transcript))

    async def test_gives_the_ledger_prizes_that_it_can_post(self, world: World, draws: Draws) -> None:
        await claims_of_thirty(world)
        draws.close()
        drawn = draws.run()
        assert drawn.prizes
        with world.database.transaction(Role.JOBS) as connection:
            prizes = [Prize(prize.claim, prize.tier, prize.amount_mongo) for prize in drawn.prizes]
            posted = post_prizes(connection, world.clock, prizes=prizes)
        assert posted.count == len(drawn.prizes)
        assert posted.total_mongo == sum(prize.amount_mongo for prize in drawn.prizes)

    async def test_shows_nothing_of_who_or_which_receipt(self, world: World, draws: Draws) -> None:
        claims = await claims_of_thirty(world)
        draws.close()
        paper = json.loads(draws.run().transcript)
        assert {tuple(leaf) for leaf in paper["leaves"]} == {("digits", "position", "status", "ticket")}
        with world.database.transaction(Role.JOBS) as connection:
            hashes = [row.hex() for row in connection.scalars(text("SELECT root_hash FROM claims.claims"))]
        tickets = {leaf["ticket"] for leaf in paper["leaves"]}
        assert len(hashes) == len(claims)
        assert tickets.isdisjoint(hashes)

    async def test_stays_drawn_whatever_follows(self, world: World, draws: Draws) -> None:
        await claims_of_thirty(world)
        draws.close()
        drawn = draws.run()
        for refusal, again in ((AlreadyDrawn, draws.run), (AlreadyClosed, draws.close)):
            with pytest.raises(refusal):
                again()
        assert drawn.prizes
        for table in ("lottery.transcripts", "lottery.prizes"):
            for statement in (f"UPDATE {table} SET month = 1", f"DELETE FROM {table}"):
                for role in (Role.JOBS, Role.OWNER):
                    with (
                        pytest.raises(DBAPIError, match=r"never changes|permission denied"),
                        world.database.transaction(role) as connection,
                    ):
                        connection.execute(text(statement))

    async def test_keeps_the_rules_that_were_committed(
        self, world: World, draws: Draws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await claims_of_thirty(world)
        commitment = draws.close()
        monkeypatch.setattr("lottery.rules._PLANS", ((Month(2000, 1), easy_rules(8, 8).plan),))
        assert json.loads(draws.run().transcript)["rules"] == easy_rules(1, 1).to_json()
        assert commitment.rules_hash == easy_rules(1, 1).hash()


class TestRefusals:
    async def test_refuses_a_month_that_is_not_closed(self, draws: Draws) -> None:
        with pytest.raises(UnknownDraw):
            draws.run()

    async def test_checks_the_round_of_a_rehearsal_too(self, draws: Draws) -> None:
        draws.close()
        with pytest.raises(WrongRandomness):
            draws.run(beacon=replace(RECORDED, randomness=bytes(32)))

    def test_refuses_a_live_round_that_was_public_before_the_commitment(self) -> None:
        """However such a commitment came into the database."""
        _, commitment, _ = draw(entries_of([]), mode=Mode.LIVE)
        require_round(commitment, RECORDED)
        with pytest.raises(RoundWasPublic):
            require_round(replace(commitment, committed_at=ROUND_TIME), RECORDED)


class TestStoredTree:
    async def test_answers_the_hashes_of_a_tree_of_many_chunks(self, world: World, draws: Draws) -> None:
        """The rows hold 256 hashes; what is read back is the tree over the same leaves."""
        leaves = [bytes((position % 256, position // 256)) for position in range(700)]
        tree = Tree.of(leaves)
        draws.close()
        with world.database.transaction(Role.JOBS) as connection:
            ordinal = MONTH.year * 12 + MONTH.number - 1
            connection.execute(
                text("INSERT INTO lottery.tree VALUES (:month, :level, :chunk, :hashes)"),
                [
                    {"month": ordinal, "level": level, "chunk": at // 8192, "hashes": hashes[at : at + 8192]}
                    for level, hashes in enumerate(tree.levels)
                    for at in range(0, len(hashes), 8192)
                ],
            )
            nodes = proof_nodes([0, 300, 699], 700)
            assert reading.hashes_of(connection, MONTH, nodes) == [tree.hash_of(node) for node in nodes]
            assert reading.hashes_of(connection, MONTH, []) == []


def test_the_rules_of_2017_show_few_leaves_of_a_great_draw() -> None:
    """Of 26 million entries about 26,000 win; of five thousand, some twenty leaves are shown."""
    leaves, commitment, outcome = draw(entries_of([Status.ELIGIBLE] * 5000))
    shown = revealed_positions(leaves.at, commitment.counts, RULES.plan, outcome.numbers)
    assert len(shown) < 30


def test_claim_prizes_are_what_the_ledger_takes() -> None:
    assert ClaimPrize.__slots__ == Prize.__slots__
