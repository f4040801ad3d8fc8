"""SQL of sums over the whole ledger (SQLAlchemy, jobs)."""

from sqlalchemy import Connection, text

INITIAL_CREDITS = """
SELECT count(DISTINCT reference), coalesce(sum(amount_mongo), 0)::bigint FROM private.transfers WHERE cause = 'credit'
"""


def initial_credits(connection: Connection) -> tuple[int, int]:
    """Answer how many claims were credited when they were made, and the sum of it in möngö."""
    count, total_mongo = connection.execute(text(INITIAL_CREDITS)).one()
    return int(count), int(total_mongo)
