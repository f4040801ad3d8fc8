"""Closing a month: who is entered, who is not and why, and when it is refused."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.clock import Month
from lottery.beacon import QUICKNET, Mode, RoundWasPublic
from lottery.close_month import AlreadyClosed, CutOffNotReached, EarlierMonthOpen, LaterMonthClosed, close_month
from lottery.commitment import Commitment
from lottery.entries import Status
from lottery.rules import cut_off
from lottery.store import reading
from lottery.verify_draw import Verdict, verify
from runtime.database import Database, Role
from tests.factories import PartOf, Till, World
from tests.lottery.conftest import Draws
from tests.lottery.drawing import LIVE_COMMITTED_AT, MONTH, RULES, SECRET

APRIL = MONTH.plus(1)
LATE = cut_off(MONTH)


def statuses(database: Database, month: Month = MONTH) -> dict[int, Status]:
    """Claim -> status, as stored for a month."""
    ordinal = month.year * 12 + month.number - 1
    with database.transaction(Role.JOBS) as connection:
        rows = connection.execute(text("SELECT claim, status FROM lottery.entries WHERE month = :m"), {"m": ordinal})
        return {claim: Status(status) for claim, status in rows}


class TestEntries:
    async def test_enters_what_was_claimed(self, world: World, draws: Draws) -> None:
        shop, consumer = world.add_shop(), world.add_consumer()
        claims = [(await world.claim(await world.sell(shop, 1100), consumer)).claim.claim for _ in range(3)]
        await world.sell(shop, 2200)  # nobody claims it
        commitment = draws.close()
        assert statuses(world.database) == dict.fromkeys(claims, Status.ELIGIBLE)
        assert commitment.counts[Status.ELIGIBLE] == commitment.size == 3

    async def test_excludes_what_was_voided_even_before_the_claim_followed(self, world: World, draws: Draws) -> None:
        shop, consumer = world.add_shop(), world.add_consumer()
        first, second = await world.sell(shop, 1100), await world.sell(shop, 1100)
        followed = (await world.claim(first, consumer)).claim.claim
        pending = (await world.claim(second, consumer)).claim.claim
        await world.void(first)
        await world.follow()
        await world.void(second)
        draws.close()
        assert statuses(world.database) == {followed: Status.VOID, pending: Status.VOID}

    async def test_judges_a_corrected_bundle_as_it_is_now(self, world: World, draws: Draws) -> None:
        shop, consumer = world.add_shop(), world.add_consumer()
        kept, emptied = await world.sell(shop, 1100), await world.sell(shop, 1100)
        kept_claim = (await world.claim(kept, consumer)).claim.claim
        emptied_claim = (await world.claim(emptied, consumer)).claim.claim
        await world.correct(await world.correct(kept, shop, 0), shop, 550)
        await world.correct(emptied, shop, 0)
        draws.close()
        assert statuses(world.database) == {kept_claim: Status.ELIGIBLE, emptied_claim: Status.BELOW_MINIMUM}

    async def test_excludes_a_bundle_corrected_and_then_voided(self, world: World, draws: Draws) -> None:
        shop, consumer = world.add_shop(), world.add_consumer()
        root = await world.sell(shop, 1100)
        claim = (await world.claim(root, consumer)).claim.claim
        await world.void(await world.correct(root, shop, 550))
        draws.close()
        assert statuses(world.database) == {claim: Status.VOID}

    async def test_excludes_who_was_listed_with_a_merchant_after_claiming(self, world: World, draws: Draws) -> None:
        shop, lessee, consumer = world.add_shop(), world.add_shop(), world.add_consumer()
        own = (await world.claim(await world.sell(shop, PartOf(1100), PartOf(1100, shop=lessee)), consumer)).claim.claim
        other = (await world.claim(await world.sell(shop, 1100), consumer)).claim.claim
        with world.database.transaction(Role.OWNER) as connection:
            row = {"seller": lessee.seller, "consumer": consumer, "day": date(2017, 1, 1)}
            connection.execute(
                text("INSERT INTO private.seller_people VALUES (:seller, :consumer, 'cashier', :day, NULL)"), row
            )
        draws.close()
        assert statuses(world.database) == {own: Status.OWN_SELLER, other: Status.ELIGIBLE}

    async def test_excludes_who_belongs_to_a_merchant_that_a_correction_brought_in(
        self, world: World, draws: Draws
    ) -> None:
        shop, lessee = world.add_shop(), world.add_shop()
        consumer = world.add_consumer(owner_of=lessee)
        root = await world.sell(shop, 1100)
        claim = (await world.claim(root, consumer)).claim.claim
        await world.correct(root, shop, PartOf(1100), PartOf(1100, shop=lessee))
        draws.close()
        assert statuses(world.database) == {claim: Status.OWN_SELLER}

    async def test_excludes_what_is_over_the_cap_of_a_seller_and_day(self, world: World, draws: Draws) -> None:
        shop, other_shop = world.add_shop(), world.add_shop()
        consumer, other_consumer = world.add_consumer(), world.add_consumer()
        cap = RULES.cap_per_seller_day
        claims = []
        for _ in range(cap + 1):
            world.now += timedelta(seconds=1)
            claims.append((await world.claim(await world.sell(shop, 1100), consumer)).claim.claim)
        elsewhere = (await world.claim(await world.sell(other_shop, 1100), consumer)).claim.claim
        another = (await world.claim(await world.sell(shop, 1100), other_consumer)).claim.claim
        world.now += timedelta(days=1)
        next_day = (await world.claim(await world.sell(shop, 1100), consumer)).claim.claim
        draws.close()
        found = statuses(world.database)
        assert [claim for claim, status in found.items() if status is Status.OVER_CAP] == [claims[-1]]
        assert all(found[claim] is Status.ELIGIBLE for claim in (*claims[:-1], elsewhere, another, next_day))


class TestUnreported:
    async def _held(self, world: World) -> tuple[Till, int]:
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 1100)
        claim = (await world.claim(link, consumer)).claim.claim
        self.link = link
        return till, claim

    async def test_lists_it_as_provisional_and_enters_it_next_time(self, world: World, draws: Draws) -> None:
        till, claim = await self._held(world)
        draws.close()
        assert statuses(world.database) == {claim: Status.PROVISIONAL}
        await world.upload(till, self.link)
        await world.follow()
        draws.close(APRIL)
        assert statuses(world.database, APRIL) == {claim: Status.ELIGIBLE}

    async def test_lists_it_once_while_it_stays_unreported(self, world: World, draws: Draws) -> None:
        _, claim = await self._held(world)
        draws.close()
        draws.close(APRIL)
        assert statuses(world.database) == {claim: Status.PROVISIONAL}
        assert statuses(world.database, APRIL) == {}

    async def test_lists_it_in_no_earlier_months_draw(self, world: World, draws: Draws) -> None:
        world.now = APRIL.starts_at
        _, claim = await self._held(world)
        draws.close()
        assert statuses(world.database) == {}
        draws.close(APRIL)
        assert statuses(world.database, APRIL) == {claim: Status.PROVISIONAL}

    async def test_enters_what_was_reported_in_time(self, world: World, draws: Draws) -> None:
        till, claim = await self._held(world)
        await world.upload(till, self.link)
        await world.follow()
        draws.close()
        assert statuses(world.database) == {claim: Status.ELIGIBLE}


class TestLate:
    async def test_rolls_a_late_claim_to_the_next_draw(self, world: World, draws: Draws) -> None:
        shop, consumer = world.add_shop(), world.add_consumer()
        in_time, late, later = [await world.sell(shop, 1100) for _ in range(3)]
        world.now = LATE - timedelta(seconds=1)
        first = (await world.claim(in_time, consumer)).claim.claim
        world.now = LATE
        second = (await world.claim(late, consumer)).claim.claim
        draws.close()
        third = (await world.claim(later, consumer)).claim.claim
        assert statuses(world.database) == {first: Status.ELIGIBLE, second: Status.LATE}
        draws.close(APRIL)
        assert statuses(world.database, APRIL) == {second: Status.ELIGIBLE, third: Status.ELIGIBLE}
        draws.close(APRIL.plus(1))
        assert statuses(world.database, APRIL.plus(1)) == {}

    async def test_does_not_enter_a_late_claim_that_was_voided_meanwhile(self, world: World, draws: Draws) -> None:
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 1100)
        world.now = LATE
        await world.claim(receipt, consumer)
        draws.close()
        await world.void(receipt)
        await world.follow()
        draws.close(APRIL)
        assert statuses(world.database, APRIL) == {}

    async def test_counts_earlier_draws_towards_the_cap(self, world: World, draws: Draws) -> None:
        shop, consumer = world.add_shop(), world.add_consumer()
        receipts = [await world.sell(shop, 1100) for _ in range(RULES.cap_per_seller_day + 1)]
        for receipt in receipts[:-2]:
            await world.claim(receipt, consumer)
        world.now = LATE
        rolled = (await world.claim(receipts[-2], consumer)).claim.claim
        world.now += timedelta(seconds=1)
        refused = (await world.claim(receipts[-1], consumer)).claim.claim
        draws.close()
        draws.close(APRIL)
        assert statuses(world.database, APRIL) == {rolled: Status.ELIGIBLE, refused: Status.OVER_CAP}


class TestRefusals:
    async def test_refuses_before_the_cut_off(self, world: World, draws: Draws) -> None:
        world.now = LATE - timedelta(seconds=1)
        with world.database.transaction(Role.JOBS) as connection, pytest.raises(CutOffNotReached):
            self._close(connection, world)
        assert timedelta(hours=72) <= LATE - MONTH.ends_at

    async def test_refuses_a_live_close_before_the_cut_off_in_real_time(self, world: World, draws: Draws) -> None:
        with pytest.raises(CutOffNotReached):
            draws.close(mode=Mode.LIVE, real_now=LATE - timedelta(seconds=1))

    async def test_refuses_a_second_commitment(self, world: World, draws: Draws) -> None:
        draws.close()
        with pytest.raises(AlreadyClosed):
            draws.close()

    async def test_refuses_while_an_earlier_month_with_claims_is_open(self, world: World, draws: Draws) -> None:
        await world.claim(await world.sell(world.add_shop(), 1100), world.add_consumer())
        with pytest.raises(EarlierMonthOpen, match="2017-03"):
            draws.close(APRIL)

    async def test_refuses_when_a_later_month_is_closed(self, world: World, draws: Draws) -> None:
        draws.close(APRIL)
        with pytest.raises(LaterMonthClosed, match="2017-04"):
            draws.close()

    async def test_refuses_a_live_close_that_took_until_the_round_was_public(self, world: World) -> None:
        world.now = LATE
        times = iter([LIVE_COMMITTED_AT, QUICKNET.time_of(1000)])
        with world.database.transaction(Role.JOBS) as connection, pytest.raises(RoundWasPublic):
            close_month(
                connection, world.clock, month=MONTH, mode=Mode.LIVE, secret=SECRET, real_clock=lambda: next(times)
            )

    def _close(self, connection: object, world: World) -> Commitment:
        return close_month(
            connection,  # type: ignore[arg-type]
            world.clock,
            month=MONTH,
            mode=Mode.REHEARSAL,
            secret=SECRET,
            real_clock=world.clock,
        )


class TestCommitment:
    async def test_names_the_round_by_the_formula_when_live(self, world: World, draws: Draws) -> None:
        commitment = draws.close(mode=Mode.LIVE, real_now=LIVE_COMMITTED_AT + timedelta(microseconds=999_999))
        assert commitment.round == 1000
        assert commitment.committed_at == LIVE_COMMITTED_AT

    async def test_reads_back_as_it_was_stored(self, world: World, draws: Draws) -> None:
        await world.claim(await world.sell(world.add_shop(), 1100), world.add_consumer())
        commitment = draws.close()
        with world.database.transaction(Role.CLAIMS) as connection:
            stored = reading.find_draw(connection, MONTH)
        assert stored is not None
        assert (stored.commitment, stored.rules) == (commitment, RULES)
        assert stored.commitment_hash == commitment.hash()
        assert stored.numbers is None

    async def test_can_be_of_a_month_without_claims(self, world: World, draws: Draws) -> None:
        assert draws.close().size == 0
        assert verify(draws.run().transcript)[-1].verdict is Verdict.HOLDS

    @pytest.mark.parametrize("table", ["lottery.draws", "lottery.entries", "lottery.tree", "private.draw_secrets"])
    @pytest.mark.parametrize("role", [Role.JOBS, Role.OWNER])
    async def test_never_changes(self, world: World, draws: Draws, table: str, role: Role) -> None:
        await world.claim(await world.sell(world.add_shop(), 1100), world.add_consumer())
        draws.close()
        for statement in (f"UPDATE {table} SET month = 1", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(DBAPIError, match=r"never changes|permission denied"):
                execute(world.database, role, statement)

    async def test_is_read_by_officers_without_claims_or_secrets(self, world: World, draws: Draws) -> None:
        draws.close()
        execute(world.database, Role.OFFICER, "SELECT * FROM lottery.draws")
        for role in (Role.OFFICER, Role.GATEWAY):
            for table in ("lottery.entries", "lottery.tree", "lottery.prizes", "private.draw_secrets"):
                with pytest.raises(DBAPIError, match="permission denied"):
                    execute(world.database, role, f"SELECT * FROM {table}")


def execute(database: Database, role: Role, statement: str) -> None:
    with database.transaction(role) as connection:
        connection.execute(text(statement))
