"""The data directory: what lies where, and that nobody else reads it.

| name            | mode | what                                                                                       |
|-----------------|------|--------------------------------------------------------------------------------------------|
| `keys/`         | 0700 | private signing keys                                                                       |
| `roles.json`    | 0600 | passwords of the database roles                                                            |
| `postgres/`     | 0700 | the embedded PostgreSQL's cluster, `postgres.log` and `postgres.lock` beside it            |
| `postgres.at`   | 0600 | where the cluster is instead, when it could not be here (`runtime.postgres_home`)          |
| `run/`          | 0700 | the server's socket, when the path is short enough                                         |
| `lake/`         | 0700 | the Parquet lake of the plausibility job                                                   |
| `metrics/`      | 0700 | what several workers count (`runtime.meters`), gone when they end                          |
| `out/`          | 0700 | reports, transcripts and whatever else is made to be looked at                             |

A directory that we did not make keeps its mode and its owner, whatever they are.
"""

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runtime.account import AccountMissing, server_account
from runtime.private_files import write_private
from runtime.unusable import Unusable

SYSTEM_DIR = Path("/var/lib/barimt")
"""Where root keeps the embedded server's binaries, and clusters that cannot be in their data directory."""


class DataDirUnusable(Unusable):
    """The data directory, or something in it, cannot be made, read or written; the text says which and why."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """A data directory that exists. Every path is absolute."""

    root: Path

    @classmethod
    def make(cls, path: Path) -> Self:
        """Make the directory where it is missing, closed to others, and answer it. Raises `DataDirUnusable`."""
        root = path.expanduser().absolute()
        try:
            _make_root(root)
        except OSError as error:
            raise DataDirUnusable(f"The data directory {root} cannot be used: {error.strerror}") from error
        if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
            raise DataDirUnusable(f"The data directory {root} is not ours to write to")
        return cls(root)

    def folder(self, name: str) -> Path:
        """Answer a folder of the data directory, made 0700 where it is missing."""
        path = self.root / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    @property
    def keys(self) -> Path:
        """The folder of the private signing keys."""
        return self.folder("keys")

    @property
    def lake(self) -> Path:
        """The folder of the Parquet lake."""
        return self.folder("lake")

    @property
    def out(self) -> Path:
        """The folder of what is made to be looked at."""
        return self.folder("out")

    @property
    def cluster_pointer(self) -> Path:
        """The file that says where the cluster is when it is not here."""
        return self.root / "postgres.at"

    def passwords(self, logins: Iterable[str]) -> dict[str, str]:
        """Answer a password for each login name: the one kept in `roles.json`, or a new one that is then kept.
        Processes that ask at the same moment get the same answer. Raises `DataDirUnusable`.
        """
        wanted = list(logins)
        known = self._known_passwords()
        if not set(wanted) <= known.keys():
            fresh = {login: secrets.token_urlsafe(24) for login in wanted}
            self.keep_passwords(fresh | known, replace=bool(known))
            known = self._known_passwords()
        return {login: known[login] for login in wanted}

    def keep_passwords(self, passwords: Mapping[str, str], *, replace: bool = False) -> None:
        """Write `roles.json`; without `replace` a file that another process has just written stays."""
        write_private(self.root / "roles.json", json.dumps(dict(passwords), indent=1).encode(), replace=replace)

    def _known_passwords(self) -> dict[str, str]:
        path = self.root / "roles.json"
        if not path.exists():
            return {}
        try:
            known = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise DataDirUnusable(f"{path} cannot be read ({error}); remove it and new passwords are set") from error
        if not (isinstance(known, dict) and all(isinstance(value, str) for value in known.values())):
            raise DataDirUnusable(f"{path} is not a table of passwords; remove it and new ones are set")
        return known


def _make_root(root: Path) -> None:
    """Make it 0700; as root 0710 with the server's group, so that the server, and nobody else, can pass through. It
    appears with its final mode, since other processes decide by it where the cluster goes.
    """
    if root.is_dir():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        if os.geteuid() == 0:
            with contextlib.suppress(AccountMissing):
                os.chown(draft, -1, server_account().gid)
                draft.chmod(0o710)
        draft.rename(root)
    except OSError:
        draft.rmdir()
        if not root.is_dir():
            raise
