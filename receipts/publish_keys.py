"""Put keys into the published list, take them out of trust, and sign anew with the root key what names them: the head,
or of a till's key its shard.
"""

from collections.abc import Collection, Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from kernel.clock import Clock
from kernel.refusal import Refusal
from receipts.key_list import prefix_of, read_key_list, read_shard, sign_key_list, sign_shard
from receipts.keys import Key, KeyRole, kid_of
from receipts.store import publishing


class KeyUnknown(Refusal):
    """There is no such key, or it was revoked before."""

    code = "key_unknown"


class RootKeyRevoked(Refusal):
    """The root key cannot be revoked by a list that it signs itself."""

    code = "root_key_revoked"


def publish_keys(connection: Connection, clock: Clock, *, keys: Collection[Key], root: Ed25519PrivateKey) -> str:
    """Add keys, sign what names them, and answer the head; where nothing changed, as it was published before. A till
    that is activated adds its key in another way (`receipts.activate_terminal`).
    """
    tills = [key for key in keys if key.role is KeyRole.TILL]
    added = [publishing.add_key(connection, key) for key in keys if key.role is not KeyRole.TILL]
    published = publishing.latest_key_list(connection)
    head = _sign_head(connection, clock, root) if published is None or any(added) else published[1]
    for key in tills:
        version, signed = shard_with(connection, clock, key=key, root=root)
        if publishing.add_key(connection, key):
            publishing.put_shard(connection, prefix_of(key.kid), version, clock(), signed)
    return head


def shard_with(connection: Connection, clock: Clock, *, key: Key, root: Ed25519PrivateKey) -> tuple[int, str]:
    """Answer version and text of a till key's shard as it is once it names the key too. Until this transaction ends
    nobody else signs that shard.
    """
    prefix = prefix_of(key.kid)
    publishing.lock_shard(connection, prefix)
    others = [one for one in publishing.list_shard_keys(connection, prefix) if one.kid != key.kid]
    return _sign_shard(connection, clock, prefix, [*others, key], root)


def revoke_key(connection: Connection, clock: Clock, *, kid: bytes, root: Ed25519PrivateKey) -> None:
    """Record that a key is not to be trusted from now on, and sign what names it. Raises `KeyUnknown` or
    `RootKeyRevoked`.
    """
    if kid == kid_of(root.public_key().public_bytes_raw()):
        raise RootKeyRevoked
    key = publishing.find_key(connection, kid)
    prefix = prefix_of(kid) if key is not None and key.role is KeyRole.TILL else None
    if prefix is not None:
        publishing.lock_shard(connection, prefix)
    if not publishing.revoke_key(connection, kid, clock()):
        raise KeyUnknown(kid=kid.hex())
    if prefix is None:
        _sign_head(connection, clock, root)
    else:
        version, signed = _sign_shard(connection, clock, prefix, publishing.list_shard_keys(connection, prefix), root)
        publishing.put_shard(connection, prefix, version, clock(), signed)


def _sign_shard(
    connection: Connection, clock: Clock, prefix: str, keys: Iterable[Key], root: Ed25519PrivateKey
) -> tuple[int, str]:
    version, _ = publishing.find_shard(connection, prefix) or (0, "")
    signed = sign_shard(keys, prefix=prefix, version=version + 1, issued_at=clock(), root=root)
    assert read_shard(signed, prefix=prefix, head=publishing.list_head_keys(connection))
    return version + 1, signed


def _sign_head(connection: Connection, clock: Clock, root: Ed25519PrivateKey) -> str:
    version, _ = publishing.latest_key_list(connection) or (0, "")
    now = clock()
    signed = sign_key_list(publishing.list_head_keys(connection), version=version + 1, issued_at=now, root=root)
    assert read_key_list(signed)
    publishing.add_key_list(connection, version + 1, now, signed)
    return signed
