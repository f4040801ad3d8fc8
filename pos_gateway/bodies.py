"""What is read of a request before its content is looked at: headers that stand once, and a body of bounded size."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from kernel.refusal import Fault, Malformed
from pos_gateway.wire import KEY_MAX

DRAINED = 2
"""A body of up to so many times its limit is read to its end before it is refused, because not every client reads an
answer before it has sent everything; from there on the connection is closed."""


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Read a body. Raises `Malformed` with `too_large` or `unsupported_media_type`."""
    if _one(request, "content-encoding") not in {None, "identity"}:
        raise Malformed(Fault("unsupported_media_type", "/Content-Encoding", "identity"))
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > DRAINED * bytes_max:
        raise HTTPException(413, headers={"Connection": "close"})
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > DRAINED * bytes_max:
            raise HTTPException(413, headers={"Connection": "close"})
        if size <= bytes_max:
            pieces.append(piece)
    if size > bytes_max:
        raise Malformed(Fault("too_large", "", f"at most {bytes_max} bytes"))
    return b"".join(pieces)


def read_key(request: Request) -> str | None:
    """Read the `Idempotency-Key` of a request. Raises `Malformed` for one that is not of its form, or repeated."""
    key = _one(request, "idempotency-key")
    return None if key is None else parse_key(key)


def require_key(request: Request) -> str:
    """Read the `Idempotency-Key` of a request that must have one. Raises `Malformed`."""
    key = read_key(request)
    if key is None:
        raise key_missing()
    return key


def key_missing() -> Malformed:
    """What is said of a request without the key that it must have."""
    return Malformed(Fault("idempotency_key_missing", "/Idempotency-Key", "a key of your own for each sale"))


def parse_key(text: str, path: str = "/Idempotency-Key") -> str:
    """Read an idempotency key. Raises `Malformed`."""
    if not (1 <= len(text) <= KEY_MAX and text.isascii() and text.isprintable() and " " not in text):
        raise Malformed(Fault("key_form", path, f"1 to {KEY_MAX} printable ASCII characters"))
    return text


def _one(request: Request, name: str) -> str | None:
    """Answer a header's value. Two of a name could be read one way here and another way by whoever stands between."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise Malformed(Fault("header_repeated", f"/{name.title()}", "one such header"))
    return values[0] if values else None
