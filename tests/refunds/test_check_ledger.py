from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text, update

from refunds.check_ledger import check_ledger
from refunds.payout import Paid, Returned
from refunds.post_prizes import Prize, post_prizes
from refunds.run_payouts import orders_to_send, run_payouts, settle_payouts
from refunds.tables import CONSUMERS
from runtime.database import Database, Role
from tests.factories import World, open_world

DROPPING = "ALTER TABLE private.transfers DISABLE TRIGGER USER;"


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """One of everything: final, corrected, voided, provisional, a prize, a payout paid, one returned, one open."""
    async with open_world(database) as opened:
        shop, till = opened.add_shop(), opened.add_till()
        consumers = [opened.add_consumer() for _ in range(3)]
        for consumer in consumers:
            sales = [await opened.sell(shop, 11_000_00) for _ in range(3)]
            claims = [await opened.claim(sale, consumer) for sale in sales]
            await opened.correct(sales[1], shop, 5_500_00)
            await opened.void(sales[2])
            await opened.claim(opened.ring_up(till, 11_000_00), consumer)
        await opened.follow()
        with database.transaction(Role.CLAIMS) as connection:
            connection.execute(update(CONSUMERS).values(bank_account="5005001234"))
        with database.transaction(Role.JOBS) as connection:
            post_prizes(connection, opened.clock, prizes=[Prize(claims[0].claim.claim, 3, 30_000_00)])
            run_payouts(connection, opened.clock)
            first, second, _ = orders_to_send(connection)
            answers = [Paid(first.payout), Returned(second.payout, "closed")]
            settle_payouts(connection, opened.clock, answers=answers)
        yield opened


def breaches(world: World) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with world.database.transaction(Role.JOBS) as connection:
        for breach in check_ledger(connection):
            found.setdefault(breach.invariant, []).append(breach.subject)
    return found


PLANTED = {
    "balance_of_account": "UPDATE private.accounts SET available_mongo = available_mongo + 1,"
    " debt_mongo = debt_mongo + 1 WHERE consumer = 1",
    "ledger_identity": "UPDATE private.accounts SET available_mongo = available_mongo + 1 WHERE consumer = 2",
    "ledger_identity_of_all": DROPPING + "DELETE FROM private.transfers WHERE cause = 'prize'",
    "unreported_of_claims": "UPDATE private.accounts SET unreported_mongo = unreported_mongo + 1 WHERE consumer = 3",
    "entitlement_of_credits": "UPDATE private.entitlements SET amount_mongo = amount_mongo + 1 WHERE consumer = 1",
    "credit_of_transfers": DROPPING
    + "UPDATE private.transfers SET amount_mongo = amount_mongo + 1 WHERE cause = 'correction'",
    "one_initial_credit": "INSERT INTO private.transfers SELECT cause, reference, 99, line, consumer, debit, credit,"
    " amount_mongo, posted_at FROM private.transfers WHERE cause = 'credit' AND reference = 1",
    "credit_of_claim": "UPDATE private.claim_owners SET consumer = 2 WHERE claim = 1",
    "credit_on_void": "UPDATE private.credits SET amount_mongo = 1, vat_mongo = 5, state = 'final'"
    " WHERE state = 'void'",
    "state_of_claim": "UPDATE claims.claims SET state = 'final' WHERE state = 'void'",
    "credit_of_receipt": "UPDATE private.credits SET vat_mongo = vat_mongo + 1 WHERE claim = 1",
    "reserved_of_payouts": "UPDATE private.payouts SET amount_mongo = amount_mongo + 1 WHERE state = 'reserved'",
    "paid_of_payouts": "DELETE FROM private.payouts WHERE state = 'paid'",
    "share_of_vat": "UPDATE private.credits SET amount_mongo = amount_mongo + 1 WHERE claim = 1",
}
"""Invariant -> what breaks it, as the owner of the tables could."""


class TestCheckLedger:
    async def test_finds_nothing_where_nothing_is_wrong(self, world):
        assert breaches(world) == {}

    @pytest.mark.parametrize("invariant", PLANTED)
    async def test_finds_what_was_planted(self, world, invariant):
        with world.database.transaction(Role.OWNER) as connection:
            connection.execute(text(PLANTED[invariant]))
        assert breaches(world)[invariant]

    async def test_passes_over_a_void_that_waits_in_the_outbox(self, world):
        consumer = world.add_consumer()
        receipt = await world.sell(world.add_shop(), 11_000_00)
        await world.claim(receipt, consumer)
        await world.void(receipt)
        assert breaches(world) == {}
        with world.database.transaction(Role.OWNER) as connection:
            connection.execute(text("DELETE FROM pos.outbox"))
        assert breaches(world).keys() == {"credit_on_void", "state_of_claim", "credit_of_receipt"}


class TestTransfers:
    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE private.transfers SET amount_mongo = amount_mongo + 1",
            "DELETE FROM private.transfers",
            "TRUNCATE private.transfers",
        ],
    )
    async def test_never_change(self, world, change):
        with (
            pytest.raises(Exception, match="a posted transfer never changes"),
            world.database.transaction(Role.OWNER) as one,
        ):
            one.execute(text(change))

    async def test_cannot_be_posted_twice(self, world):
        again = "INSERT INTO private.transfers SELECT * FROM private.transfers WHERE cause = 'credit'"
        with pytest.raises(Exception, match="transfers_pkey"), world.database.transaction(Role.OWNER) as connection:
            connection.execute(text(again))

    @pytest.mark.parametrize("account", ["provisional", "available", "reserved", "paid", "debt"])
    async def test_no_account_falls_below_zero(self, world, account):
        overdrawn = f"UPDATE private.accounts SET {account}_mongo = -1"
        with pytest.raises(Exception, match="check constraint"), world.database.transaction(Role.OWNER) as connection:
            connection.execute(text(overdrawn))


class TestPrivileges:
    @pytest.mark.parametrize("role", [Role.GATEWAY, Role.OFFICER])
    async def test_tills_and_officers_read_nobodys_wallet(self, world, role):
        tables = ("accounts", "transfers", "entitlements", "credits", "payouts", "claim_owners", "consumers")
        for table in tables:
            with pytest.raises(Exception, match="permission denied"), world.database.transaction(role) as connection:
                connection.execute(text(f"SELECT * FROM private.{table}"))
