"""Activate a till: with its code it becomes a client and a terminal with a chain, and its key is certified.

The database's own function enrols (docs/decisions/0032); here the record and the certificate are made, and the shard is
signed with the root key. All is one transaction, which also uses the code up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection

from kernel.clock import Clock, business_date, business_day
from kernel.identity import format_terminal
from kernel.refusal import Refusal
from receipts.enrol import NewTerminal, TerminalExists, enrolment_record
from receipts.key_list import prefix_of
from receipts.keys import Key, KeyRole, kid_of
from receipts.publish_keys import shard_with
from receipts.rules import rules_on
from receipts.store import activating, publishing
from receipts.store.activating import OpenCode


class ActivationCodeUnknown(Refusal):
    """No such code, or it has expired, or another till has used it: which of them is not told."""

    code = "activation_code_unknown"


class PublicKeyTaken(Refusal):
    """That public key signs for somebody already. A till makes new keys for each terminal."""

    code = "public_key_taken"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who wants to be activated: the code in its one spelling, and the till's two public keys (Ed25519, 32 bytes)."""

    code: str
    public_key: bytes
    client_key: bytes


@dataclass(frozen=True, slots=True)
class Certifier:
    """Who certifies: the epoch of the turnover secret, the root key, asked for only where something is signed, and
    names for new clients.
    """

    epoch: int
    root_key: Callable[[Connection], Ed25519PrivateKey]
    new_client_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Activated:
    """A till that is enrolled and certified, with the published keys by which that is checked."""

    seller: int
    tin: str
    name: str
    terminal: int
    branch: int
    district: str
    city_tax_payer: bool
    vat_payer: bool
    client_id: str
    enrolment: bytes
    enrolled_at: datetime
    certificate: Key
    head: str
    shard: str
    repeated: bool


def activate_terminal(connection: Connection, clock: Clock, *, candidate: Candidate, certifier: Certifier) -> Activated:
    """Use a code up and answer what became of it; the same code with the same keys gets the same again.

    Raises `ActivationCodeUnknown`, `PublicKeyTaken`, `TerminalExists`, and what reading the root key raises. Requires
    an open transaction, for whose end others that activate a key of the same shard wait.
    """
    now = clock()
    found = _good_for(connection, candidate, now)
    if found.public_key is not None:
        return _answer(connection, found, candidate, repeated=True)
    if found.enrolled_at is not None:
        raise TerminalExists(terminal=format_terminal(found.terminal))
    if publishing.find_key(connection, kid_of(candidate.public_key)) is not None:
        raise PublicKeyTaken
    used = _use(connection, now, found, candidate, certifier)
    return _answer(connection, _good_for(connection, candidate, now), candidate, repeated=not used)


def _good_for(connection: Connection, candidate: Candidate, now: datetime) -> OpenCode:
    """Answer what the code is good for, if nobody else has used it. Raises `ActivationCodeUnknown`."""
    found = activating.find_code(connection, candidate.code, business_date(now))
    if found is None:
        raise ActivationCodeUnknown
    if (found.public_key, found.client_key) not in {(None, None), (candidate.public_key, candidate.client_key)}:
        raise ActivationCodeUnknown
    return found


def _use(connection: Connection, now: datetime, found: OpenCode, candidate: Candidate, certifier: Certifier) -> bool:
    """Enrol and certify; False when the code was used since it was looked up."""
    root, client_id, epoch = certifier.root_key(connection), certifier.new_client_id(), certifier.epoch
    until = now + timedelta(days=rules_on(business_date(now)).till_key_days)
    terminal = NewTerminal(found.tin, found.terminal, client_id, "till", found.branch, found.district)
    key = Key(candidate.public_key, KeyRole.TILL, now, until, found.seller, found.terminal, epoch)
    version, shard = shard_with(connection, lambda: now, key=key, root=root)
    return activating.use_code(
        connection,
        {
            "code": candidate.code,
            "client_id": client_id,
            "client_pem": _pem(candidate.client_key),
            "public_key": candidate.public_key,
            "client_key": candidate.client_key,
            "epoch": epoch,
            "enrolment": enrolment_record(terminal, seller=found.seller, epoch=epoch, enrolled_at=now),
            "enrolled_at": now,
            "day": business_day(now),
            "not_after": until,
            "version": version,
            "shard": shard,
        },
    )


def _pem(public_key: bytes) -> str:
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _answer(connection: Connection, found: OpenCode, candidate: Candidate, *, repeated: bool) -> Activated:
    key = publishing.find_key(connection, kid_of(candidate.public_key))
    shard = publishing.find_shard(connection, prefix_of(kid_of(candidate.public_key)))
    head = publishing.latest_key_list(connection)
    assert key is not None
    assert shard is not None
    assert head is not None
    assert found.client_id is not None
    assert found.enrolment is not None
    assert found.enrolled_at is not None
    return Activated(
        seller=found.seller,
        tin=found.tin,
        name=found.name,
        terminal=found.terminal,
        branch=found.branch,
        district=found.district,
        city_tax_payer=found.city_tax_payer,
        vat_payer=found.vat_payer,
        client_id=found.client_id,
        enrolment=bytes(found.enrolment),
        enrolled_at=found.enrolled_at,
        certificate=key,
        head=head[1],
        shard=shard[1],
        repeated=repeated,
    )
