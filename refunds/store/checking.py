"""SQL of the ledger's invariants (SQLAlchemy, jobs): each query answers what breaks one, as subject, expected, found.

A claim whose root has an event in the outbox is passed over where the event may change it: drain the outbox first.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from receipts.claim import STATED_ABOVE_MAX_MONGO

_SIDES = """
SELECT consumer, credit AS account, CASE WHEN credit = 'debt' THEN -amount_mongo ELSE amount_mongo END AS amount_mongo
FROM private.transfers
UNION ALL
SELECT consumer, debit, CASE WHEN debit = 'debt' THEN amount_mongo ELSE -amount_mongo END FROM private.transfers
"""
_STORED = """
SELECT a.consumer, stored.account, stored.amount_mongo FROM private.accounts a, LATERAL (VALUES
  ('provisional', a.provisional_mongo), ('available', a.available_mongo), ('reserved', a.reserved_mongo),
  ('paid', a.paid_mongo), ('debt', a.debt_mongo)) AS stored (account, amount_mongo)
"""
_ISSUED = """
SELECT consumer, sum(CASE WHEN debit IN ('refunds', 'prizes') THEN amount_mongo ELSE 0 END)
               - sum(CASE WHEN credit = 'reversals' THEN amount_mongo ELSE 0 END) AS amount_mongo
FROM private.transfers GROUP BY consumer
"""
_NET = "a.provisional_mongo + a.available_mongo + a.reserved_mongo + a.paid_mongo - a.debt_mongo"
_LAST = """
SELECT f.seller, f.root_terminal, f.root_day, f.root_number, f.by_terminal, f.by_day, f.by_number, f.nature
FROM pos.successors f LEFT JOIN pos.successors later
  ON (later.seller, later.terminal, later.day, later.number) = (f.seller, f.by_terminal, f.by_day, f.by_number)
WHERE later.seller IS NULL
"""
_PENDING = """
EXISTS (SELECT FROM pos.outbox o WHERE (o.seller, o.root_terminal, o.root_day, o.root_number)
                                     = (c.seller, c.root_terminal, c.root_day, c.root_number))
"""

INVARIANTS: Mapping[str, str] = {
    "balance_of_account": f"""
SELECT consumer || ' ' || account AS subject, coalesce(posted.amount_mongo, 0) AS expected,
       coalesce(stored.amount_mongo, 0) AS found
FROM ({_STORED}) stored
FULL JOIN (SELECT consumer, account, sum(amount_mongo) AS amount_mongo FROM ({_SIDES}) sides
           WHERE account NOT IN ('refunds', 'prizes', 'reversals') GROUP BY consumer, account) posted
  USING (consumer, account)
WHERE coalesce(posted.amount_mongo, 0) <> coalesce(stored.amount_mongo, 0)""",  # noqa: S608 - our own words joined
    "ledger_identity": f"""
SELECT a.consumer::text AS subject, coalesce(issued.amount_mongo, 0) AS expected, {_NET} AS found
FROM private.accounts a LEFT JOIN ({_ISSUED}) issued USING (consumer)
WHERE coalesce(issued.amount_mongo, 0) <> {_NET}""",  # noqa: S608 - our own words joined
    "ledger_identity_of_all": f"""
SELECT 'all' AS subject, issued.amount_mongo AS expected, stored.amount_mongo AS found
FROM (SELECT coalesce(sum(amount_mongo), 0) AS amount_mongo FROM ({_ISSUED}) each_one) issued,
     (SELECT coalesce(sum({_NET}), 0) AS amount_mongo FROM private.accounts a) stored
WHERE issued.amount_mongo <> stored.amount_mongo""",  # noqa: S608 - our own words joined
    "unreported_of_claims": """
SELECT a.consumer::text AS subject, coalesce(sum(c.amount_mongo), 0) AS expected, a.unreported_mongo AS found
FROM private.accounts a LEFT JOIN private.credits c ON c.consumer = a.consumer AND c.state = 'provisional'
GROUP BY a.consumer HAVING coalesce(sum(c.amount_mongo), 0) <> a.unreported_mongo""",
    "entitlement_of_credits": """
SELECT consumer || ' ' || month AS subject, coalesce(c.amount_mongo, 0) AS expected,
       coalesce(e.amount_mongo, 0) AS found
FROM private.entitlements e
FULL JOIN (SELECT consumer, month, count(*) AS claims, sum(vat_mongo) AS vat_mongo, sum(amount_mongo) AS amount_mongo
           FROM private.credits GROUP BY consumer, month) c USING (consumer, month)
WHERE (e.claims, e.vat_mongo, e.amount_mongo) IS DISTINCT FROM (c.claims, c.vat_mongo, c.amount_mongo)""",
    "credit_of_transfers": """
SELECT coalesce(c.claim, t.claim)::text AS subject, coalesce(t.amount_mongo, 0) AS expected,
       coalesce(c.amount_mongo, 0) AS found
FROM private.credits c
FULL JOIN (SELECT reference AS claim, sum(CASE WHEN debit = 'refunds' THEN amount_mongo
                                               WHEN credit = 'reversals' THEN -amount_mongo ELSE 0 END) AS amount_mongo
           FROM private.transfers
           WHERE cause IN ('credit', 'correction', 'report', 'void', 'lapse', 'revival') GROUP BY reference) t
  ON t.claim = c.claim
WHERE coalesce(t.amount_mongo, 0) <> coalesce(c.amount_mongo, 0)""",
    "one_initial_credit": """
SELECT reference::text AS subject, 1 AS expected, count(*) AS found
FROM private.transfers WHERE cause = 'credit' AND line = 0 GROUP BY reference HAVING count(*) <> 1""",
    "credit_of_claim": """
SELECT coalesce(o.claim, c.claim)::text AS subject, o.consumer AS expected, c.consumer AS found
FROM private.claim_owners o FULL JOIN private.credits c ON c.claim = o.claim
WHERE o.consumer IS DISTINCT FROM c.consumer""",
    "credit_on_void": f"""
SELECT c.claim::text AS subject, 0 AS expected, k.amount_mongo AS found
FROM claims.claims c JOIN private.credits k ON k.claim = c.claim
LEFT JOIN ({_LAST}) last USING (seller, root_terminal, root_day, root_number)
WHERE (last.nature = 4 OR c.state = 'void') AND k.amount_mongo <> 0 AND NOT {_PENDING}""",  # noqa: S608 - our own words joined
    "state_of_claim": f"""
SELECT c.claim::text AS subject, c.state AS expected, k.state AS found
FROM claims.claims c JOIN private.credits k ON k.claim = c.claim
LEFT JOIN ({_LAST}) last USING (seller, root_terminal, root_day, root_number)
WHERE (c.state <> k.state OR (c.state = 'void') <> (last.nature IS NOT DISTINCT FROM 4)) AND NOT {_PENDING}""",  # noqa: S608 - our own words joined
    "credit_of_receipt": f"""
SELECT c.claim::text AS subject, due.vat_mongo AS expected, k.vat_mongo AS found
FROM claims.claims c JOIN private.credits k ON k.claim = c.claim
LEFT JOIN ({_LAST}) last USING (seller, root_terminal, root_day, root_number)
JOIN pos.receipts r ON (r.seller, r.terminal, r.day, r.number)
                     = (c.seller, coalesce(last.by_terminal, c.root_terminal), coalesce(last.by_day, c.root_day),
                        coalesce(last.by_number, c.root_number)),
LATERAL (SELECT coalesce(sum(part.vat_mongo), 0) AS vat_mongo
         FROM unnest(r.part_merchants, r.part_tax_types, r.part_vats_mongo) AS part (merchant, tax_type, vat_mongo)
         WHERE part.tax_type = 0 AND EXISTS (
           SELECT FROM pos.vat_registrations v
           WHERE v.seller = part.merchant AND v.registered_from <= date '2000-01-07' + c.root_day
             AND (v.registered_to IS NULL OR date '2000-01-07' + c.root_day < v.registered_to))) stated,
LATERAL (SELECT greatest(0, CASE WHEN r.kind & 32 <> 0
                                  AND stated.vat_mongo > r.computed_vat_mongo + {STATED_ABOVE_MAX_MONGO}
                                 THEN r.computed_vat_mongo ELSE stated.vat_mongo END) AS vat_mongo) due
WHERE c.state = 'final' AND k.vat_mongo <> due.vat_mongo AND NOT {_PENDING}""",  # noqa: S608 - our own words joined
    "reserved_of_payouts": """
SELECT a.consumer::text AS subject, coalesce(sum(p.amount_mongo), 0) AS expected, a.reserved_mongo AS found
FROM private.accounts a LEFT JOIN private.payouts p ON p.consumer = a.consumer AND p.state = 'reserved'
GROUP BY a.consumer HAVING coalesce(sum(p.amount_mongo), 0) <> a.reserved_mongo""",
    "paid_of_payouts": """
SELECT a.consumer::text AS subject, coalesce(sum(p.amount_mongo), 0) AS expected, a.paid_mongo AS found
FROM private.accounts a LEFT JOIN private.payouts p ON p.consumer = a.consumer AND p.state = 'paid'
GROUP BY a.consumer HAVING coalesce(sum(p.amount_mongo), 0) <> a.paid_mongo""",
}
CREDITED_DAYS = "SELECT DISTINCT root_day FROM claims.claims ORDER BY root_day"
SHARE_OF_VAT = """
SELECT c.claim::text AS subject, k.vat_mongo * share.percent / 100 AS expected, k.amount_mongo AS found
FROM claims.claims c JOIN private.credits k ON k.claim = c.claim
JOIN unnest(CAST(:days AS int[]), CAST(:percents AS int[])) AS share (day, percent) ON share.day = c.root_day
WHERE k.amount_mongo <> k.vat_mongo * share.percent / 100
"""

Row = tuple[str, object, object]


def broken(connection: Connection, invariant: str, *, limit: int) -> list[Row]:
    """Answer at most `limit` subjects that break an invariant, with what was expected and found."""
    return _rows(connection, INVARIANTS[invariant], {}, limit)


def credited_days(connection: Connection) -> list[int]:
    """Answer the day numbers of all claimed roots."""
    return list(connection.execute(text(CREDITED_DAYS)).scalars())


def wrong_shares(connection: Connection, days: Sequence[int], percents: Sequence[int], *, limit: int) -> list[Row]:
    """Answer claims whose credit is not the share of their VAT that the rules gave on their day."""
    return _rows(connection, SHARE_OF_VAT, {"days": list(days), "percents": list(percents)}, limit)


def _rows(connection: Connection, sql: str, values: Mapping[str, object], limit: int) -> list[Row]:
    limited = text(f"SELECT * FROM ({sql}) broken ORDER BY subject LIMIT :at_most")  # noqa: S608 - our own words
    return [(row[0], row[1], row[2]) for row in connection.execute(limited, {**values, "at_most": limit})]
