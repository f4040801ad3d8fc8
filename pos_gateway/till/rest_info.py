"""`GET /rest/info`: the fields of a recorded PosAPI answer, and beside them what a shopkeeper should know. Pure.

`leftLotteries` is how many numbers are left of the terminal's day: there is no pool of lottery numbers to run dry, and
that is what a till can run out of. `posNo` and `posId` are the first open seat's terminal, `operatorTIN` its seller.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from kernel.clock import ULAANBAATAR
from kernel.identity import format_terminal
from kernel.money import MONGO_PER_TUGRIK
from pos_gateway.till.overview import Overview, SeatView, error_json, warnings_json

PAYMENT_TYPES: Final = (
    ("CASH", "Бэлэн мөнгө"),
    ("PAYMENT_CARD", "Төлбөрийн карт"),
    ("BANK_TRANSFER", "Банкны шилжүүлэг"),
    ("EMD", "Эрүүл мэндийн даатгал"),
)
TEST_NOTICE: Final = "ТУРШИЛТ: эдгээр нь татварын баримт биш. TEST: these are no tax documents."
"""What a till of a test centre says of its receipts."""
FINAL_CONSUMER: Final[Mapping[str, object]] = {
    "tin": "30000000000", "name": "ЭЦСИЙН ХЭРЭГЛЭГЧ", "vatPayer": False,
}  # fmt: skip
"""The pseudo-customer of recorded answers."""


def info_answer(overview: Overview, *, left: int, data_dir: Path, here: Path) -> dict[str, Any]:
    """Answer the body. `left` are the numbers left of the first seat's day; `here` is the working directory."""
    first = overview.open[0] if overview.open else None
    return {
        "operatorName": first.seat.name if first else "",
        "operatorTIN": first.seat.tin if first else "",
        "posId": first.seat.terminal if first else 0,
        "posNo": format_terminal(first.seat.terminal) if first else "",
        "version": overview.version,
        "lastSentDate": local_time(overview.sent_at) or "",
        "leftLotteries": left,
        "appInfo": {
            "applicationDir": str(here),
            "currentDir": str(here),
            "database": "SQLITE",
            "database-host": str(data_dir / "queue.sqlite"),
            "supported-databases": ["SQLITE"],
            "workDir": str(data_dir),
        },
        "paymentTypes": [{"code": code, "name": name} for code, name in PAYMENT_TYPES],
        "merchants": [_merchant(view) for view in overview.open],
        "condition": {"isMedicine": False},
        **_beside(overview),
    }


def local_time(at: datetime | None) -> str | None:
    """Write an instant as PosAPI does: Ulaanbaatar's time, without a zone."""
    return None if at is None else at.astimezone(ULAANBAATAR).strftime("%Y-%m-%d %H:%M:%S")


def tugrik(mongo: int) -> int | Decimal:
    """Answer an amount in tugriks as PosAPI writes numbers: whole ones without a point."""
    whole, rest = divmod(mongo, MONGO_PER_TUGRIK)
    return Decimal(mongo).scaleb(-2) if rest else whole


def _merchant(view: SeatView) -> dict[str, Any]:
    seat = view.seat
    return {"tin": seat.tin, "name": seat.name, "vatPayer": seat.vat_payer, "customers": [FINAL_CONSUMER]} | {
        "posNo": format_terminal(seat.terminal), "state": view.link.state.value,
    }  # fmt: skip


def _beside(overview: Overview) -> dict[str, Any]:
    """What the vendor's answer does not have; a client that does not know it passes it over."""
    error = overview.error
    test = {"test": True, "notice": TEST_NOTICE} if any(view.seat.test for view in overview.open) else {}
    return test | {
        "state": overview.state.value,
        "stateSince": local_time(overview.since),
        "waitingReceipts": overview.waiting,
        "waitingAmount": tugrik(overview.waiting_mongo),
        "deadline": local_time(overview.deadline),
        "lastContactDate": local_time(overview.contact_at),
        "lastError": None if error is None else error_json(error),
        "certificateUntil": local_time(overview.certificate_until),
        "warnings": warnings_json(overview),
        "centre": overview.centre,
    }
