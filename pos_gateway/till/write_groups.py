"""The queue's one writer: a thread that takes what has gathered, writes it in one transaction, commits, and answers.

A commit is on the disk when it returns (`synchronous=FULL`), and takes most of the time; a group shares it. What a rule
refuses leaves no trace in the group; on an error of the database each of the group is tried by itself.

| what happens                                    | what is answered                                                  |
|-------------------------------------------------|-------------------------------------------------------------------|
| another process writes for longer than it may    | `Unavailable`: not written                                       |
| the disk is full, or fails before the commit     | `Unavailable`: not written                                       |
| the disk fails in the commit                     | `Unavailable` once another commit has gone over it, so that it   |
|                                                 | cannot come back after a crash; else `OutcomeUnknown`             |
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import apsw

from kernel.refusal import Malformed, Refusal, Unavailable
from pos_gateway.till.desk import Desk
from pos_gateway.till.rows import seconds
from pos_gateway.till.store import writing
from pos_gateway.till.store.connecting import checkpoint, transaction

GROUP_MAX: Final = 64
"""Jobs a commit: at about 0.3 ms each a group holds up the next for 20 ms."""
WAITING_MAX: Final = 2_000
OWED_S: Final = 120
"""How long an answer that may not have been read is kept for whoever asks again."""
LINGER_S: Final = 0.1
"""How long the note that an answer was read may wait for a commit to share."""
SETTLING_S: Final = 5.0
"""How long it is tried to write over a commit that failed."""
LOG_PAGES_MAX: Final = 8_000
"""Pages of SQLite's log (32 MB) at which the writer empties it itself; the tender does so long before."""

_DISK: Final = (apsw.FullError, apsw.IOError, apsw.NoMemError, apsw.CantOpenError)
T = TypeVar("T")
Job = Callable[[Desk], T]
"""Something to be written. It raises a refusal before it has written anything, or writes all of it."""


class OutcomeUnknown(Exception):  # noqa: N818 - named by what happened
    """The disk failed in the middle of a commit and does not come back: nobody knows what is on it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    job: Job[Any]
    future: "Future[Any]"


class GroupWriter:
    """Takes jobs from any thread, and writes them in the order in which they came."""

    def __init__(self, desk: Desk, *, committed: Callable[[], None] = lambda: None) -> None:
        self._desk = desk
        self._committed = committed
        self._asked: list[_Asked] = []
        self._read_answers: set[int] = set()
        self._news = threading.Condition()
        self._closing = False
        self._unsettled = False
        self._log_pages = 0
        desk.connection.set_wal_hook(self._note_log)
        self._thread = threading.Thread(target=self._run, name="till writer", daemon=True)
        self._thread.start()

    def ask(self, job: Job[T]) -> "Future[T]":
        """Put a job into the queue of jobs. Raises `Unavailable` where it is full."""
        asked = _Asked(job, Future())
        with self._news:
            if self._closing or len(self._asked) >= WAITING_MAX:
                raise Unavailable("pool_full")
            self._asked.append(asked)
            self._news.notify()
        return asked.future

    async def write(self, job: Job[T]) -> T:
        """Write a job and wait until it is durable. Whoever stops waiting does not stop the job."""
        return await asyncio.wrap_future(self.ask(job))

    def write_now(self, job: Job[T]) -> T:
        """Write a job and block until it is durable."""
        return self.ask(job).result()

    def answer_was_read(self, seqs: Iterable[int]) -> None:
        """Note, with the next commit or soon, that nobody is owed these answers any more."""
        with self._news:
            self._read_answers.update(seqs)
            self._news.notify()

    def close(self) -> None:
        """Write what was asked for, and end."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()
        self._desk.connection.close()

    def _run(self) -> None:
        while (group := self._take()) is not None:
            outcomes = self._write(group)
            for asked, outcome in zip(group, outcomes, strict=True):
                if not asked.future.set_running_or_notify_cancel():
                    continue
                if isinstance(outcome, _Failed):
                    asked.future.set_exception(outcome.exception)
                else:
                    asked.future.set_result(outcome)
            self._committed()

    def _take(self) -> list[_Asked] | None:
        """Wait for the next group; an empty one stands for notes alone, None for the end."""
        with self._news:
            while not self._asked and not self._closing:
                if self._read_answers:
                    if not self._news.wait(LINGER_S) and not self._asked:
                        return []
                else:
                    self._news.wait()
            group, self._asked = self._asked[:GROUP_MAX], self._asked[GROUP_MAX:]
            if group or (self._closing and self._read_answers):
                return group
            return None

    def _write(self, group: list[_Asked]) -> list[Any]:
        if self._unsettled and not self._settle():
            return [_Failed(Unavailable("queue_disk")) for _ in group]
        if self._log_pages > LOG_PAGES_MAX:
            checkpoint(self._desk.connection)
        try:
            return self._together(group)
        except Exception as failure:  # noqa: BLE001 - whose failure it is shows when each is tried by itself
            if not self._unsettled and not isinstance(failure, apsw.BusyError) and len(group) > 1:
                return [outcome for asked in group for outcome in self._write([asked])]
            said = self._said_of(failure)
            return [_Failed(said) for _ in group]

    def _said_of(self, failure: Exception) -> Exception:
        """Answer what is said of a group that failed as a whole."""
        if self._unsettled:
            return Unavailable("queue_disk") if self._settle() else OutcomeUnknown()
        if isinstance(failure, apsw.BusyError):
            return Unavailable("queue_busy")
        return Unavailable("queue_disk") if isinstance(failure, _DISK) else failure

    def _together(self, group: list[_Asked]) -> list[Any]:
        desk, outcomes = self._desk, []
        with self._news:
            read, self._read_answers = self._read_answers, set()
        try:
            desk.connection.execute("BEGIN IMMEDIATE")
            for asked in group:
                changes = desk.connection.total_changes()
                try:
                    outcomes.append(asked.job(desk))
                except (Refusal, Malformed, Unavailable) as refusal:
                    assert desk.connection.total_changes() == changes, "refused after it had written"
                    outcomes.append(_Failed(refusal))
            if read:
                writing.forget_owed(desk.connection, read, before=seconds(desk.now()) - OWED_S)
            self._commit()
        except BaseException:
            with self._news:
                if not self._closing:
                    self._read_answers |= read
            self._roll_back()
            raise
        return outcomes

    def _commit(self) -> None:
        try:
            self._desk.connection.execute("COMMIT")
        except apsw.IOError:
            self._unsettled = True
            raise

    def _roll_back(self) -> None:
        if self._desk.connection.in_transaction:
            try:
                self._desk.connection.execute("ROLLBACK")
            except apsw.Error:
                self._unsettled = True

    def _settle(self) -> bool:
        """Commit something else over a commit that failed: what failed can then not be found by a recovery."""
        ends = time.monotonic() + SETTLING_S
        while True:
            try:
                self._roll_back_hard()
                with transaction(self._desk.connection):
                    self._desk.put_mark("settled", str(seconds(self._desk.now())))
            except apsw.Error:
                if time.monotonic() > ends:
                    return False
                time.sleep(0.05)
            else:
                self._unsettled = False
                return True

    def _roll_back_hard(self) -> None:
        if self._desk.connection.in_transaction:
            self._desk.connection.execute("ROLLBACK")

    def _note_log(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK


@dataclass(frozen=True, slots=True)
class _Failed:
    exception: BaseException
