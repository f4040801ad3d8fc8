"""The authority's keys in the data directory. They are made once (`barimt.open_authority`) and read ever after.

| file              | what                                                                                       |
|-------------------|--------------------------------------------------------------------------------------------|
| `root.key`        | certifies the others; needed only when the list changes, so that it can be kept elsewhere  |
| `gateway-N.key`   | signs receipts of gateway terminals; the highest N that is published and not revoked       |
| `turnover-N.key`  | the master secret of epoch N, from which each terminal's K is derived                      |
| `tokens.key`      | signs the tills' access tokens, and keys the digests of their requests                     |
| `development.key` | signs the development issuer's tokens for consumers and officers                           |
| `TEST`            | its being there makes this a test centre: whatever its keys sign is marked TEST            |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from receipts.keys import Key, Signer
from receipts.signing_keys import SigningKeys, is_valid_gateway_key, valid_signer
from runtime.key_files import read_secret, read_signing_key
from runtime.unusable import Unusable

EPOCH = 1
ROOT, TURNOVER, TOKENS, DEVELOPMENT = "root.key", f"turnover-{EPOCH}.key", "tokens.key", "development.key"
FIRST_GATEWAY = "gateway-1.key"
TEST = "TEST"
_ANEW = "put 64 new hexadecimal digits into it (openssl rand -hex 32) and close it to others (chmod 600)"
LOST: Mapping[str, str] = {
    TURNOVER: "It holds the secret that encrypts the turnover counters in receipts; without it every chain would break."
    " Put it back from your backup of the folder: nothing can replace it.",
    TOKENS: "It signs the tills' access tokens and keys the digests of their requests. Put it back from your backup of"
    f" the folder. If it is lost for good, {_ANEW}: tills then fetch new tokens, and their retries of older requests"
    " are taken for other content.",
    DEVELOPMENT: "It signs the development issuer's tokens for consumers and officers. Put it back from your backup of"
    f" the folder. If it is lost for good, {_ANEW}: their tokens must then be printed again.",
}
"""What a missing file was for, and what to do."""


class KeyMissing(Unusable):
    """A key that was made for this database is missing; another one in its place would break what is stored. The text
    names the file, what it was for, and what to do.
    """


@dataclass(frozen=True, slots=True)
class Authority:
    """The keys of one data directory, and the list of them that was published last."""

    folder: Path
    published: tuple[Key, ...]
    signed: str
    signers: tuple[Signer, ...] = field(repr=False)
    masters: Mapping[int, bytes] = field(repr=False)
    token_key: bytes = field(repr=False)

    @classmethod
    def read(cls, folder: Path, *, published: Iterable[Key], signed: str, now: datetime) -> "Authority":
        """Read the keys that go with a published list. Raises `KeyMissing` or `KeyFileUnusable`."""
        keys = tuple(published)
        signers = tuple(read_signers(folder).values())
        _require_signer(folder, signers, keys, now)
        return cls(folder, keys, signed, signers, read_masters(folder), _kept(folder, TOKENS))

    @property
    def test(self) -> bool:
        """Whether this is a test centre."""
        return is_test(self.folder)

    @property
    def development_key(self) -> bytes:
        """The secret of the development issuer. Raises `KeyMissing` or `KeyFileUnusable`."""
        return _kept(self.folder, DEVELOPMENT)

    def signing_keys(self, now: datetime) -> SigningKeys:
        """Answer what signs and seals, with the newest key that is valid now."""
        return SigningKeys(self.masters, valid_signer(self.signers, self.published, now))


def read_masters(folder: Path) -> Mapping[int, bytes]:
    """Answer the turnover secrets by epoch. Raises `KeyMissing` or `KeyFileUnusable`."""
    return {EPOCH: _kept(folder, TURNOVER)}


def read_signers(folder: Path, known: Mapping[str, Signer] | None = None) -> dict[str, Signer]:
    """Answer the gateway keys of a folder by file name, newest first; those known already are not read again. Raises
    `KeyFileUnusable`.
    """
    names = sorted((path.name for path in folder.glob("gateway-*.key")), key=gateway_number, reverse=True)
    known, test = known or {}, is_test(folder)
    return {
        name: known[name] if name in known else Signer(read_signing_key(folder / name), test=test) for name in names
    }


def is_test(folder: Path) -> bool:
    """Whether a folder of keys is a test centre's: told by a file, so that every command that signs knows it."""
    return (folder / TEST).exists()


def gateway_number(name: str) -> int:
    """Answer N of `gateway-N.key`; 0 of any other name."""
    digits = name.removeprefix("gateway-").removesuffix(".key")
    return int(digits) if digits.isdecimal() else 0


def _require_signer(folder: Path, signers: Iterable[Signer], published: Iterable[Key], now: datetime) -> None:
    """Refuse to go on when valid gateway keys are published and none of them is here. With all of them revoked there
    is nothing to find: look-ups and claims go on, and issuing says why it does not.
    """
    wanted = {key.kid for key in published if is_valid_gateway_key(key, now)}
    if wanted and wanted.isdisjoint(signer.kid for signer in signers):
        kids = ", ".join(sorted(kid.hex() for kid in wanted))
        raise KeyMissing(
            f"{folder / 'gateway-N.key'} is missing: no file there holds a gateway key that is published and not"
            f" revoked ({kids}). These keys sign receipts. Put the file back from your backup of the folder, or make"
            " and publish a new key: barimt keys rotate (it needs the root key)."
        )


def _kept(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.exists():
        raise KeyMissing(f"{path} is missing. {LOST[name]}")
    return read_secret(path)
