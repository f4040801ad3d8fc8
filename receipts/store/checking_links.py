"""SQL of what must hold of that which is kept beside tills' links: findings, tax months, forks (SQLAlchemy, owner)."""

from collections.abc import Iterator

from sqlalchemy import Connection

from receipts.link_findings import FINDING_CODES
from receipts.signed_rows import Fork
from receipts.store.checking import id_of, joined, key_of, stream

_WORDS = ", ".join(f"'{code}'" for code in FINDING_CODES)
_HASH = "encode({0}.receipt_hash, 'hex')"
_FORK_COLUMNS = ", ".join("f." + name for name in Fork.__struct_fields__)

ALL_FORKS = f"""
SELECT {_FORK_COLUMNS}, t.mode FROM pos.forks f LEFT JOIN pos.terminals t USING (seller, terminal)
ORDER BY f.seller, f.terminal, f.counter, f.receipt_hash
"""  # noqa: S608 - our own words joined, here and below
FOUND_LINKS = f"""
SELECT coalesce({id_of("r")}, {_HASH.format("f")}) AS place,
       f.code IN ({_WORDS}) AND (k.seller IS NOT NULL OR (r.kind & 32 <> 0 AND f.code <> 'fork')) AS holds
FROM pos.link_findings f
LEFT JOIN pos.forks k ON k.seller = f.seller AND k.receipt_hash = f.receipt_hash
LEFT JOIN pos.receipts r ON r.seller = f.seller AND r.receipt_hash = f.receipt_hash
"""  # noqa: S608
COUNTED_RECEIPTS = f"""
SELECT {key_of("m")} AS place, r.seller IS NOT NULL AS holds
FROM pos.tax_months m LEFT JOIN pos.receipts r ON {joined("m", "r")}
"""  # noqa: S608
CLOSINGS = f"""
SELECT {id_of("r")} AS place, t.closed_at IS NOT NULL AS holds
FROM pos.receipts r JOIN pos.terminals t ON t.seller = r.seller AND t.terminal = r.terminal WHERE r.kind & 15 = 7
"""  # noqa: S608
# A second one: after a stored link that another one follows, or that is followed under an id that another one has.
FORKS = f"""
SELECT {_HASH.format("f")} AS place,
       EXISTS (SELECT FROM pos.link_findings found
               WHERE found.seller = f.seller AND found.receipt_hash = f.receipt_hash AND found.code = 'fork')
       AND NOT EXISTS (SELECT FROM pos.receipts r WHERE r.seller = f.seller AND r.terminal = f.terminal
                       AND r.receipt_hash = f.receipt_hash)
       AND (EXISTS (SELECT FROM pos.forks p
                    WHERE p.seller = f.seller AND p.terminal = f.terminal AND p.counter = f.counter - 1
                      AND p.receipt_hash = f.previous_hash)
            OR (f.counter = 0 AND f.previous_hash = sha256(t.enrolment)
                OR EXISTS (SELECT FROM pos.receipts p
                           WHERE p.seller = f.seller AND p.terminal = f.terminal AND p.counter = f.counter - 1
                             AND p.receipt_hash = f.previous_hash))
               AND EXISTS (SELECT FROM pos.receipts other
                           WHERE other.seller = f.seller AND other.terminal = f.terminal
                             AND (other.counter = f.counter OR (other.day, other.number) = (f.day, f.number)))) AS holds
FROM pos.forks f LEFT JOIN pos.terminals t ON t.seller = f.seller AND t.terminal = f.terminal
"""  # noqa: S608


def all_forks(connection: Connection) -> Iterator[tuple[Fork, str | None]]:
    """Stream every fork with the mode of its terminal, None where that is not enrolled."""
    for *row, mode in stream(connection, ALL_FORKS):
        yield Fork(*row), mode
