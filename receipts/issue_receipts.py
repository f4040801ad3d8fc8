"""Issue a chunk of receipts: lock the chains, find what was issued before, decide, sign, store. One transaction.

The caller opens and commits the transaction and answers nobody before the commit. Orders that a rule refuses get their
refusal and leave no trace; a database error belongs to the whole chunk and is the caller's to sort out.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from kernel.clock import Clock, Month
from kernel.refusal import Refusal
from receipts.chunk import Bundle, Chunk, conclude, issue, repeat
from receipts.ids import ReceiptId
from receipts.issuing import Issuing, KnownKey
from receipts.keys import Signer
from receipts.orders import ChainKeys, Issued, Order, Outcome, SaleOrder
from receipts.speedups import Signed, sign_links
from receipts.stored import ReceiptKey, StoredReceipt

Sign = Callable[[Signer, Sequence[bytes], Sequence[int]], Awaitable[list[Signed]]]
"""Signs links as `receipts.qr.sign_links` does, here or elsewhere."""


async def sign_here(signer: Signer, packed: Sequence[bytes], after: Sequence[int]) -> list[Signed]:
    """Sign at once."""
    return sign_links(signer, packed, after)


async def issue_receipts(
    issuing: Issuing,
    clock: Clock,
    *,
    orders: Sequence[Order],
    chain_keys: ChainKeys,
    received_month: Month,
    sign: Sign = sign_here,
) -> list[Outcome]:
    """Issue every order of a chunk that no rule refuses, and answer the outcomes in the order of the orders.

    Two orders of one chunk never share client and key (the pool sees to it). Requires an open transaction.
    """
    chains = await issuing.lock_chains({(order.seller, order.terminal) for order in orders})
    month = received_month.year * 12 + received_month.number - 1
    known = await issuing.find_keys([(o.seller, o.client_id, o.key) for o in orders], month)
    chunk = Chunk(clock(), chain_keys, chains)
    new = [order for order in orders if (order.client_id, order.key) not in known] if known else orders
    await _load_bundles(issuing, chunk, new)
    repeated = await _load_repeated(issuing, known.values())
    decided: list[StoredReceipt | Outcome] = []
    for order in orders:
        before = known.get((order.client_id, order.key)) if known else None
        try:
            if before is None:
                decided.append(issue(chunk, order))
            else:
                decided.append(repeat(order, before.content_hash, *repeated[before.receipt]))
        except Refusal as refusal:
            decided.append(refusal)
    issued: Iterator[Issued] = iter(())
    if chunk.signer is not None:
        issued = iter(conclude(chunk, await sign(chunk.signer, chunk.packed, chunk.after)))
        await issuing.add(chunk, month)
    return [next(issued) if isinstance(one, StoredReceipt) else one for one in decided]


async def _load_bundles(issuing: Issuing, chunk: Chunk, orders: Sequence[Order]) -> None:
    named = {receipt_id for receipt_id in map(_predecessor, orders) if receipt_id is not None}
    chunk.bundles = await load_bundles(issuing, named)
    sales = [order.submission for order in orders if isinstance(order, SaleOrder)]
    chunk.invoices = await _find(issuing, {sale.pays_invoice for sale in sales if sale.pays_invoice is not None})


async def load_bundles(issuing: Issuing, named: Iterable[ReceiptId]) -> dict[ReceiptId, Bundle]:
    """Lock the roots of stored receipts in the order of their keys and answer how their bundles stand, by the ids that
    name them; nothing for an id that is not stored.
    """
    found = await _find(issuing, named)
    roots = await issuing.find_receipts({receipt.root_key for receipt in found.values()}, lock=True)
    latest = await issuing.find_latest(roots)
    links = await issuing.find_receipts(set(latest.values()))
    bundles = {key: Bundle(root, links[latest[key]] if key in latest else root) for key, root in roots.items()}
    return {receipt_id: bundles[receipt.root_key] for receipt_id, receipt in found.items()}


def _predecessor(order: Order) -> ReceiptId | None:
    named = order.submission.corrects if isinstance(order, SaleOrder) else order.receipt
    return named if named is not None and named.seller == order.seller else None


async def _find(issuing: Issuing, named: Iterable[ReceiptId]) -> dict[ReceiptId, StoredReceipt]:
    wanted = {receipt_key(receipt_id): receipt_id for receipt_id in named}
    found = await issuing.find_receipts(wanted)
    return {receipt.id: receipt for key, receipt in found.items() if receipt.id == wanted[key]}


def receipt_key(receipt_id: ReceiptId) -> ReceiptKey:
    """Answer the primary key under which a receipt id is stored."""
    return receipt_id.seller, receipt_id.terminal, receipt_id.day, receipt_id.number


async def _load_repeated(issuing: Issuing, known: Iterable[KnownKey]) -> dict[ReceiptKey, tuple[StoredReceipt, bytes]]:
    receipts = await issuing.find_receipts({key.receipt for key in known})
    roots = await issuing.find_receipts({receipt.root_key for receipt in receipts.values()})
    return {key: (receipt, roots[receipt.root_key].receipt_hash) for key, receipt in receipts.items()}
