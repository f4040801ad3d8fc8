"""A seat: one header seller's place in an installation, with a terminal and a chain of its own."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.clock import parse_instant
from kernel.identity import parse_terminal, parse_tin
from kernel.refusal import Fault, Malformed

ChainAt = tuple[int, int]
"""Seller number and terminal: the name of a chain."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A header seller's place. Times are aware UTC; `not_before` and `not_after` (inclusive) are the certificate's.

    `suspended_for` is a code of the catalogue where the seat issues nothing; `closed_at` is when its chain ended.
    """

    seller: int
    terminal: int
    tin: str
    name: str
    branch: int
    district: str
    epoch: int
    client_id: str
    token_url: str
    enrolment: bytes
    enrolled_at: datetime
    not_before: datetime
    not_after: datetime
    test: bool
    vat_payer: bool
    city_tax_payer: bool
    suspended_at: datetime | None = None
    suspended_for: str | None = None
    closed_at: datetime | None = None

    @property
    def chain(self) -> ChainAt:
        """The name of its chain."""
        return self.seller, self.terminal

    @property
    def label(self) -> str:
        """How its files are called: seller number and terminal."""
        return f"{self.seller:012d}-{self.terminal:08d}"


@dataclass(frozen=True, slots=True)
class Activated:
    """What the centre answered to an activation, with the two private keys whose public halves were sent to it."""

    answer: Mapping[str, Any]
    """The JSON of `POST /v1/terminals/activate`."""
    signing_key: Ed25519PrivateKey
    client_key: Ed25519PrivateKey

    @property
    def turnover_key(self) -> bytes:
        """K of the terminal."""
        return _octets(self.answer, "turnover_key")

    def seat(self) -> Seat:
        """Answer the seat that was given. Raises `Malformed` where the answer is not of its form."""
        answer = self.answer
        certificate = answer.get("certificate")
        try:
            assert isinstance(certificate, dict)
            return Seat(
                seller=int(answer["seller"]),
                terminal=parse_terminal(answer["terminal"]),
                tin=parse_tin(answer["seller_tin"]),
                name=str(answer["seller_name"]),
                branch=int(answer["branch"]),
                district=str(answer["district"]),
                epoch=int(answer["epoch"]),
                client_id=str(answer["client_id"]),
                token_url=str(answer["token_url"]),
                enrolment=_octets(answer, "enrolment"),
                enrolled_at=parse_instant(answer["enrolled_at"], "/enrolled_at"),
                not_before=parse_instant(certificate["not_before"], "/certificate/not_before"),
                not_after=parse_instant(certificate["not_after"], "/certificate/not_after"),
                test=bool(answer["test"]),
                vat_payer=bool(answer["vat_payer"]),
                city_tax_payer=bool(answer["city_tax_payer"]),
            )
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            raise Malformed(Fault("activation_form", "", f"the answer of an activation ({error!r})")) from None


def _octets(answer: Mapping[str, Any], name: str) -> bytes:
    text = str(answer[name])
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
