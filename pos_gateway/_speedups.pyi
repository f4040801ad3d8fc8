from collections.abc import Sequence

from pos_gateway.wire import ReceiptIn
from receipts.document import Line, Part
from receipts.stored import StoredReceipt

def receipt_json(
    receipt: StoredReceipt, root_hash: bytes, parts: Sequence[Part], tax_types: tuple[str, ...]
) -> bytes: ...
def well_formed(receipt: ReceiptIn) -> bool: ...
def surely_canonical(lines: Sequence[Line]) -> bool: ...
