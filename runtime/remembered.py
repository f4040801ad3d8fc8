"""What was looked up, believed for a time and no longer; renewed in the background before it is over.

Without that, everybody who comes in the moment when a busy name's time is over looks it up at once, a thousand times
where a thousand connections are ready, and each of them waits.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

import structlog

from kernel.refusal import Refusal, Unavailable

RENEWED_AFTER: Final = 0.75
"""The share of its time after which a name that is asked for is renewed."""
RENEWALS_MAX: Final = 32
"""Renewals at a time; a name for which there is no place is renewed when it is asked for again."""
Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Name, Value]):
    """Values by name; of too many the one that was used longest ago is forgotten. Belongs to one event loop.

    Args:
        renew: looks a name up again, of which that value was known, and puts or forgets it.
        remembered_s: how long a value is believed.
        most: how many are.
        elapsed_s: measures that time; not the clock, which may be set back.
    """

    def __init__(
        self,
        renew: Callable[[Name, Value], Awaitable[object]],
        *,
        remembered_s: float,
        most: int,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._renew = renew
        self._remembered_s = remembered_s
        self._most = most
        self._elapsed_s = elapsed_s
        self._values: OrderedDict[Name, tuple[Value, float, float]] = OrderedDict()
        """With when each is to be renewed, and until when it is believed."""
        self._renewing: dict[Name, asyncio.Task[None]] = {}

    def get(self, name: Name) -> Value | None:
        """Answer a value that is believed now."""
        found = self._values.get(name)
        if found is None:
            return None
        value, renewed_s, until_s = found
        now_s = self._elapsed_s()
        if now_s >= renewed_s:
            if now_s >= until_s:
                return None
            self._renew_soon(name, value)
        self._values.move_to_end(name)
        return value

    def put(self, name: Name, value: Value, asked_at_s: float) -> None:
        """Remember a value that was asked for at a time of `elapsed_s`."""
        renewed_s, until_s = asked_at_s + self._remembered_s * RENEWED_AFTER, asked_at_s + self._remembered_s
        self._values[name] = value, renewed_s, until_s
        self._values.move_to_end(name)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def forget(self, name: Name) -> None:
        """Forget a value."""
        self._values.pop(name, None)

    def _renew_soon(self, name: Name, value: Value) -> None:
        if name not in self._renewing and len(self._renewing) < RENEWALS_MAX:
            self._renewing[name] = asyncio.get_running_loop().create_task(self._renewed(name, value), name="renewal")

    async def _renewed(self, name: Name, value: Value) -> None:
        try:
            await self._renew(name, value)
        except (Refusal, Unavailable):
            pass  # whoever asks after its time is told
        except Exception as failure:  # noqa: BLE001 - the rim of a task that nobody awaits
            structlog.get_logger().error("incident", exc_info=failure)
        finally:
            del self._renewing[name]
