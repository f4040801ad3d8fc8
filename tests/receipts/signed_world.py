"""The tills of the checked world: one that is honest, and one that signs whatever it likes. The real verb takes all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from kernel.clock import Month
from receipts.accept_signed import Upload, accept_signed
from receipts.chain import Draft, Link, advance, first_head
from receipts.document import Document, Line, Part, decode_document
from receipts.intake import Accepted
from receipts.keys import turnover_key
from receipts.receipt import Nature, TaxType
from receipts.signed_link import signed_link
from receipts.store import issuing
from receipts.stored import StoredReceipt
from receipts.submission import Merchant
from runtime.database import Role
from tests.changing import replace
from tests.factories import MASTER, OPENED_AT, Shop, Till, World

AHEAD = OPENED_AT + timedelta(days=40)
BUYER = "37900846789"


@dataclass(frozen=True, slots=True)
class Liar:
    """A till of whose chain everything is stored; what is the matter with each link is in its name."""

    till: Till
    fine: StoredReceipt
    taxed_wrongly: StoredReceipt
    of_last_week: StoredReceipt
    """Its time lies before that of the link before it, its day and number too, and it is late."""
    numbered_twice: StoredReceipt
    turned_over: StoredReceipt
    not_adding_up: StoredReceipt
    of_a_stranger: StoredReceipt
    of_long_reference: StoredReceipt
    without_lottery: StoredReceipt
    correction: StoredReceipt
    """Of `fine`; its document names another root."""
    void_of_nothing: StoredReceipt
    void_of_less: StoredReceipt
    """Of `correction`."""
    of_february: StoredReceipt
    ahead: StoredReceipt
    closing: StoredReceipt
    fork: Link
    """After `fine`, beside `taxed_wrongly`."""
    forked_further: Link


async def deliver(world: World, till: Till, *links: Link) -> list[StoredReceipt]:
    """Take links as an upload does, in one transaction, and answer the rows of those that are no forks."""
    merchants = {till.shop.tin: Merchant(till.shop.seller, till.shop.tin, till.shop.vat_payer, city_tax_payer=False)}
    signed = [
        signed_link(world.scan(link), decode_document(link.document), link.document) for link in links
    ]  # fmt: skip
    async with world.gateway.acquire() as connection:
        for month in {Month.of(link.issued_at) for link in links}:
            await issuing.ensure_month(connection, month)
        async with connection.transaction():
            outcomes = await accept_signed(
                connection,
                world.clock,
                links=signed,
                upload=Upload(
                    f"client-{int(till.shop.tin) - 37_900_000_000}",
                    lambda seller, terminal, epoch: turnover_key(MASTER, seller=seller, terminal=terminal, epoch=epoch),
                ),
                merchants={link.id.day: merchants for link in links},
            )
        taken = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        assert len(taken) == len(links), outcomes
        rows = await issuing.find_receipts(connection, [one.link.key for one in taken if not one.fork])
    return [rows[one.link.key] for one in taken if not one.fork]


def enrol_till(world: World) -> Till:
    """Enrol a till whose chain begins where the centre expects it to."""
    till = world.add_till()
    with world.database.transaction(Role.OWNER) as connection:
        enrolment = connection.execute(
            text("SELECT enrolment FROM pos.terminals WHERE (seller, terminal) = (:seller, :terminal)"),
            {"seller": till.shop.seller, "terminal": till.shop.terminal},
        ).scalar_one()
    till.head = first_head(
        seller=till.shop.seller, terminal=till.shop.terminal, enrolment=enrolment, enrolled_at=world.now
    )
    return till


def sign(till: Till, draft: Draft, *, at: datetime = OPENED_AT, **head: Any) -> Link:
    """Sign a till's next link, with its memory changed before."""
    till.head = replace(till.head, **head)
    link, till.head = advance(till.head, draft, issued_at=at, key=till.key)
    return link


def start(till: Till) -> Link:
    """Sign the first link of a chain."""
    return sign(till, bare(Nature.START, Document(district="2501")))


def bare(nature: Nature, document: Document, **changes: Any) -> Draft:
    """A link without parts."""
    draft = Draft(nature, business=False, lottery=False, branch=1, total_mongo=0, vat_mongo=0, document=document)
    return replace(draft, **changes)


def sale_draft(shop: Shop, total_mongo: int, **changes: Any) -> Draft:
    """A sale of one loaf of bread, or what the changes make of it."""
    vat_mongo = total_mongo // 11
    part = Part(shop.tin, TaxType.VAT_ABLE, total_mongo, vat_mongo, 0, (Line("Талх", "1", "ш", total_mongo),))
    draft = Draft(
        Nature.SALE,
        business=False,
        lottery=True,
        branch=1,
        total_mongo=total_mongo,
        vat_mongo=vat_mongo,
        document=Document(parts=(part,)),
        part_sellers=(shop.seller,),
    )
    return replace(draft, **changes)


async def make_liar(world: World, till: Till) -> Liar:
    """Let a till sign what it should not, and upload it."""
    sell: Callable[..., Draft] = lambda total, **changes: sale_draft(till.shop, total, **changes)  # noqa: E731 - short
    first, fine = start(till), sign(till, sell(1_100_00))
    copy = replace(till)
    taxed_wrongly = sign(till, taxed(sell(2_200_00), 1_00))
    of_last_week = sign(
        till, sell(3_300_00), at=OPENED_AT - timedelta(hours=100), last_issued_at=OPENED_AT - timedelta(9)
    )
    numbered_twice = sign(
        till, sell(4_400_00), day=fine.id.day, next_number=taxed_wrongly.id.number + 1
    )  # fmt: skip
    rest = _rest(till, sell, fine)
    forks = [sign(copy, sell(5_500_00)), sign(copy, sell(6_600_00))]
    stored = await deliver(world, till, first, fine, taxed_wrongly, of_last_week, numbered_twice, *rest)
    await deliver(world, copy, *forks)
    return Liar(till, *stored[1:], *forks)


def _rest(till: Till, sell: Callable[..., Draft], fine: Link) -> list[Link]:
    base = sell(7_700_00)
    [part] = base.document.parts
    links = [
        sign(till, sell(1_200_00), turnover_mongo=1),
        sign(till, replace(base, total_mongo=7_000_00)),
        sign(till, replace(base, document=Document(parts=(replace(part, merchant_tin="12345678901234"),)))),
        sign(till, replace(base, document=Document(parts=(part,), reference="Р" * 65))),
        sign(till, replace(base, lottery=False)),
    ]
    stranger = replace(fine.id, number=99_998)
    corrected = replace(sell(550_00, nature=Nature.CORRECTION), document=Document(
        parts=sell(550_00).document.parts, root_id=stranger, previous_id=fine.id))  # fmt: skip
    links.append(sign(till, corrected))
    void = Document(root_id=fine.id, previous_id=stranger, reason="алдаа")
    links.append(sign(till, bare(Nature.VOID, void, total_mongo=-1_00)))
    void = Document(root_id=fine.id, previous_id=links[-2].id, reason="алдаа")
    links.append(sign(till, bare(Nature.VOID, void, total_mongo=-500_00, vat_mongo=-50_00)))
    february = Document(parts=(part,), buyer_tin=BUYER, report_month="2017-02")
    links.append(sign(till, replace(base, business=True, lottery=False, document=february)))
    links.append(sign(till, base, at=AHEAD))
    links.append(sign(till, bare(Nature.CLOSING, Document()), at=AHEAD))
    return links


def taxed(draft: Draft, vat_mongo: int) -> Draft:
    """A draft of one part with another VAT."""
    [part] = draft.document.parts
    document = replace(draft.document, parts=(replace(part, vat_mongo=vat_mongo),))
    return replace(draft, vat_mongo=vat_mongo, document=document)
