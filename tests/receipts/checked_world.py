"""A world of which everything holds, made by the real verbs, and what somebody with the gateway's key could do."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import asdict
from sqlalchemy import Connection, text

from kernel.canonical import sha256
from receipts import qr
from receipts.chain import Draft, Head, Link, advance
from receipts.document import decode_document, encode_document
from receipts.enrol import NewSeller, NewTerminal, add_client, add_seller, add_terminal
from receipts.keys import Key, KeyRole
from receipts.publish_keys import publish_keys
from receipts.receipt import Nature, TaxType
from receipts.stored import PartAmounts, StoredReceipt, stored_receipt
from runtime.database import Database, Role
from tests.changing import replace
from tests.factories import EPOCH, MASTER, OPENED_AT, PartOf, Shop, Till, World, open_world
from tests.receipts.signed_world import Liar, deliver, enrol_till, make_liar, sale_draft, sign, start

ROOT = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
ROOT_KEY = Key(ROOT.public_key().public_bytes_raw(), KeyRole.ROOT, OPENED_AT, OPENED_AT + timedelta(days=4000))
MASTERS = {EPOCH: MASTER}
_COLUMNS = list(StoredReceipt.__struct_fields__)


@dataclass(frozen=True, slots=True)
class CheckedWorld:
    """The world and what is in it. `sale` and `last` are the unclaimed last two links of the first shop's chain."""

    world: World
    shop: Shop
    other: Shop
    """Has a TIN of 13 digits; its own chain has a start and one sale."""
    till: Till
    claimed: StoredReceipt
    """A bundle of both shops."""
    corrected: StoredReceipt
    """A bundle of both shops, of which the correction leaves the first alone; it was claimed afterwards."""
    correction: StoredReceipt
    voided: StoredReceipt
    void: StoredReceipt
    business: StoredReceipt
    invoice: StoredReceipt
    training: StoredReceipt
    sale: StoredReceipt
    last: StoredReceipt
    of_other: StoredReceipt
    reported: StoredReceipt
    """A till's sale that was held, then reported."""
    unreported: Link
    liar: Liar
    consumers: tuple[int, int, int]
    """Of `claimed` and `voided`; of `correction`; of the till's two."""
    claims: Mapping[str, int]
    """Claim numbers by the names above."""


def make_world(database: Database) -> CheckedWorld:
    """Build it and see to its outbox."""
    return asyncio.run(_make(database))


async def _make(database: Database) -> CheckedWorld:
    async with open_world(database) as world:
        shop, other, till = world.add_shop(), _shop_with_long_tin(world), enrol_till(world)
        liar = enrol_till(world)
        with database.transaction(Role.OWNER) as connection:
            publish_keys(connection, world.clock, keys=[ROOT_KEY, *world.keyring.values()], root=ROOT)
        world.add_shop(mode="till")  # a chain without a link
        first, second, third = (world.add_consumer() for _ in range(3))
        claimed = await world.sell(shop, 11_000_00, PartOf(5_000_00, TaxType.NO_VAT, other))
        corrected = await world.sell(shop, 22_000_00, PartOf(1_000_00, TaxType.NO_VAT, other))
        correction = await world.correct(corrected, shop, 20_000_00)
        voided = await world.sell(shop, 33_000_00)
        claims = {
            "claimed": (await world.claim(claimed, first)).claim.claim,
            "corrected": (await world.claim(correction, second)).claim.claim,
            "voided": (await world.claim(voided, first)).claim.claim,
        }
        void = await world.void(voided)
        first_link, held, unreported = (
            start(till), *(sign(till, sale_draft(till.shop, total)) for total in (7_700_00, 8_800_00))
        )  # fmt: skip
        claims |= {
            "reported": (await world.claim(held, third)).claim.claim,
            "unreported": (await world.claim(unreported, third)).claim.claim,
        }
        made = CheckedWorld(
            world=world,
            shop=shop,
            other=other,
            till=till,
            claimed=claimed,
            corrected=corrected,
            correction=correction,
            voided=voided,
            void=void,
            business=await world.sell(shop, 44_000_00, business=True),
            invoice=await world.sell(shop, 55_000_00, nature=Nature.INVOICE),
            training=await world.sell(shop, 66_000_00, nature=Nature.TRAINING),
            sale=await world.sell(shop, 77_000_00),
            last=await world.sell(shop, 88_000_00),
            of_other=await world.sell(other, 99_000_00),
            reported=(await deliver(world, till, first_link, held))[1],
            liar=await make_liar(world, liar),
            unreported=unreported,
            consumers=(first, second, third),
            claims=claims,
        )
        await world.follow()
        return made


def _shop_with_long_tin(world: World) -> Shop:
    tin, terminal = "1234567890123", 20_000_001
    with world.database.transaction(Role.OWNER) as connection:
        new = NewSeller(tin, "Бат", "4711", "2501", vat_registered_from=date(2016, 1, 1))
        seller = add_seller(connection, world.clock, seller=new)
        add_client(connection, world.clock, client_id="long", seller_tin=tin, public_key="none")
        add_terminal(
            connection,
            world.clock,
            terminal=NewTerminal(tin, terminal, "long", "gateway", 1, "2501"),
            epoch=EPOCH,
            chain_key=world.chain_key,
        )
    return Shop(seller, tin, terminal, vat_payer=True)


@dataclass(frozen=True, slots=True)
class Insider:
    """Somebody with the owner's rights on the database, triggers off, and with the gateway's key."""

    connection: Connection
    at: CheckedWorld

    def run(self, sql: str, **values: Any) -> None:
        """Change something."""
        assert self.connection.execute(text(sql), values).rowcount != 0, "nothing was damaged"

    def change(self, receipt: StoredReceipt, assignments: str, **values: Any) -> str:
        """Change columns of a stored receipt; answer its id."""
        self.run(f"UPDATE pos.receipts SET {assignments} WHERE {_WHERE}", **values, **_key(receipt))
        return str(receipt.id)

    def delete(self, receipt: StoredReceipt) -> None:
        """Remove a receipt and the key of its order."""
        self.run(f"DELETE FROM pos.receipts WHERE {_WHERE}", **_key(receipt))
        self.connection.execute(text(f"DELETE FROM pos.idempotency WHERE {_WHERE}"), _key(receipt))

    def resign(
        self,
        receipt: StoredReceipt,
        *,
        document: bytes | None = None,
        turnover_mongo: int | None = None,
        **payload: Any,
    ) -> str:
        """Write a receipt of the centre anew as something else, signed, with all that stands beside it and, for the
        last link, with its chain's head; answer its new id.
        """
        pieces = qr.take_apart(receipt.cose)
        assert pieces is not None
        signed = replace(qr.unpack(pieces[1]), **payload)
        if document is not None:
            signed = replace(signed, document=sha256(document)[:8])
        turnover = receipt.turnover_mongo if turnover_mongo is None else turnover_mongo
        key = self.at.world.chain_key(receipt.seller, receipt.terminal, EPOCH)
        sealed = qr.seal_turnover(turnover, turnover_key=key.turnover_key, id=signed.id)
        packed = qr.pack(replace(signed, turnover_sealed=sealed))
        signature = key.signer.private_key.sign(qr.to_sign(key.signer.kid, packed))
        cose = qr.assemble(key.signer.kid, packed, signature)
        issued_at = datetime.fromtimestamp(signed.issued_at, UTC)
        self.change(
            receipt,
            "cose = :cose, receipt_hash = :hash, turnover_mongo = :turnover, issued_at = :issued_at, number = :new,"
            " root_number = CASE WHEN root_number = number THEN :new ELSE root_number END, document = :document,"
            " document_hash = sha256(:document)",
            cose=cose, hash=qr.receipt_hash(cose), turnover=turnover, issued_at=issued_at, new=signed.id.number,
            document=receipt.document if document is None else document,
        )  # fmt: skip
        new = {"new": signed.id.number}
        self.connection.execute(text(f"UPDATE pos.idempotency SET number = :new WHERE {_WHERE}"), _key(receipt) | new)
        if self.head(receipt).previous_hash == receipt.receipt_hash:
            self.run(
                "UPDATE pos.chains SET head_hash = :hash, turnover_mongo = :turnover, last_issued_at = :issued_at,"
                " next_number = next_number - :old + :new WHERE (seller, terminal) = (:seller, :terminal)",
                hash=qr.receipt_hash(cose), turnover=turnover, issued_at=issued_at, old=receipt.number,
                new=signed.id.number, seller=receipt.seller, terminal=receipt.terminal,
            )  # fmt: skip
        return str(signed.id)

    def links_of(self, shop: Shop) -> list[StoredReceipt]:
        """The stored links of a chain, in order."""
        rows = self.connection.execute(
            text(f"SELECT {', '.join(_COLUMNS)} FROM pos.receipts WHERE seller = :seller ORDER BY counter"),
            {"seller": shop.seller},
        )
        return [StoredReceipt(*row) for row in rows]

    def head(self, shop: Shop | StoredReceipt) -> Head:
        """Where a chain stands."""
        row = self.connection.execute(
            text("SELECT * FROM pos.chains WHERE (seller, terminal) = (:seller, :terminal)"),
            {"seller": shop.seller, "terminal": shop.terminal},
        ).one()
        return Head(*row)

    def issue(self, head: Head, draft: Draft, *, root: StoredReceipt | None = None) -> StoredReceipt:
        """Issue whatever it is that no rule would let through, on a gateway's chain."""
        key = self.at.world.chain_key(head.seller, head.terminal, EPOCH)
        link, after = advance(head, draft, issued_at=self.at.world.now, key=key)
        amounts = [
            PartAmounts(seller, part.tax_type, part.total_mongo, part.vat_mongo, part.city_tax_mongo)
            for seller, part in zip(draft.part_sellers, draft.document.parts, strict=True)
        ]
        row = stored_receipt(link, amounts, received_at=link.issued_at, computed_vat_mongo=draft.vat_mongo, root=root)
        places = ", ".join(f":{name}" for name in _COLUMNS)
        self.run(f"INSERT INTO pos.receipts ({', '.join(_COLUMNS)}) VALUES ({places})", **asdict(row))
        self.run(
            "INSERT INTO pos.chains VALUES (:seller, :terminal, :counter, :previous_hash, :turnover_mongo, :day,"
            " :next_number, :last_issued_at) ON CONFLICT (seller, terminal) DO UPDATE SET"
            " counter = :counter, head_hash = :previous_hash, turnover_mongo = :turnover_mongo, day = :day,"
            " next_number = :next_number, last_issued_at = :last_issued_at",
            **asdict(after),
        )
        return row

    def follow(self, before: StoredReceipt, by: StoredReceipt) -> None:
        """Record that one link follows another."""
        self.run(
            "INSERT INTO pos.successors VALUES (:seller, :terminal, :day, :number, :by_terminal, :by_day, :by_number,"
            " :root_terminal, :root_day, :root_number, :nature, :issued_at, NULL)",
            **_key(before), by_terminal=by.terminal, by_day=by.day, by_number=by.number,
            root_terminal=by.root_terminal, root_day=by.root_day, root_number=by.root_number,
            nature=by.kind & 15, issued_at=by.issued_at,
        )  # fmt: skip

    def correct(self, before: StoredReceipt, *, root: StoredReceipt) -> StoredReceipt:
        """Issue a correction of a receipt, whatever that is."""
        draft = sale_draft(self.at.shop, 1_100_00, nature=Nature.CORRECTION)
        draft = replace(draft, document=replace(draft.document, root_id=root.id, previous_id=before.id))
        by = self.issue(self.head(self.at.shop), draft, root=root)
        self.follow(before, by)
        return by


def another_document(receipt: StoredReceipt) -> bytes:
    """A document as good as a receipt's own, of somebody else's purchase."""
    return encode_document(replace(decode_document(receipt.document), buyer_tin="37900846789"))


_WHERE = "(seller, terminal, day, number) = (:seller, :terminal, :day, :number)"


def _key(receipt: StoredReceipt) -> dict[str, int]:
    return dict(zip(("seller", "terminal", "day", "number"), receipt.key, strict=True))
