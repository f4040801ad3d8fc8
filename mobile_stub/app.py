"""The consumers' HTTP: a receipt is claimed and credited in one transaction; then `/v1/me` tells the rest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Self

import asyncpg
import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPBearer

from kernel.clock import Clock, format_instant
from kernel.refusal import Fault, Malformed, Refusal
from mobile_stub.limits import HandLimit
from mobile_stub.words import ClaimIn, ClaimOut, ClaimsOut, ListedClaim, MeOut, Seller
from receipts.claim import Claimed, ClaimState
from receipts.claim_receipt import ByHand, Presented, claim_receipt
from receipts.follow_outbox import follow_outbox
from receipts.ids import ReceiptId
from receipts.lapse_claims import lapse_claims
from receipts.look_up_keys import KeyLookup
from receipts.receipt import LotteryNumber
from receipts.rules import draw_date
from receipts.sight_receipt import sight_receipt
from receipts.store import consumers, following
from receipts.stored import ReceiptKey
from receipts.verification import AskTheCentre, Verified, kid_named, verify_text
from refunds.api import UnknownConsumer
from refunds.claw_back import claw_back
from refunds.credit_claim import credit_claim
from runtime.tokens.bearer import Bearer, BearerVerifier, Forbidden, Role, token_of

FOLLOW_PAUSE_S = 0.2
FOLLOW_EVENTS_MAX = 100
EASY_S = 1.0
"""How long a till waits to hear whether its customer has the claim."""
EASY_PAUSE_S = 0.03
_LOST = (OSError, asyncpg.InterfaceError, asyncpg.PostgresError)
_log = structlog.get_logger()


@dataclass(slots=True)
class Claims:
    """One worker's claims side. Belongs to one event loop."""

    database: "asyncpg.Pool[asyncpg.Record]"
    clock: Clock
    real_clock: Clock
    masters: Mapping[int, bytes]
    bearers: BearerVerifier
    hand_limit: HandLimit
    keys: KeyLookup

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        database: "asyncpg.Pool[asyncpg.Record]",
        *,
        clock: Clock,
        real_clock: Clock,
        masters: Mapping[int, bytes],
        bearers: BearerVerifier,
    ) -> AsyncIterator[Self]:
        """Run the claims side, which follows voids and corrections in the background."""
        claims = cls(database, clock, real_clock, masters, bearers, HandLimit(), KeyLookup(database))
        following = asyncio.create_task(claims.follow_for_ever(), name="outbox")
        try:
            yield claims
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def verify(self, text: str) -> Verified:
        """Verify a QR text with the published key that it names, as it was a moment ago. Where that was revoked the
        receipt is answered all the same, since what was stored before counts. Raises `NotGenuine`.
        """
        kid = kid_named(text)
        keyring = {} if kid is None else await self.keys.keyring([kid])
        try:
            return verify_text(text, keyring)
        except AskTheCentre as revoked:
            return revoked.verified

    async def claim(self, presented: Presented, consumer: int) -> ClaimOut:
        """Claim and credit in one transaction; answer the words of `POST /v1/claims`. What a refused scan showed is
        kept all the same, in a transaction of its own.
        """
        try:
            async with self.database.acquire() as connection, connection.transaction():
                claimed = await claim_receipt(
                    connection, self.clock, presented=presented, consumer=consumer, masters=self.masters
                )
                credit = await credit_claim(connection, self.clock, claim=claimed.claim)
        except Refusal:
            if isinstance(presented, Verified):
                await self._sight(presented)
            raise
        return claim_answer(claimed, credit.credit_mongo)

    async def _sight(self, verified: Verified) -> None:
        async with self.database.acquire() as connection, connection.transaction():
            await sight_receipt(connection, self.clock, verified=verified, masters=self.masters)

    async def claim_easily(self, wanted: Sequence[tuple[ReceiptKey, int]]) -> Collection[ReceiptKey]:
        """Claim what consumers' numbers came with, before its turn, and answer which of these roots the consumers of
        these login numbers have now. Waits for `EASY_S` at most; what takes longer is not claimed yet.
        """
        ends = asyncio.get_running_loop().time() + EASY_S
        claimed: Collection[ReceiptKey] = ()
        try:
            while True:
                await self._follow_easy()
                claimed, pending = await following.easy_standing(self.database, wanted)
                if not pending or asyncio.get_running_loop().time() >= ends:
                    return claimed
                await asyncio.sleep(EASY_PAUSE_S)
        except _LOST as error:
            _log.warning("easy_failed", error=type(error).__name__)
            return claimed

    async def _follow_easy(self) -> None:
        async with self.database.acquire(timeout=EASY_S) as connection, connection.transaction():
            followed = await follow_outbox(connection, self.clock, limit=FOLLOW_EVENTS_MAX, easy_only=True)
            await claw_back(connection, self.clock, claims=followed.claims)

    async def follow(self) -> int:
        """Apply what the tills' side did, and let overdue claims lapse; answer how many events were taken."""
        async with self.database.acquire() as connection, connection.transaction():
            followed = await follow_outbox(connection, self.clock, limit=FOLLOW_EVENTS_MAX)
            lapsed = await lapse_claims(connection, self.clock, limit=FOLLOW_EVENTS_MAX)
            await claw_back(connection, self.clock, claims=(*followed.claims, *lapsed))
        for declined in followed.declined:
            _log.info("easy_claim_declined", code=declined.code)
        return followed.taken

    async def follow_for_ever(self) -> None:
        """Follow the outbox within a second of each event, through every failure of the database."""
        while True:
            try:
                taken = await self.follow()
            except _LOST as error:
                _log.warning("outbox_failed", error=type(error).__name__)
                taken = 0
            if taken < FOLLOW_EVENTS_MAX:
                await asyncio.sleep(FOLLOW_PAUSE_S)


def claim_answer(claimed: Claimed, credit_mongo: int) -> ClaimOut:
    """Answer the words of a claim: what the consumer sees at once."""
    drawn = claimed.lottery is not None and claimed.claim.state in {ClaimState.FINAL, ClaimState.PROVISIONAL}
    return ClaimOut(
        claim=str(claimed.claim.claim),
        state=claimed.claim.state,
        seller=Seller(tin=claimed.seller_tin, name=claimed.seller_name),
        receipt_id=str(claimed.root_id),
        total_mongo=claimed.total_mongo,
        vat_mongo=claimed.vat_mongo,
        credit_mongo=credit_mongo,
        lottery=None if claimed.lottery is None else str(claimed.lottery),
        draw_date=draw_date(claimed.claim.month).isoformat() if drawn else None,
    )


CONSUMER_SCHEME = HTTPBearer(
    scheme_name="consumer",
    bearerFormat="JWT",
    auto_error=False,  # who is asking is told by the issuer; this one is for the documentation
    description="A consumer's token: `barimt admin consumer add` prints one, or the OIDC issuer gives it.",
)
router = APIRouter(prefix="/v1", tags=["consumers"])


def claims_of(request: Request) -> Claims:
    """Answer the claims side that the composition root hung on the app."""
    claims = request.app.state.claims
    assert isinstance(claims, Claims)
    return claims


async def current_bearer(request: Request) -> Bearer:
    """Answer who is asking. Raises `Unauthenticated` or `TokenExpired`."""
    claims = claims_of(request)
    return await claims.bearers.verify(token_of(request.headers.get("authorization")), claims.real_clock())


async def current_consumer(
    bearer: Annotated[Bearer, Depends(current_bearer)], _scheme: Annotated[object, Depends(CONSUMER_SCHEME)] = None
) -> int:
    """Answer which consumer is asking. Raises `Forbidden` for anybody else."""
    bearer.require(Role.CONSUMER)
    if not bearer.subject.isdecimal() or len(bearer.subject) > 18:  # noqa: PLR2004 - a bigint
        raise Forbidden
    return int(bearer.subject)


Consumer = Annotated[int, Depends(current_consumer)]


@router.post("/claims", summary="Claim a receipt: credit and lottery at once")
async def post_claim(request: Request, body: ClaimIn, consumer: Consumer) -> ClaimOut:
    """Claim a receipt by the text of its QR code, or by hand with its id and lottery number. The answer says what was
    credited, and when the receipt takes part in the draw. Claimed again by the same consumer it gets the first answer;
    by another one it is refused.
    """
    claims = claims_of(request)
    if body.qr is not None:
        return await claims.claim(await claims.verify(body.qr), consumer)
    if body.receipt_id is None or body.lottery is None:
        raise Malformed(Fault("missing_field", "/qr", "qr, or receipt_id and lottery"))
    claims.hand_limit.hit(consumer)
    return await claims.claim(ByHand(ReceiptId.parse(body.receipt_id, "/receipt_id"), _lottery(body.lottery)), consumer)


def _lottery(text: str) -> LotteryNumber:
    letters, digits = text.strip()[:2].upper(), text.strip()[2:].strip()
    if not (letters.isascii() and letters.isalpha() and digits.isascii() and digits.isdecimal() and len(digits) == 8):  # noqa: PLR2004 - the form
        raise Malformed(Fault("lottery_form", "/lottery", "two letters and eight digits, as AB 12345678"))
    return LotteryNumber(letters, digits)


@router.get("/me", summary="Who I am to the system")
async def get_me(request: Request, consumer: Consumer) -> MeOut:
    """Answer your number, the `login_no` that you may tell a till so that it claims for you, and since when you are
    enrolled. Nothing else is known of a consumer.
    """
    found = await consumers.find_consumer(claims_of(request).database, consumer)
    if found is None:
        raise UnknownConsumer
    login_no, enrolled_at = found
    return MeOut(consumer_id=str(consumer), login_no=str(login_no), since=format_instant(enrolled_at))


@router.get("/me/claims", summary="My claims, newest first")
async def get_my_claims(
    request: Request, consumer: Consumer, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> ClaimsOut:
    """Answer a hundred claims at a time; `next_before`, sent as `before`, asks for the ones before them. A claim's
    state changes when the shop reports, corrects or voids the receipt.
    """
    found = await consumers.list_claims(claims_of(request).database, consumer, before)
    return ClaimsOut(
        claims=[
            ListedClaim(
                claim=str(claim.claim),
                state=ClaimState(claim.state),
                receipt_id=str(claim.root_id),
                seller=claim.seller_name,
                claimed_at=format_instant(claim.claimed_at),
                issued_at=format_instant(claim.issued_at),
                total_mongo=claim.total_mongo,
            )
            for claim in found
        ],
        next_before=str(found[-1].claim) if len(found) == consumers.LISTED_MAX else None,
    )
