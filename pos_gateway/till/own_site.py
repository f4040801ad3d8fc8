"""Whether a request comes from this machine's own pages and programs, or from another site's page in a browser. Pure.

`/rest/...` may be called by browser tills of any origin, as PosAPI may. What must stay in the shop is answered only to
who passes this.
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import Request


def is_asked_from_here(request: Request, origins: Sequence[str] = ()) -> bool:
    """Whether a program asks, the till's own page, or a page of the origins named. A name with a dot is no name of a
    machine in the shop: it may lead here only since a stranger's page was loaded from it.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin in origins:
        return True
    return _is_of_the_shop(request.url.hostname or "") and (
        origin is None or urlsplit(origin).netloc == request.headers.get("host")
    )


def _is_of_the_shop(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host.removesuffix(".local")
    return True
