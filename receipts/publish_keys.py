"""Put keys into the published list, take them out of trust, and sign the list anew with the root key."""

from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from kernel.clock import Clock
from kernel.refusal import Refusal
from receipts.keys import Key, kid_of, read_key_list, sign_key_list
from receipts.store import enrolling


class KeyUnknown(Refusal):
    """There is no such key, or it was revoked before."""

    code = "key_unknown"


class RootKeyRevoked(Refusal):
    """The root key cannot be revoked by a list that it signs itself."""

    code = "root_key_revoked"


def publish_keys(connection: Connection, clock: Clock, *, keys: Iterable[Key], root: Ed25519PrivateKey) -> str:
    """Add keys to the list and answer the list as signed now; when nothing changed, the one already published."""
    added = [enrolling.add_key(connection, key) for key in keys]
    published = enrolling.latest_key_list(connection)
    if published is not None and not any(added):
        return published[1]
    return _sign(connection, clock, root)


def revoke_key(connection: Connection, clock: Clock, *, kid: bytes, root: Ed25519PrivateKey) -> str:
    """Record that a key is not to be trusted from now on, and answer the list as signed now. Raises `KeyUnknown` or
    `RootKeyRevoked`.
    """
    if kid == kid_of(root.public_key().public_bytes_raw()):
        raise RootKeyRevoked
    if not enrolling.revoke_key(connection, kid, clock()):
        raise KeyUnknown(kid=kid.hex())
    return _sign(connection, clock, root)


def _sign(connection: Connection, clock: Clock, root: Ed25519PrivateKey) -> str:
    version, _ = enrolling.latest_key_list(connection) or (0, "")
    now = clock()
    signed = sign_key_list(enrolling.list_keys(connection), version=version + 1, issued_at=now, root=root)
    assert read_key_list(signed)
    enrolling.add_key_list(connection, version + 1, now, signed)
    return signed
