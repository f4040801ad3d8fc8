"""The consumers' wallet over HTTP: balance, payouts, and the bank account to which they go."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from kernel.clock import format_instant
from kernel.refusal import Refusal
from refunds.payout import parse_bank_account
from refunds.store import reading
from runtime.database import Database, Role
from runtime.faults import parsed_by

PAYOUTS_LISTED_MAX = 100


class UnknownConsumer(Refusal):
    """The token names nobody who is enrolled."""

    code = "unknown_consumer"


class BankAccountIn(BaseModel):
    """Where to pay: an IBAN or an account number, digits and capital letters without spaces."""

    model_config = ConfigDict(extra="forbid")
    bank_account: Annotated[str, Field(max_length=64), parsed_by(parse_bank_account)]


class BalanceOut(BaseModel):
    """A consumer's accounts in möngö. `provisional_mongo` waits for shops to report; `debt_mongo` is netted from what
    is credited next.
    """

    provisional_mongo: int
    available_mongo: int
    reserved_mongo: int
    paid_mongo: int
    debt_mongo: int


class PayoutOut(BaseModel):
    """An order to the bank. Times are RFC 3339; `answered_at` is null until the bank has answered."""

    payout: str
    amount_mongo: int
    bank_account: str
    state: str
    reserved_at: str
    answered_at: str | None
    reason: str | None


class PayoutsOut(BaseModel):
    """Payouts, newest first; `next_before` asks for the ones before them."""

    payouts: list[PayoutOut]
    next_before: str | None


def make_router(current_consumer: Callable[..., Any]) -> APIRouter:
    """Answer the wallet's routes. `current_consumer` is the dependency that answers who is asking, as a number; the app
    must carry the `Database` in its state.
    """
    router = APIRouter(prefix="/v1/me", tags=["consumers"])
    consumer_of = Annotated[int, Depends(current_consumer)]

    @router.get("/balance", summary="My money")
    def get_balance(request: Request, consumer: consumer_of) -> BalanceOut:
        """Answer your five accounts in möngö: what is provisional until a shop has reported the sale, what is available
        for the next payout, reserved in a payout under way, paid, and owed after a sale was voided.
        """
        with _database(request).transaction(Role.CLAIMS) as connection:
            balances = reading.balances_of(connection, consumer)
        return BalanceOut(**{name: getattr(balances, name) for name in BalanceOut.model_fields})

    @router.get("/payouts", summary="My payouts, newest first")
    def get_payouts(
        request: Request,
        consumer: consumer_of,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    ) -> PayoutsOut:
        """Answer a hundred payouts at a time; `next_before`, sent as `before`, asks for the ones before them."""
        with _database(request).transaction(Role.CLAIMS) as connection:
            rows = reading.payouts_of(connection, consumer, before=before, limit=PAYOUTS_LISTED_MAX)
        more = len(rows) == PAYOUTS_LISTED_MAX
        return PayoutsOut(payouts=[_payout(row) for row in rows], next_before=str(rows[-1]["payout"]) if more else None)

    @router.put("/bank-account", summary="Where to pay me")
    def put_bank_account(request: Request, body: BankAccountIn, consumer: consumer_of) -> BankAccountIn:
        """Keep the bank account to which payouts go from now on. Without one nothing is paid out; the money stays
        available.
        """
        with _database(request).transaction(Role.CLAIMS) as connection:
            if not reading.set_bank_account(connection, consumer, body.bank_account):
                raise UnknownConsumer
        return body

    return router


def _database(request: Request) -> Database:
    database = request.app.state.database
    assert isinstance(database, Database)
    return database


def _payout(row: Any) -> PayoutOut:
    return PayoutOut(
        payout=str(row["payout"]),
        amount_mongo=row["amount_mongo"],
        bank_account=row["bank_account"],
        state=row["state"],
        reserved_at=format_instant(row["reserved_at"]),
        answered_at=_instant(row["answered_at"]),
        reason=row["reason"],
    )


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)
