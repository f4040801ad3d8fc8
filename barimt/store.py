"""SQL over several packages at once (SQLAlchemy, owner), which only the composition root may see together."""

from collections.abc import Mapping

from sqlalchemy import Connection, text

ROWS = {
    "terminals": "pos.terminals",
    "accounts": "private.accounts",
    "entitlements": "private.entitlements",
    "credits": "private.credits",
    "claim_owners": "private.claim_owners",
    "draws": "lottery.draws",
    "entries": "lottery.entries",
    "transcripts": "lottery.transcripts",
    "prizes": "lottery.prizes",
}
COMMITMENT_HASHES = """
SELECT (month / 12) || '-' || lpad((month % 12 + 1)::text, 2, '0') AS place,
       sha256(commitment) = commitment_hash AS holds
FROM lottery.draws
"""
POSTED_PRIZES = """
SELECT 'claim ' || coalesce(p.claim, t.claim) AS place,
       p.amount_mongo = t.amount_mongo AND t.owners = 1 AND o.consumer = t.consumer AS holds
FROM lottery.prizes p
FULL JOIN (SELECT reference AS claim, step AS tier, sum(amount_mongo) AS amount_mongo,
                  min(consumer) AS consumer, count(DISTINCT consumer) AS owners
           FROM private.transfers WHERE cause = 'prize' GROUP BY reference, step) t
  ON t.claim = p.claim AND t.tier = p.tier
LEFT JOIN private.claim_owners o ON o.claim = p.claim
"""


def row_counts(connection: Connection) -> Mapping[str, int]:
    """Answer how many rows the tables have whose invariants are checked elsewhere."""
    counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {name}" for name, table in ROWS.items())  # noqa: S608 - our own words
    return dict(connection.execute(text(f"SELECT {counts}")).mappings().one())
