"""Open the authority's keys: made at the first use of a data directory, and never again.

A data directory is new while nothing was ever published in its database and its folder holds no gateway key, which is
made last. Once there is a list, a missing file is an error, and the root key is not needed until the list changes.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from barimt.authority import DEVELOPMENT, FIRST_GATEWAY, ROOT, TOKENS, TURNOVER, Authority, gateway_number
from kernel.clock import Clock
from kernel.refusal import Malformed, Unavailable
from receipts.key_list import read_key_list
from receipts.keys import Key, KeyRole, kid_of
from receipts.publish_keys import publish_keys, revoke_key
from receipts.store import publishing
from runtime.data_dir import DataDir
from runtime.key_files import make_secret, read_signing_key
from runtime.settings import Settings
from runtime.unusable import Unusable

VALID_FROM = datetime(2016, 1, 1, tzinfo=UTC)
"""Before the first e-receipt, so that a replay of any year verifies."""
VALID_FOR = timedelta(days=365 * 80)
ROOT_RETRY_AFTER_S = 300
"""After how long a till may ask again whether the root key is at hand: somebody has to bring it."""
_log = structlog.get_logger()


class RootKeyNeeded(Unusable):
    """The list of keys must be signed anew, and the root key is not where it was looked for."""


class RootKeyForeign(Unusable):
    """The root key that was found is not the one that signs this centre's list."""


class KeyListBroken(Unusable):
    """The published list that the database holds is not signed by its root key."""


def open_authority(connection: Connection, clock: Clock, *, settings: Settings) -> Authority:
    """Read the keys of a data directory, made and published at its first use. Requires an open transaction. Raises
    `KeyMissing`, `KeyListBroken` and `KeyFileUnusable`.
    """
    folder = DataDir.make(settings.data_dir).keys
    signed = published_list(connection, clock, settings=settings)
    try:
        published = read_key_list(signed)
    except Malformed:
        raise KeyListBroken(
            "The list of keys in the database is not signed by its root key. Restore the database from your backup,"
            " or have the list signed anew: barimt keys rotate"
        ) from None
    return Authority.read(folder, published=published, signed=signed, now=clock())


def published_list(connection: Connection, clock: Clock, *, settings: Settings) -> str:
    """Answer the signed list as it was published last; at the first use of a data directory its keys are made and
    published first. Requires an open transaction.
    """
    published = publishing.latest_key_list(connection)
    if published is not None:
        return published[1]
    folder, root_path = DataDir.make(settings.data_dir).keys, root_key_path(settings)
    if not any(folder.glob("gateway-*.key")):
        for path in (root_path, *(folder / name for name in (TURNOVER, TOKENS, DEVELOPMENT, FIRST_GATEWAY))):
            make_secret(path)
    root = _read_root(root_path, f"to sign the first list of the keys in {folder}")
    gateway = read_signing_key(max(folder.glob("gateway-*.key"), key=lambda path: gateway_number(path.name)))
    keys = [_key(root, KeyRole.ROOT), _key(gateway, KeyRole.GATEWAY)]
    return publish_keys(connection, clock, keys=keys, root=root)


def rotate_gateway_key(connection: Connection, clock: Clock, *, settings: Settings) -> tuple[Key, Path]:
    """Make a gateway key and publish it; answer it and its file. Requires an open transaction. Raises `RootKeyNeeded`
    and `RootKeyForeign`, and then nothing was made.
    """
    root = root_for(connection, clock, settings=settings, wanted="to publish a new gateway key")
    folder = DataDir.make(settings.data_dir).keys
    number = 1 + max((gateway_number(path.name) for path in folder.glob("gateway-*.key")), default=0)
    path = folder / f"gateway-{number}.key"
    make_secret(path)
    key = _key(read_signing_key(path), KeyRole.GATEWAY)
    publish_keys(connection, clock, keys=[key], root=root)
    return key, path


def revoke_published_key(connection: Connection, clock: Clock, *, settings: Settings, kid: bytes) -> None:
    """Take a key out of trust, and sign what names it. Requires an open transaction. Raises `KeyUnknown`,
    `RootKeyRevoked`, `RootKeyNeeded` and `RootKeyForeign`.
    """
    root = root_for(connection, clock, settings=settings, wanted="to publish that a key is revoked")
    revoke_key(connection, clock, kid=kid, root=root)


def root_for(connection: Connection, clock: Clock, *, settings: Settings, wanted: str) -> Ed25519PrivateKey:
    """Read the root key that signs this centre's list. Requires an open transaction. Raises `RootKeyNeeded`,
    `RootKeyForeign` and `KeyFileUnusable`.
    """
    published_list(connection, clock, settings=settings)
    path = root_key_path(settings)
    root = _read_root(path, wanted)
    kid = kid_of(root.public_key().public_bytes_raw())
    head = publishing.list_head_keys(connection)
    roots = [key.kid for key in head if key.role is KeyRole.ROOT and key.revoked_at is None]
    if kid not in roots:
        raise RootKeyForeign(
            f"{path} holds the root key {kid.hex()}; this centre's list is signed by"
            f" {' or '.join(root.hex() for root in roots)}. Name its file: BARIMT_ROOT_KEY"
        )
    return root


def root_at_hand(settings: Settings, clock: Clock) -> Callable[[Connection], Ed25519PrivateKey]:
    """Answer what reads the root key for a till's activation, while the centre runs; it raises `Unavailable` where the
    key is not at hand, and the log says what to do.
    """

    def read(connection: Connection) -> Ed25519PrivateKey:
        try:
            return root_for(connection, clock, settings=settings, wanted="to certify the key of a till")
        except Unusable as error:
            _log.warning("root_key_away", reason=str(error))
            raise Unavailable("root_key_away", retry_after_s=ROOT_RETRY_AFTER_S) from error

    return read


def root_key_path(settings: Settings) -> Path:
    """Answer where the root key is looked for: where the setting says, else beside the other keys."""
    apart = settings.root_key
    return DataDir.make(settings.data_dir).keys / ROOT if apart is None else apart.expanduser().absolute()


def _read_root(path: Path, wanted: str) -> Ed25519PrivateKey:
    if not path.exists():
        raise RootKeyNeeded(
            f"The root key is needed {wanted}. It was looked for at {path} and is not there. Bring it, and name its"
            " file if it is kept elsewhere: BARIMT_ROOT_KEY=/path/to/root.key"
        )
    return read_signing_key(path)


def _key(private: Ed25519PrivateKey, role: KeyRole) -> Key:
    return Key(private.public_key().public_bytes_raw(), role, VALID_FROM, VALID_FROM + VALID_FOR)
