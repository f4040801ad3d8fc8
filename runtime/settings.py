"""What an operator may set: an environment variable `BARIMT_<NAME>` each, or an option of the command."""

import difflib
import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.data_dir import SYSTEM_DIR
from runtime.unusable import Unusable

PREFIX = "BARIMT_"
TILL_DIR = "BARIMT_TILL_DIR"
"""Where a till keeps its queue and its keys: it has a command of its own, and no other setting."""
TEST_PREFIX = "BARIMT_TEST_"
"""Variables of the test run, which are no settings."""


class SettingsInvalid(Unusable):
    """A setting is not of its form. The text names each variable, what is wrong, and is fit to be shown as it is."""


def _postgres_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("not a PostgreSQL URL, as postgresql://user:password@host:5432/barimt")
    _ = parts.port  # raises ValueError where it is no port
    return parts._replace(scheme="postgresql").geturl()


def _issuer_url(text: str) -> str:
    if not text.startswith(("https://", "http://localhost", "http://127.0.0.1", "http://[::1]")):
        raise ValueError("must be an https:// URL (http:// only on loopback)")
    return text.rstrip("/")


class Settings(BaseSettings):
    """The settings of one process. Made by `load_settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    data_dir: Path = Path(".barimt")
    """Keys, the embedded database, outputs (`runtime.data_dir`)."""
    database_url: Annotated[str, AfterValidator(_postgres_url)] | None = None
    """A PostgreSQL 15+ of the operator's own, as a user who may make roles and databases; else the embedded one."""
    root_key: Path | None = None
    """Where the authority's root key is, when it is kept apart from the data directory (`barimt.authority`)."""
    system_dir: Path = SYSTEM_DIR
    """Where, when root runs us, the embedded server's binaries and out-of-reach clusters are kept."""
    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """0 takes any free port."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    terminal_receipts_per_second: Annotated[float, Field(ge=0, le=1e6)] = 100
    """What a till may post, for each of its open terminals (`pos_gateway.limits`); 0 switches the limit off."""
    seller_receipts_per_second: Annotated[float, Field(ge=0, le=1e6)] = 1_000
    """What all tills of a seller may post together; 0 switches the limit off."""
    address_tokens_per_second: Annotated[float, Field(ge=0, le=1e6)] = 20
    """How often an address may ask for access tokens; 0 switches the limit off."""
    remembered_s: Annotated[float, Field(gt=0, le=60)] = 60
    """How long a worker believes what it knows of tills and sellers: a revocation takes effect within that time."""
    access_log: bool = True
    """Whether each request is told of in a line of its own; it takes a few microseconds of a worker's time."""
    speedups: bool = True
    """Whether what was compiled is used; `receipts.speedups` reads it by itself, before anything else is there."""
    oidc_issuer: Annotated[str, AfterValidator(_issuer_url)] | None = None
    """Who issues consumers' and officers' tokens; without one the development issuer does, on loopback only."""
    clock_file: Path | None = None
    """A file that moves business time (`runtime.clock`), on loopback only."""


def load_settings(**given: Any) -> Settings:
    """Read the settings: what the command line gave (a None is not given), else the environment, else the default.
    Raises `SettingsInvalid`, also for an unknown variable with our prefix: a typing mistake is never ignored.
    """
    _refuse_unknown_variables()
    named = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**named)
    except ValidationError as error:
        lines = [_sentence(fault["loc"], fault["msg"], fault["input"]) for fault in error.errors()]
        raise SettingsInvalid("\n".join(lines)) from None


def _sentence(location: tuple[int | str, ...], message: str, value: object) -> str:
    name = str(location[0]) if location else "settings"
    shown = "" if "url" in name else f" (it is {str(value)!r:.80})"  # a database URL holds a password
    return f"{PREFIX}{name.upper()}: {message.removeprefix('Value error, ')}{shown}"


def _refuse_unknown_variables() -> None:
    known = [PREFIX + name.upper() for name in Settings.model_fields] + [TILL_DIR]
    for name in sorted(os.environ):
        upper = name.upper()
        if upper.startswith(PREFIX) and not upper.startswith(TEST_PREFIX) and upper not in known:
            near = difflib.get_close_matches(upper, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
            raise SettingsInvalid(f"{name}: there is no such setting{hint}")
