"""What a check looks at, and what it reads there. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from kernel.refusal import Malformed
from pos_gateway.conformance.body import Subject
from pos_gateway.conformance.exchange import Exchange, nothing, shown, text_of, value_at
from receipts import base45, qr
from receipts.ids import ReceiptId
from receipts.keys import Keyring
from receipts.qr import Payload


class Wrong(Struct, frozen=True):
    """What was expected, and what came."""

    expected: str
    came: str


class Scene(Struct, frozen=True):
    """What a check looks at: the answer, the case's earlier ones by their names, who is tried, when, and
    the keys if any.
    """

    exchange: Exchange
    before: Mapping[str, Exchange]
    subject: Subject
    now: datetime
    keyring: Keyring | None = None

    def at(self, path: str) -> Any:
        """Answer what stands at a path of the answer."""
        return value_at(self.exchange.answer, path)

    @property
    def id(self) -> ReceiptId | None:
        """The bundle's id."""
        return id_of(self.exchange)

    @property
    def last(self) -> Exchange | None:
        """The receipt that the case was given last."""
        given = [exchange for exchange in self.before.values() if exchange.issued and not exchange.step.hang_up]
        return given[-1] if given else None

    @property
    def receipts(self) -> list[Any]:
        """The sub-receipts."""
        found = self.at("receipts")
        return found if isinstance(found, list) else []


def id_of(exchange: Exchange) -> ReceiptId | None:
    """Answer the id of a receipt; None where there is none of 33 digits."""
    return parsed_id(value_at(exchange.answer, "id"))


def ids_in(exchange: Exchange) -> list[str]:
    """Answer the ids of a bundle and its sub-receipts, as texts; those that are there."""
    receipts = value_at(exchange.answer, "receipts")
    found = [value_at(exchange.answer, "id"), *(value_at(each, "id") for each in (receipts or []))]
    return [text_of(each) for each in found if not nothing(each)]


def payload_of(exchange: Exchange) -> tuple[Payload, bytes] | None:
    """Answer what the QR says, and its 144 bytes; None where it is of another form. No signature is checked."""
    text = text_of(value_at(exchange.answer, "qrData"))
    cose = base45.decode(text.removeprefix(qr.PREFIX)) if text.startswith(qr.PREFIX) else None
    pieces = qr.take_apart(cose) if cose else None
    return (qr.unpack(pieces[1]), cose) if cose and pieces else None


def parsed_id(value: Any) -> ReceiptId | None:
    """Answer an id; None where it has no 33 digits."""
    try:
        return ReceiptId.parse(text_of(value))
    except Malformed:
        return None


def no_id(scene: Scene) -> Wrong:
    """Say that a receipt's id is missing."""
    return Wrong("an id of 33 digits", shown(scene.at("id")))
