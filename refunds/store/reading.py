"""SQL of what consumers see of their wallet (SQLAlchemy), and of the one thing in it that they set."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, select, update

from refunds.ledger import Balances
from refunds.tables import ACCOUNTS, CONSUMERS, PAYOUTS

_BALANCES = tuple(ACCOUNTS.c[name] for name in Balances.__dataclass_fields__)


def balances_of(connection: Connection, consumer: int) -> Balances:
    """Answer a consumer's balances; all zero for one who was never credited."""
    row = connection.execute(select(*_BALANCES).where(ACCOUNTS.c.consumer == consumer)).one_or_none()
    return Balances() if row is None else Balances(*row)


def payouts_of(connection: Connection, consumer: int, *, before: int | None, limit: int) -> Sequence[RowMapping]:
    """Answer a consumer's payouts, newest first, those before number `before`."""
    payouts = select(PAYOUTS).where(PAYOUTS.c.consumer == consumer)
    if before is not None:
        payouts = payouts.where(PAYOUTS.c.payout < before)
    return connection.execute(payouts.order_by(PAYOUTS.c.payout.desc()).limit(limit)).mappings().all()


def set_bank_account(connection: Connection, consumer: int, bank_account: str) -> bool:
    """Store where a consumer is paid; False when there is no such consumer."""
    kept = update(CONSUMERS).where(CONSUMERS.c.consumer == consumer).values(bank_account=bank_account)
    return connection.execute(kept).rowcount == 1
