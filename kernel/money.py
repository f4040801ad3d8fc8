"""Money in whole möngö (1/100 MNT). There is no float and no division with a remainder thrown away unseen."""

MONGO_PER_TUGRIK = 100
MONGO_MAX = 2**47 - 1
"""The largest amount one receipt can carry: the QR holds totals as i48 (docs/formats/qr-v1.md)."""


def half_up(numerator: int, denominator: int) -> int:
    """Divide and round half away from zero, as tax amounts are rounded. `denominator` must be positive."""
    assert denominator > 0
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def format_mnt(mongo: int) -> str:
    """Write an amount as people write it: `-1,234.50 ₮`; whole tugriks go without the möngö."""
    sign = "-" if mongo < 0 else ""
    tugrik, rest = divmod(abs(mongo), MONGO_PER_TUGRIK)
    return f"{sign}{tugrik:,}.{rest:02d} ₮" if rest else f"{sign}{tugrik:,} ₮"
