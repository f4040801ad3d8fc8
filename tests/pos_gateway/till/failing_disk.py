"""A disk that fails when the test says so: a VFS of SQLite's, real files below it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import apsw

_WAL = "-wal"


class FailingDisk(apsw.VFS):
    """Fails writes or syncs of the log while `failing` names what happens: "full", "sync", or "gone": a sync fails, and
    nothing can be written after it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.failing: str | None = None
        self.gone = False
        self.failures_left = 0
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> "_File":  # noqa: N802 - SQLite's name
        """Open a file below us."""
        return _File(self, name, flags)

    @contextlib.contextmanager
    def fail(self, how: str, times: int = 10**9) -> Iterator[None]:
        """Fail so often, or until the end."""
        self.failing, self.failures_left = how, times
        try:
            yield
        finally:
            self.failing, self.gone = None, False

    def strike(self, how: str) -> bool:
        """Whether this call fails."""
        if self.failing != how or self.failures_left <= 0:
            return False
        self.failures_left -= 1
        self.gone = how == "gone"
        return True


class _File(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._is_log = str(path).endswith(_WAL)
        super().__init__("", name, flags)

    def xWrite(self, content: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        """Write, or find the disk full in the middle."""
        if self._is_log and self._disk.strike("full"):
            super().xWrite(bytes(content)[: len(content) // 2], offset)
            raise apsw.FullError
        if self._is_log and self._disk.gone:
            raise apsw.IOError
        super().xWrite(content, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        """Sync, or fail after everything was written."""
        super().xSync(flags)
        if self._is_log and (self._disk.strike("sync") or self._disk.strike("gone")):
            raise apsw.IOError
