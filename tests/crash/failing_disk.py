"""A disk that fails on command, for every process of a `barimt serve` and its PostgreSQL, without rights or compilers.

Linux's seccomp hands chosen system calls of a process and all its children to a supervisor (seccomp_unotify(2), Linux
5.5), who lets them through or answers an error in the kernel's place. So PostgreSQL itself, unchanged, sees ENOSPC
where a write would need a new block, or EIO from fsync.

This file is also the program that puts the filter on: `failing_disk.py SOCKET COMMAND...` sends the supervisor's
descriptor through the socket and becomes the command. It needs the standard library only.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

CALLS = {
    "x86_64": {"pwrite64": 18, "fsync": 74, "fdatasync": 75, "fallocate": 285, "pwritev": 296, "seccomp": 317},
    "aarch64": {"pwrite64": 68, "fsync": 82, "fdatasync": 83, "fallocate": 47, "pwritev": 70, "seccomp": 277},
}[platform.machine()]
SYNCING = {CALLS["fsync"], CALLS["fdatasync"]}
PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER = 38, 1, 8
LOAD_CALL, EQUAL, RETURN = 0x20, 0x15, 0x06
"""BPF: load a 32-bit word of `struct seccomp_data`, whose first is the call's number; jump if equal; return."""
ALLOW, ASK = 0x7FFF0000, 0x7FC00000
RECEIVE, SEND = 0xC0502100, 0xC0182101
NOTICE = struct.Struct("=QIIiIQ6Q")
"""`struct seccomp_notif`: id, thread, flags; then the call's number, architecture, instruction, six arguments."""
REPLY = struct.Struct("=QqiI")
"""`struct seccomp_notif_resp`: id, value, error, flags."""
LET_THROUGH = 1


class Fault(Enum):
    """What is the matter with the disk."""

    NONE = "it works"
    FULL = "no block is free: what makes a file longer fails with ENOSPC"
    UNSYNCED = "nothing reaches the platters: fsync and fdatasync fail with EIO"


class FailingDisk:
    """The supervisor: `fault` says what fails from now on, `failed` counts what has."""

    def __init__(self, listener: int) -> None:
        self.fault = Fault.NONE
        self.failed = 0
        self._listener = listener
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="failing-disk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop supervising; the calls of whoever still lives fail with ENOSYS."""
        self._over.set()
        self._thread.join()
        os.close(self._listener)

    def _supervise(self) -> None:
        ready = select.poll()
        ready.register(self._listener, select.POLLIN)
        while not self._over.is_set():
            for _, events in ready.poll(100):
                if events & select.POLLIN:
                    self._answer()
                elif events & select.POLLHUP:
                    return

    def _answer(self) -> None:
        notice = bytearray(NOTICE.size)
        with contextlib.suppress(OSError):  # the caller was killed, or interrupted by a signal and asks again
            fcntl.ioctl(self._listener, RECEIVE, notice)
            id_, thread, _, call, _, _, *arguments = NOTICE.unpack(notice)
            error = self._error(thread, call, arguments)
            reply = REPLY.pack(id_, 0, -error, 0) if error else REPLY.pack(id_, 0, 0, LET_THROUGH)
            fcntl.ioctl(self._listener, SEND, bytearray(reply))
            self.failed += error != 0

    def _error(self, thread: int, call: int, arguments: list[int]) -> int:
        match self.fault:
            case Fault.UNSYNCED if call in SYNCING:
                return errno.EIO
            case Fault.FULL if call not in SYNCING and _lengthens(thread, call, arguments):
                return errno.ENOSPC
            case _:
                return 0


def _lengthens(thread: int, call: int, arguments: list[int]) -> bool:
    """Whether a call makes a file longer. How much a `pwritev` writes stands in the caller's memory: it counts as one
    that lengthens where it begins at the end or behind it.
    """
    try:
        size = Path(f"/proc/{thread}/fd/{arguments[0]}").stat().st_size
    except OSError:  # the caller was killed meanwhile
        return False
    if call == CALLS["fallocate"]:
        return arguments[2] + arguments[3] > size
    if call == CALLS["pwritev"]:
        return arguments[3] >= size
    return arguments[3] + arguments[2] > size


@contextlib.contextmanager
def supervising(ours: socket.socket) -> Iterator[FailingDisk]:
    """Supervise the process at the other end of a socket, as soon as it has put its filter on."""
    _, [listener], _, _ = socket.recv_fds(ours, 1, 1)
    disk = FailingDisk(listener)
    try:
        yield disk
    finally:
        disk.close()


def wrapper(theirs: socket.socket) -> list[str]:
    """Answer what to put before a command so that its disk can be made to fail. It inherits the socket."""
    return [sys.executable, __file__, str(theirs.fileno())]


def _instruction(code: int, value: int, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, 0, jump_false, value)


def _put_filter_on() -> int:
    """Hand the calls that write or sync, here and in all children, to a supervisor; answer its descriptor."""
    program = [_instruction(LOAD_CALL, 0)]
    for name, number in CALLS.items():
        if name != "seccomp":
            program += [_instruction(EQUAL, number, 1), _instruction(RETURN, ASK)]
    program.append(_instruction(RETURN, ALLOW))
    instructions = ctypes.create_string_buffer(b"".join(program))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(instructions)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    listener = libc.syscall(CALLS["seccomp"], SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, described)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return int(listener)


def main() -> None:
    """Put the filter on, hand the supervisor its descriptor, and become the command."""
    theirs = socket.socket(fileno=int(sys.argv[1]))
    socket.send_fds(theirs, [b"!"], [_put_filter_on()])
    theirs.close()
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
