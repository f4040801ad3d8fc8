"""Which centre an installation belongs to: `centre.json` in its data directory, 0600.

    {"url": "https://centre.example", "root": "0123456789abcdef" | null}

`root` is the kid of the root key that was pinned at the first activation: from then on the centre proves itself by it.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from pos_gateway.till.certification import parse_kid
from pos_gateway.till.till_dir import TillDir, TillDirUnusable
from runtime.private_files import write_private


@dataclass(frozen=True, slots=True)
class CentreFile:
    """The centre's address, and its root key once that is pinned."""

    path: Path
    url: str | None = None
    root_kid: bytes | None = None

    @classmethod
    def of(cls, till_dir: TillDir) -> "CentreFile":
        """Read the file; without one nothing is known yet. Raises `TillDirUnusable` for one that cannot be read."""
        path = till_dir.root / "centre.json"
        try:
            kept = json.loads(path.read_bytes())
            url, root = kept["url"], kept["root"]
            kid = None if root is None else parse_kid(root)
            well_formed = isinstance(url, str) and (root is None or kid is not None)
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TillDirUnusable(f"{path} cannot be read: {error}") from error
        if not well_formed:
            raise TillDirUnusable(f"{path} does not name a centre and a root key")
        return cls(path, url, kid)

    def keeping(self, *, url: str, root_kid: bytes | None) -> "CentreFile":
        """Write the file and answer what it says now. Raises `TillDirUnusable`."""
        kept = replace(self, url=url, root_kid=root_kid)
        content = {"url": url, "root": root_kid and root_kid.hex()}
        try:
            write_private(self.path, json.dumps(content).encode(), replace=True)
        except OSError as error:
            raise TillDirUnusable(f"{self.path} cannot be written: {error.strerror}") from error
        return kept
