"""`GET /rest/receipt/{id}/print`: a receipt of this till on paper, for POS software that leaves the drawing to it.

| parameter | values              | meaning                                                                     |
|-----------|---------------------|-----------------------------------------------------------------------------|
| `width`   | 80, 58              | the paper in mm                                                             |
| `format`  | `png`, `escpos`     | a picture to be printed dot for dot, or the bytes for the printer           |
| `code`    | `native`, `picture` | ESC/POS: the printer's own QR, or ours as dots, for a printer that has none |

PosAPI has no such call. Receipt numbers are easily guessed and the paper has what a refund is claimed with, so no page
of another site may have it, whatever other calls it may make: the shop's own origins are named one by one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kernel.refusal import Fault, Malformed, Refusal
from pos_gateway.till.installation import Installation
from pos_gateway.till.own_site import is_asked_from_here
from receipts.escpos import receipt_escpos
from receipts.ids import ReceiptId
from receipts.paper import Roll
from receipts.printed import PrintedReceipt
from receipts.receipt_image import receipt_png

PRINT: Final = "/rest/receipt/{id}/print"
T = TypeVar("T")
_WIDTHS: Final = {str(int(roll)): roll for roll in (Roll.MM_80, Roll.MM_58)}
_CODES: Final = {"native": True, "picture": False}
_FORMATS: Final[dict[str, tuple[str, Callable[[PrintedReceipt, Roll, bool], bytes]]]] = {
    "png": ("image/png", lambda receipt, roll, _native: receipt_png(receipt, roll)),
    "escpos": (
        "application/octet-stream",
        lambda receipt, roll, native: receipt_escpos(receipt, roll, native_code=native),
    ),
}


class OtherSite(Refusal):
    """A page of another site asks for a receipt."""

    code = "other_site"


def print_route(installation: Installation, *, origins: Sequence[str] = ()) -> Route:
    """Answer the route. `origins` are those of the shop's pages; "*" names nobody here."""

    async def print_receipt(request: Request) -> Response:
        if not is_asked_from_here(request, origins):
            raise OtherSite
        receipt_id = ReceiptId.parse(request.path_params["id"])
        roll, native = _chosen(request, "width", _WIDTHS), _chosen(request, "code", _CODES)
        media_type, draw = _chosen(request, "format", _FORMATS)
        octets = await asyncio.to_thread(lambda: draw(installation.printed(receipt_id), roll, native))
        return Response(octets, headers={"Cache-Control": "no-store"}, media_type=media_type)

    return Route(PRINT, print_receipt, methods=["GET"], include_in_schema=False)


def _chosen(request: Request, name: str, values: dict[str, T]) -> T:
    """Answer a parameter's value, the first where it is not given. Raises `Malformed`."""
    given = request.query_params.get(name, next(iter(values)))
    if given not in values:
        raise Malformed(Fault("print_form", f"/{name}", " / ".join(values)))
    return values[given]
