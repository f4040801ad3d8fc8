"""The user that a PostgreSQL server runs as. PostgreSQL refuses to run as root, so root lends it a powerless one."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runtime.unusable import Unusable

CANDIDATES = ("barimt", "postgres", "nobody", "daemon")
"""Users that may lend their name when we are root, the first that exists; none of them is ever made or changed."""


class AccountMissing(Unusable):
    """We are root and none of `CANDIDATES` exists."""


@dataclass(frozen=True, slots=True)
class Account:
    """An existing user of this machine."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of_uid(cls, uid: int) -> Self:
        """Answer the user of a number; a number without a name (usual in containers) is its own name."""
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            return cls(str(uid), uid, os.getegid())
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @property
    def is_ours(self) -> bool:
        """Whether it is the user that we already are."""
        return self.uid == os.geteuid()

    def adopt(self, path: Path) -> None:
        """Give something that we have just made to this user; nothing to do when it is ours."""
        if not self.is_ours:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def spawn(self, command: list[str], *, output: int | None = None, cwd: Path = Path("/")) -> subprocess.Popen[bytes]:
        """Start a program as this user, in its own session (a Ctrl-C is ours to handle), with an environment that
        holds nothing of ours: a stray PGDATA or PGPORT must not reach the server.
        """
        own = self.is_ours
        return subprocess.Popen(  # noqa: S603 - the program and its arguments are ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            umask=0o077,
            user=None if own else self.uid,
            group=None if own else self.gid,
            extra_groups=None if own else [],
        )

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can reach a folder, asked of the system itself by going there."""
        with self.spawn(["/bin/sh", "-c", 'cd -- "$0"', str(folder)], output=subprocess.DEVNULL) as attempt:
            return attempt.wait() == 0


def server_account() -> Account:
    """Answer the user that a new server is to run as: ourselves, or for root the first of `CANDIDATES`."""
    if os.geteuid() != 0:
        return Account.of_uid(os.geteuid())
    for name in CANDIDATES:
        try:
            return Account.of_uid(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    raise AccountMissing(f"PostgreSQL cannot run as root, and none of the users {', '.join(CANDIDATES)} exists here")
