"""SQL of a month's totals over all receipts (SQLAlchemy, jobs)."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from kernel.clock import Month
from receipts.receipt import Nature

TOTALS = """
SELECT count(*) FILTER (WHERE nature IN (:sale, :invoice)) AS sales,
       count(*) FILTER (WHERE nature = :void) AS voids,
       count(*) FILTER (WHERE nature = :correction) AS corrections,
       coalesce(sum(total_mongo) FILTER (WHERE nature IN (:sale, :invoice)), 0)::bigint AS total_mongo,
       coalesce(sum(vat_mongo) FILTER (WHERE nature IN (:sale, :invoice)), 0)::bigint AS vat_mongo,
       coalesce(sum(city_tax_mongo) FILTER (WHERE nature IN (:sale, :invoice)), 0)::bigint AS city_tax_mongo,
       coalesce(sum(total_mongo - before_total), 0)::bigint AS net_total_mongo,
       coalesce(sum(vat_mongo - before_vat), 0)::bigint AS net_vat_mongo
FROM (
  SELECT r.kind & 15 AS nature, r.total_mongo, r.vat_mongo, r.city_tax_mongo,
         CASE WHEN r.kind & 15 = :correction THEN p.total_mongo ELSE 0 END AS before_total,
         CASE WHEN r.kind & 15 = :correction THEN p.vat_mongo ELSE 0 END AS before_vat
  FROM pos.receipts r
  LEFT JOIN pos.successors s ON (s.seller, s.by_terminal, s.by_day, s.by_number)
                              = (r.seller, r.terminal, r.day, r.number)
  LEFT JOIN pos.receipts p ON (p.seller, p.terminal, p.day, p.number) = (s.seller, s.terminal, s.day, s.number)
  WHERE r.root_day >= :first_day AND r.root_day < :end_day
    AND r.kind & 15 IN (:sale, :invoice, :correction, :void)
) links
"""


@dataclass(frozen=True, slots=True)
class MonthTotals:
    """Sums of all bundles that began in a month, in möngö. `net_…`: after voids and corrections, whenever they came."""

    sales: int
    voids: int
    corrections: int
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    net_total_mongo: int
    net_vat_mongo: int


def month_totals(connection: Connection, month: Month) -> MonthTotals:
    """Add up everything that began in `month`."""
    values = {
        nature.name.lower(): int(nature) for nature in (Nature.SALE, Nature.INVOICE, Nature.VOID, Nature.CORRECTION)
    }
    row = connection.execute(text(TOTALS), values | {"first_day": month.first_day, "end_day": month.end_day}).one()
    return MonthTotals(*row)
