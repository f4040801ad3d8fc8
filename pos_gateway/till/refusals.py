"""Why a till says no by itself, beside the rules that hold at the centre, too (`receipts.orders`)."""

from enum import StrEnum

from kernel.refusal import Refusal


class SeatUnknown(Refusal):
    """The header seller has no seat in this installation; `tin` is the seller's."""

    code = "seat_unknown"


class ClockFarAhead(Refusal):
    """The clock is more than a day ahead of the last time that the till knows (CONTRACT 6); `known` is that time."""

    code = "clock_far_ahead"


class CertificateExpired(Refusal):
    """The certificate of the till's key is over, so that nobody would believe its receipts; `until` is its end."""

    code = "certificate_expired"


class IdempotencyKeyReused(Refusal):
    """The Idempotency-Key stands for another content."""

    code = "idempotency_key_reused"


class QueueTampered(Refusal):
    """The queue is not as the till left it. `place` says where, for the log and the shop's technician."""

    code = "queue_tampered"

    def __init__(self, place: str) -> None:
        super().__init__(place=place)
        self.place = place


class Suspension(StrEnum):
    """Why a seat issues nothing. Only the centre, or a new terminal, ends it."""

    FORK = "suspended_fork"
    """The centre has two links on one predecessor: the till was put back from a backup, or copied."""
    TAMPERED = "suspended_tampered"
    """The queue is not as the till left it."""
    BY_CENTRE = "suspended_by_centre"
    """An officer, or the loss of the terminal that somebody declared."""


class SeatSuspended(Refusal):
    """The seat issues nothing; what waits is uploaded all the same."""

    code = "seat_suspended"


class SuspendedForFork(SeatSuspended):
    """The centre found a fork of the chain."""

    code = "suspended_fork"


class SuspendedForTampering(SeatSuspended):
    """The queue was tampered with."""

    code = "suspended_tampered"


class SuspendedByCentre(SeatSuspended):
    """The centre suspended the terminal."""

    code = "suspended_by_centre"


_SUSPENDED: dict[str, type[SeatSuspended]] = {
    Suspension.FORK: SuspendedForFork,
    Suspension.TAMPERED: SuspendedForTampering,
    Suspension.BY_CENTRE: SuspendedByCentre,
}


def suspended(reason: str, terminal: int) -> SeatSuspended:
    """Answer the refusal of a seat that is suspended for a reason."""
    return _SUSPENDED.get(reason, SeatSuspended)(terminal=f"{terminal:08d}")
