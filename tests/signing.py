"""A till that signs its receipts by itself and uploads them when the test says so: a real signer over real HTTP."""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from barimt.check import follow_all
from receipts import qr
from receipts.chain import ChainKey, Draft, Head, Link, advance, first_head
from receipts.check_receipts import check_receipts
from receipts.document import Document, Line, Part
from receipts.keys import Key, KeyRole, Signer, turnover_key
from receipts.publish_keys import publish_keys, revoke_key
from receipts.receipt import Nature, TaxType
from runtime.database import Role
from runtime.key_files import read_signing_key
from tests.answered import Json
from tests.changing import replace
from tests.serving import EPOCH, Centre, Till

EVER = timedelta(days=4000)


@dataclass(slots=True)
class SigningTill:
    """One terminal of a client's, with its key, its chain and everything that it has signed."""

    centre: Centre
    till: Till
    seller: int
    terminal: int
    key: ChainKey
    public: Key
    head: Head
    links: list[Link] = field(default_factory=list)

    @property
    def tin(self) -> str:
        return self.till.tin

    def sign(self, draft: Draft, *, at: datetime | None = None, keep: bool = True) -> Link:
        """Sign a link of whatever it is; it is the chain's next one, unless it is not kept."""
        link, head = advance(self.head, draft, issued_at=at or self.centre.now, key=self.key)
        if keep:
            self.head = head
            self.links.append(link)
        return link

    def start(self) -> Link:
        return self.sign(bare(Nature.START, Document(district="2501")))

    def close(self) -> Link:
        return self.sign(bare(Nature.CLOSING, Document()))

    def sell(self, total_mongo: int = 11_000_00, *, at: datetime | None = None, **changes: Any) -> Link:
        """Ring up a loaf of bread, or what the changes make of it."""
        return self.sign(sale(self, total_mongo, **changes), at=at)

    def sell_many(self, count: int, *, first_mongo: int = 1_100_00) -> list[Link]:
        """Ring up that many loaves, each at another price. Two copies of a till that sign the same make the same."""
        return [self.sell(first_mongo + at) for at in range(count)]

    def correct(self, before: Link, root: Link, total_mongo: int, **changes: Any) -> Link:
        draft = sale(self, total_mongo, nature=Nature.CORRECTION, **changes)
        document = replace(draft.document, root_id=root.id, previous_id=before.id)
        return self.sign(replace(draft, document=document))

    def void(self, before: Link, root: Link | None = None, **changes: Any) -> Link:
        return self.sign(replace(void_draft(before, root), **changes))

    def upload(self, links: Sequence[Link], *, private: Json | None = None) -> list[Json]:
        """Upload links and answer the verdicts."""
        return self.till_upload([line_of(link, private) for link in links])

    def till_upload(self, lines: Sequence[Any], **headers: str) -> list[Json]:
        answer = self.post(lines, **headers)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.content.split(b"\n") if line]

    def post(self, lines: Sequence[Any], **headers: str) -> httpx2.Response:
        content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        return self.till.http.post("/v1/receipts/signed", content=content, headers=self.till.headers(**headers))

    def copy(self) -> "SigningTill":
        """The till as a backup keeps it: the same key, its own memory from now on."""
        return replace(self, links=list(self.links))

    def stored(self) -> list[tuple[Any, ...]]:
        """Counter, hash of every stored link of the chain, in order."""
        return self.centre.ask(
            "SELECT counter, receipt_hash FROM pos.receipts WHERE (seller, terminal) = (%s, %s) ORDER BY counter",
            self.seller,
            self.terminal,
        )


def add_signing_till(centre: Centre, till: Till | None = None, **enrolled: Any) -> SigningTill:
    """Enrol a seller whose till signs by itself, or one more terminal of a client, and certify its key."""
    till = till or centre.enrol(mode="till", terminals=0, **enrolled)
    terminal = int(centre.add_terminal(till, mode="till"))
    with centre.database.transaction(Role.OWNER) as connection:
        seller, enrolment, enrolled_at = connection.execute(
            text(
                "SELECT t.seller, t.enrolment, t.enrolled_at FROM pos.terminals t JOIN pos.sellers s USING (seller)"
                " WHERE s.tin = :tin AND t.terminal = :terminal"
            ),
            {"tin": till.tin, "terminal": terminal},
        ).one()
    private = Ed25519PrivateKey.generate()
    public = Key(
        private.public_key().public_bytes_raw(), KeyRole.TILL, enrolled_at - EVER, enrolled_at + EVER,
        seller, terminal, EPOCH,
    )  # fmt: skip
    root = read_signing_key(centre.authority.folder / "root.key")
    with centre.database.transaction(Role.JOBS) as connection:
        publish_keys(connection, centre.clock, keys=[public], root=root)
    sealing = turnover_key(centre.authority.masters[EPOCH], seller=seller, terminal=terminal, epoch=EPOCH)
    head = first_head(seller=seller, terminal=terminal, enrolment=bytes(enrolment), enrolled_at=enrolled_at)
    return SigningTill(centre, till, seller, terminal, ChainKey(Signer(private, by_till=True), sealing), public, head)


def sale(till: SigningTill, total_mongo: int, *, vat_mongo: int | None = None, **changes: Any) -> Draft:
    """A sale of one loaf of bread with the VAT in it."""
    vat = (total_mongo * 2 + 11) // 22 if vat_mongo is None else vat_mongo
    part = Part(till.tin, TaxType.VAT_ABLE, total_mongo, vat, 0, (Line("Талх", "1", "ш", total_mongo),))
    draft = Draft(
        Nature.SALE,
        business=False,
        lottery=True,
        branch=1,
        total_mongo=total_mongo,
        vat_mongo=vat,
        document=Document(parts=(part,)),
        part_sellers=(till.seller,),
    )
    return replace(draft, **changes)


def bare(nature: Nature, document: Document) -> Draft:
    """A link without parts."""
    return Draft(nature, business=False, lottery=False, branch=1, total_mongo=0, vat_mongo=0, document=document)


def void_draft(before: Link, root: Link | None = None) -> Draft:
    """What voids a link."""
    payload = qr.unpack(before.cose[18:78])
    document = Document(root_id=(root or before).id, previous_id=before.id, reason="буцаалт")
    return replace(
        bare(Nature.VOID, document),
        business=before.kind.business,
        total_mongo=-payload.total_mongo,
        vat_mongo=-payload.vat_mongo,
    )


def line_of(link: Link, private: Json | None = None) -> Json:
    """A link as it is uploaded."""
    document = base64.urlsafe_b64encode(link.document).rstrip(b"=").decode()
    line: Json = {"qr": qr.encode_text(link.cose), "document": document}
    return line if private is None else line | {"private": private}


def statuses(verdicts: Sequence[Json]) -> list[int]:
    return [verdict["status"] for verdict in verdicts]


def findings(verdicts: Sequence[Json]) -> list[list[str]]:
    return [verdict["receipt"]["findings"] for verdict in verdicts]


def broken(centre: Centre) -> dict[str, tuple[str, ...]]:
    """Let the claims follow, look at every invariant, and answer those that are broken."""
    asyncio.run(follow_all(centre.database, centre.clock))
    with centre.database.transaction(Role.OWNER) as connection:
        done = check_receipts(connection, masters=centre.authority.masters)
    return {one.invariant.code: one.places for one in done if not one.holds}


def revoke(till: SigningTill) -> None:
    """Take a till's key out of trust, now."""
    root = read_signing_key(till.centre.authority.folder / "root.key")
    with till.centre.database.transaction(Role.JOBS) as connection:
        revoke_key(connection, till.centre.clock, kid=till.public.kid, root=root)
