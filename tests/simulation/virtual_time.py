"""An event loop whose time is a number: it jumps to the next timer, so that a day passes in seconds.

No threads, no sockets, no system clock. Callbacks run in the order in which they were asked for, so the same program
with the same chance has the same history.
"""

import asyncio
import contextlib
import gc
from collections.abc import Iterator
from typing import Any, NoReturn


class Stalled(Exception):  # noqa: N818 - named by what happened
    """Nothing is ready and nothing is due: whoever waits would wait for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop that is its own selector: there is nothing to select, only the next timer to jump to."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._selector = self
        self._errors: list[BaseException] = []
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._now_s

    def select(self, timeout_s: float | None) -> list[Any]:
        """Let the time pass until the next timer is due."""
        if self._errors:
            raise self._errors.pop()
        if timeout_s is None:
            raise Stalled
        if timeout_s > 0:
            self._now_s = self._scheduled[0].when()
        return []

    def end(self) -> None:
        """Cancel whoever still waits, and close; what they have to say about it is of no interest."""
        self.set_exception_handler(lambda _loop, _context: None)
        left = asyncio.all_tasks(self)
        for task in left:
            task.cancel()
        if left:
            self.run_until_complete(asyncio.wait(left))
        self.close()

    @staticmethod
    def _note(loop: "asyncio.AbstractEventLoop", context: dict[str, Any]) -> None:
        """Keep what nobody waited for; it ends the simulation."""
        assert isinstance(loop, VirtualLoop)
        loop._errors.append(context.get("exception") or AssertionError(context["message"]))

    def _process_events(self, _events: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> NoReturn:
        raise AssertionError("a simulation has no other threads")


@contextlib.contextmanager
def virtual_time() -> Iterator[VirtualLoop]:
    """Open a loop at time 0. Garbage is left alone meanwhile: when a finalizer runs would depend on the process."""
    loop = VirtualLoop()
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield loop
    finally:
        loop.end()
        if collecting:
            gc.enable()
