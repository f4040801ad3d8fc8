"""What the centre signs and seals with on each of its terminals. The signer may change, or be missing, while it works.

A receipt that is signed by a revoked key is good for nobody, so that a centre without a valid key issues nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from kernel.refusal import Unavailable
from receipts.chain import ChainKey
from receipts.keys import Key, KeyRole, Signer, turnover_key

TERMINALS_REMEMBERED_MAX = 100_000
RETRY_AFTER_S = 30


def valid_signer(signers: Iterable[Signer], published: Iterable[Key], now: datetime) -> Signer | None:
    """Answer the first signer whose gateway key is published, not revoked and within its time; None without one."""
    valid = {key.kid for key in published if is_valid_gateway_key(key, now)}
    return next((signer for signer in signers if signer.kid in valid), None)


def is_valid_gateway_key(key: Key, now: datetime) -> bool:
    """Whether a key may sign for the centre's terminals now."""
    in_time = key.not_before <= now <= key.not_after
    return key.role is KeyRole.GATEWAY and key.revoked_at is None and in_time


class SigningKeys:
    """Answers the chain key of (seller, terminal, epoch), each terminal's K derived once."""

    def __init__(self, masters: Mapping[int, bytes], signer: Signer | None) -> None:
        self._masters = masters
        self._sealing_key_of = _sealing_keys_of(masters)
        self.sign_with(signer)

    @property
    def signer(self) -> Signer | None:
        """Who signs now."""
        return self._signer

    @property
    def test(self) -> bool:
        """Whether receipts signed here are marked TEST."""
        return self._signer is not None and self._signer.test

    def sign_with(self, signer: Signer | None) -> None:
        """Sign with another key from now on, or with none."""
        self._signer = signer
        self._key_of = _none if signer is None else _keys_of(signer, self._masters)

    def require_signer(self) -> None:
        """Raise `Unavailable` when there is no valid key to sign with."""
        if self._signer is None:
            raise no_signing_key()

    def sealing_key(self, seller: int, terminal: int, epoch: int) -> bytes:
        """Answer K of a terminal, which opens what its own till has sealed. Raises `Unavailable` when the secret of the
        epoch is not here.
        """
        return self._sealing_key_of(seller, terminal, epoch)

    def __call__(self, seller: int, terminal: int, epoch: int) -> ChainKey:
        """Answer the key. Raises `Unavailable` when there is no valid key to sign with."""
        return self._key_of(seller, terminal, epoch)


def no_signing_key() -> Unavailable:
    """What is said when nothing can be signed: nothing was issued."""
    return Unavailable("no valid signing key", retry_after_s=RETRY_AFTER_S)


def _keys_of(signer: Signer, masters: Mapping[int, bytes]) -> Callable[[int, int, int], ChainKey]:
    @lru_cache(maxsize=TERMINALS_REMEMBERED_MAX)
    def key_of(seller: int, terminal: int, epoch: int) -> ChainKey:
        return ChainKey(signer, turnover_key(masters[epoch], seller=seller, terminal=terminal, epoch=epoch))

    return key_of


def _sealing_keys_of(masters: Mapping[int, bytes]) -> Callable[[int, int, int], bytes]:
    @lru_cache(maxsize=TERMINALS_REMEMBERED_MAX)
    def key_of(seller: int, terminal: int, epoch: int) -> bytes:
        if epoch not in masters:
            raise Unavailable("no turnover secret", retry_after_s=RETRY_AFTER_S)
        return turnover_key(masters[epoch], seller=seller, terminal=terminal, epoch=epoch)

    return key_of


def _none(_seller: int, _terminal: int, _epoch: int) -> ChainKey:
    raise no_signing_key()
