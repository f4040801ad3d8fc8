"""What the sequencer asks of whatever stores, and the two ways in which that can fail, in our own words.

Who stores translates at its edge: what is neither `Lost` nor `Refused` is something that nobody foresaw.
"""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from kernel.clock import Month
from kernel.refusal import Unavailable
from receipts.issuing import Issuing

RETRY_AFTER_S = 2


class Lost(Exception):  # noqa: N818 - named by what happened
    """The connection is gone, or none can be had: another attempt may succeed. What it stored before a commit is not
    there; nobody knows whether a commit that was asked for happened.
    """


class Refused(Exception):  # noqa: N818 - named by what happened
    """The store answered and said no: nothing was stored, and the same would fail again."""


class Transactions(Protocol):
    """Transactions of one sequencer, one at a time."""

    def begin(self, months: Iterable[Month]) -> AbstractAsyncContextManager[Issuing]:
        """Hold a transaction open, in which receipts of these months can be stored, and commit it at the end.

        Raises `Lost` or `Refused`, in the block or at its end. After any error what the block did is rolled back.
        """

    async def close(self) -> None:
        """Give up what is held between transactions."""


def unavailable() -> Unavailable:
    """What is said when the database did not do its part: nothing was issued."""
    return Unavailable("database", retry_after_s=RETRY_AFTER_S)
