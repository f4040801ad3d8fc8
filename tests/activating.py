"""A till that is not one yet: it has two keys and asks to be activated; and then what it signs is real."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.canonical import base64url, of_base64url
from kernel.clock import parse_instant
from receipts.activation_code import format_code
from receipts.chain import ChainKey, first_head
from receipts.keys import Signer, key_of_json
from receipts.make_activation_code import NewTill, make_activation_code
from runtime.clock import real_now
from runtime.database import Role
from tests.answered import Json, created
from tests.serving import Centre, Till
from tests.signing import SigningTill


@dataclass(slots=True)
class Applicant:
    """Two fresh keys, and what is sent with them."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    client_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def body(self, code: str, **changes: Any) -> Json:
        """The body of an activation."""
        return {
            "code": code,
            "public_key": base64url(self.key.public_key().public_bytes_raw()),
            "client_key": base64url(self.client_key.public_key().public_bytes_raw()),
            **changes,
        }

    def ask(self, centre: Centre, code: str, **changes: Any) -> httpx2.Response:
        """Ask to be activated."""
        return post(centre, self.body(code, **changes))

    def till(self, centre: Centre, answer: Json) -> SigningTill:
        """Be the till that an answer made of it: everything that it needs is in there."""
        assert answer["token_url"].endswith("/v1/oauth/token")
        client = Till(centre.connect(), answer["client_id"], self.client_key, answer["seller_tin"], ())
        key = key_of_json(answer["certificate"])
        head = first_head(
            seller=int(answer["seller"]),
            terminal=int(answer["terminal"]),
            enrolment=of_base64url(answer["enrolment"]),
            enrolled_at=parse_instant(answer["enrolled_at"], "/enrolled_at"),
        )
        chain = ChainKey(Signer(self.key, by_till=True, test=answer["test"]), of_base64url(answer["turnover_key"]))
        return SigningTill(centre, client, int(answer["seller"]), int(answer["terminal"]), chain, key, head)


def post(centre: Centre, body: Any) -> httpx2.Response:
    """Post a body, or bytes as they are, by a connection of its own."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return centre.connect().post("/v1/terminals/activate", content=content, headers={"Accept-Language": "en"})


def code_for(centre: Centre, tin: str, *, at: datetime | None = None, number: int | None = None) -> str:
    """A code for a till of an enrolled seller, made now or at another moment, as people are told it."""
    with centre.database.transaction(Role.JOBS) as connection:
        till = NewTill(tin, number)
        made = make_activation_code(connection, lambda: at or real_now(), till=till, draw=secrets.token_bytes)
    return format_code(made.code)


def enrol_seller(centre: Centre, **how: Any) -> str:
    """Enrol a seller that has no terminal yet, and answer its TIN."""
    return centre.enrol(terminals=0, **how).tin


def activated(centre: Centre, tin: str | None = None) -> tuple[SigningTill, Json]:
    """A till of a seller, activated, and what it was answered."""
    applicant = Applicant()
    answer = created(applicant.ask(centre, code_for(centre, tin or enrol_seller(centre))))
    return applicant.till(centre, answer), answer
