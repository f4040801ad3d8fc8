"""What issuing calls for every receipt: in C where it could be compiled (`_speedups.pyx`), else in Python.

The Python is the one to read; both write the same bytes (docs/decisions/0043). `BARIMT_SPEEDUPS=off` chooses it.
"""

from collections.abc import Callable, Sequence
from types import ModuleType

from receipts import qr
from receipts.document import Document
from receipts.document import encode_document as _encode_document
from receipts.ids import ReceiptId
from receipts.keys import Signer
from runtime.speedups import import_compiled

compiled: ModuleType | None = import_compiled("receipts._speedups")
"""The compiled functions, None where there are none."""

Signed = tuple[bytes, bytes]
"""The COSE bytes of a link, and their hash."""

encode_document: Callable[[Document], bytes] = _encode_document
encode_text: Callable[[bytes], str] = qr.encode_text
pack_link: Callable[[ReceiptId, int, int, int, int, int, bytes, int, bytes, bytes], bytes] = qr.pack_link
if compiled is not None:
    encode_document, encode_text, pack_link = compiled.encode_document, compiled.encode_text, compiled.pack_link


def sign_links(signer: Signer, packed: Sequence[bytes], after: Sequence[int]) -> list[Signed]:
    """As `receipts.qr.sign_links`."""
    if compiled is None:
        return qr.sign_links(signer, packed, after)
    signed: list[Signed] = compiled.sign_links(signer.secret, signer.kid, packed, after)
    return signed
