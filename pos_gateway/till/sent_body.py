"""What came, as far as it is kept: by what a repeated request, and an equal one, are known."""

from dataclasses import dataclass
from typing import Final

import msgspec

from pos_gateway.till.issue_offline import Body
from pos_gateway.till.sealing import Purpose, Sealer

_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class SentBody:
    """What came, as far as it is kept: the digest of exactly the bytes (`Installation.body_digest`), by which a lost
    answer is given again and equal bodies are listed; the bytes without personal data; the Idempotency-Key.
    """

    digest: bytes | None = None
    request: bytes | None = None
    key: str | None = None


NO_BODY: Final = SentBody()
"""An order that nobody sent."""


def kept_of(sent: SentBody, sealer: Sealer, *content: object) -> Body:
    """Answer what is kept; `content` is what the request says, after reading, by which the same key is held to it."""
    if sent.key is None:
        return Body(sent.request, sent.digest)
    return Body(sent.request, sent.digest, sent.key, sealer.digest(Purpose.CONTENT, _encode(content)))
