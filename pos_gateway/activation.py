"""`POST /v1/terminals/activate`: a till with a one-time code becomes a terminal, and its key is certified.

It is seldom and slow (the shard of the key is signed), so that it has its own connection and its own thread, one at a
time in a worker: no till that sells waits for one that begins.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import TypedDict

from kernel.canonical import base64url, of_base64url
from kernel.clock import Clock
from kernel.identity import format_terminal
from kernel.refusal import Fault, Malformed, Unavailable
from pos_gateway import wire
from pos_gateway.bodies import read_body
from pos_gateway.gateway import Gateway, gateway_of
from pos_gateway.public import KeyOut
from receipts.activate_terminal import Activated, Candidate, Certifier, activate_terminal
from receipts.activation_code import parse_code
from receipts.key_list import prefix_of
from receipts.keys import is_weak_key, key_as_json
from runtime.database import Database, Role

BODY_BYTES_MAX = 16 * 1024
WAITING_MAX = 64
"""Who waits for the one that is being activated, at some 10 ms each; whoever comes beyond is asked to come again."""
RETRY_AFTER_S = 1
_encode = msgspec.json.Encoder().encode


class ShardAnswer(TypedDict):
    """The till keys among which this one is now, signed by the root key."""

    prefix: Annotated[str, Field(pattern="^[0-9a-f]{2}$")]
    signed: str


class ActivationAnswer(TypedDict):
    """A till that is activated. `turnover_key` is its own secret: keep it as the private keys are kept."""

    seller_tin: str
    seller: Annotated[str, Field(pattern="^[0-9]{12}$", description="the seller number in receipt ids")]
    seller_name: str
    terminal: Annotated[str, Field(pattern="^[0-9]{8}$")]
    branch: Annotated[str, Field(pattern="^[0-9]{3}$")]
    district: Annotated[str, Field(pattern="^[0-9]{4}$")]
    client_id: Annotated[str, Field(description="who this till is when it asks for tokens with its client key")]
    token_url: str
    epoch: int
    enrolment: Annotated[str, Field(description="base64url: what the start link of its chain builds on")]
    enrolled_at: str
    turnover_key: Annotated[str, Field(description="base64url: K, with which it encrypts its turnover counter")]
    certificate: KeyOut
    keys: Annotated[str, Field(description="the signed head of the key list")]
    shard: ShardAnswer
    test: Annotated[bool, Field(description="receipts must be marked TEST")]
    city_tax_payer: bool
    vat_payer: Annotated[bool, Field(description="registered for VAT today")]


@dataclass(slots=True)
class Activations:
    """Where a worker activates tills. Belongs to one event loop.

    Args:
        database: with its role of the gateway.
        clock: business time.
        epoch: of the turnover secret for new terminals.
        root_key: reads the root key, or raises `Unavailable`.
        token_url: where a till asks for its tokens.
        test: whether this is a test centre.
    """

    database: Database
    clock: Clock
    epoch: int
    root_key: Callable[[Connection], Ed25519PrivateKey]
    token_url: Callable[[], str]
    test: bool
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def activate(self, candidate: Candidate) -> Activated:
        """Activate a till, durable. Raises what `activate_terminal` raises, and `Unavailable`."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable("activations", retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            async with self._one:
                return await asyncio.to_thread(self._activate, candidate)
        finally:
            self._waiting -= 1

    def _activate(self, candidate: Candidate) -> Activated:
        certifier = Certifier(self.epoch, self.root_key, lambda: f"t-{secrets.token_hex(8)}")
        with self.database.transaction(Role.GATEWAY) as connection:
            return activate_terminal(connection, self.clock, candidate=candidate, certifier=certifier)


async def post_activation(request: Request) -> Response:
    """Activate a till that signs its receipts itself, with a code that is good once.

    The till makes two Ed25519 keys and keeps them: one signs receipts, with the other it asks for tokens. The answer
    makes it a terminal with a chain of its own, and certifies its key: what it signs can be verified a second later.
    When the answer is lost, send the same again.
    """
    gateway = gateway_of(request.app)
    gateway.limits.ask_activation(None if request.client is None else request.client.host)
    candidate = _candidate(wire.read_activation(await read_body(request, BODY_BYTES_MAX)))
    desk: Activations = request.app.state.activations
    activated = await desk.activate(candidate)
    status = 200 if activated.repeated else 201
    return Response(
        _encode(_answer(gateway, desk, activated)),
        status,
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )


ACTIVATION_ROUTE = Route("/v1/terminals/activate", post_activation, methods=["POST"])


def _candidate(body: wire.ActivationIn) -> Candidate:
    """Read a well-formed body. Raises `Malformed` with every fault."""
    faults: list[Fault] = []
    keys = {name: _public_key(getattr(body, name)) for name in ("public_key", "client_key")}
    faults += [Fault("ed25519_key_form", f"/{name}", wire.PUBLIC_KEY) for name, key in keys.items() if not key]
    code = ""
    try:
        code = parse_code(body.code)
    except Malformed as malformed:
        faults += malformed.faults
    if faults:
        raise Malformed(*faults)
    return Candidate(code, keys["public_key"], keys["client_key"])


def _public_key(text: str) -> bytes:
    """Read a public key; empty where it is none, or one for which anybody can sign."""
    try:
        octets = of_base64url(text)
    except ValueError:
        return b""
    return b"" if is_weak_key(octets) else octets


def _answer(gateway: Gateway, desk: Activations, activated: Activated) -> dict[str, Any]:
    key = activated.certificate
    sealing = gateway.signing.sealing_key(activated.seller, activated.terminal, key.epoch)
    return {
        "seller_tin": activated.tin,
        "seller": f"{activated.seller:012d}",
        "seller_name": activated.name,
        "terminal": format_terminal(activated.terminal),
        "branch": f"{activated.branch:03d}",
        "district": activated.district,
        "client_id": activated.client_id,
        "token_url": desk.token_url(),
        "epoch": key.epoch,
        "enrolment": base64url(activated.enrolment),
        "enrolled_at": activated.enrolled_at.isoformat(),
        "turnover_key": base64url(sealing),
        "certificate": key_as_json(key),
        "keys": activated.head,
        "shard": {"prefix": prefix_of(key.kid), "signed": activated.shard},
        "test": desk.test,
        "city_tax_payer": activated.city_tax_payer,
        "vat_payer": activated.vat_payer,
    }
