"""The till's data directory: what lies where. Folders are 0700 and files 0600 where the system knows modes.

| name                                  | what                                                                     |
|---------------------------------------|--------------------------------------------------------------------------|
| `queue.sqlite`                        | the queue (`store.tables`), with SQLite's `-wal` and `-shm` beside it    |
| `witness.json`                        | how far each chain was, outside the database (`witness`)                 |
| `keys/queue.key`                      | the secret that seals the queue (`sealing`), 64 hexadecimal digits       |
| `keys/<seller>-<terminal>.pem`        | signs the chain's receipts                                               |
| `keys/<seller>-<terminal>.client.pem` | speaks for the seat at the centre (private_key_jwt)                      |
| `keys/<seller>-<terminal>.json`       | what activation answered, with the chain's turnover key                  |
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pos_gateway.till.seat import Activated, Seat
from receipts.chain import ChainKey
from receipts.keys import Signer
from runtime.key_files import make_secret, read_secret
from runtime.private_files import write_private
from runtime.unusable import Unusable

DEFAULT_DIR = Path(".barimt/till")


class TillDirUnusable(Unusable):
    """The till's data directory, or a key in it, cannot be made, read or written; the text says which and why."""


@dataclass(frozen=True, slots=True)
class TillDir:
    """A till's data directory that exists. Every path is absolute."""

    root: Path

    @classmethod
    def make(cls, path: Path) -> Self:
        """Make the directory where it is missing, closed to others, and answer it. Raises `TillDirUnusable`."""
        root = path.expanduser().absolute()
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            (root / "keys").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise TillDirUnusable(f"The till's data directory {root} cannot be used: {error.strerror}") from error
        return cls(root)

    @property
    def queue(self) -> Path:
        """The queue's database."""
        return self.root / "queue.sqlite"

    @property
    def witness(self) -> Path:
        """The witness file."""
        return self.root / "witness.json"

    @property
    def keys(self) -> Path:
        """The folder of the keys."""
        return self.root / "keys"

    def queue_secret(self) -> bytes:
        """Answer the secret that seals the queue; drawn where there is no queue yet. Raises `TillDirUnusable` where the
        queue is there and its secret is not, `KeyFileUnusable` where the file cannot be read.
        """
        path = self.keys / "queue.key"
        if self.queue.exists() and not path.exists():
            raise TillDirUnusable(
                f"{path} is missing, so that nobody can tell whether {self.queue.name} is whole. Put it back from the"
                " same backup, or replace the till: barimt till replace"
            )
        make_secret(path)
        return read_secret(path)

    def keep_activation(self, seat: Seat, activated: Activated) -> None:
        """Write the three key files of a seat; a disk that is full raises OSError."""
        write_private(self._key_file(seat, "pem"), _pem_of(activated.signing_key), replace=True)
        write_private(self._key_file(seat, "client.pem"), _pem_of(activated.client_key), replace=True)
        answer = json.dumps(dict(activated.answer), ensure_ascii=False, indent=1)
        write_private(self._key_file(seat, "json"), answer.encode(), replace=True)

    def chain_key(self, seat: Seat) -> ChainKey:
        """Answer what signs and seals on a seat's chain. Raises `TillDirUnusable`."""
        signer = Signer(self._private_key(seat, "pem"), by_till=True, test=seat.test)
        return ChainKey(signer, self._activation(seat).turnover_key)

    def client_key(self, seat: Seat) -> Ed25519PrivateKey:
        """Answer the key that speaks for a seat at the centre. Raises `TillDirUnusable`."""
        return self._private_key(seat, "client.pem")

    def activation(self, seat: Seat) -> dict[str, Any]:
        """Answer the JSON that activation answered. Raises `TillDirUnusable`."""
        return dict(self._activation(seat).answer)

    def _activation(self, seat: Seat) -> Activated:
        path = self._key_file(seat, "json")
        try:
            answer = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise TillDirUnusable(f"{path} cannot be read: {error}") from error
        return Activated(answer, self._private_key(seat, "pem"), self._private_key(seat, "client.pem"))

    def _private_key(self, seat: Seat, ending: str) -> Ed25519PrivateKey:
        path = self._key_file(seat, ending)
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise TillDirUnusable(f"The key {path} cannot be read: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise TillDirUnusable(f"The key {path} is no Ed25519 key")
        return key

    def _key_file(self, seat: Seat, ending: str) -> Path:
        return self.keys / f"{seat.label}.{ending}"


def _pem_of(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
