"""`POST` and `DELETE /rest/receipt`: read, issue, answer, and see whether the answer arrived.

Errors are always 400 in PosAPI's form, with two exceptions: 503 says that nothing was issued and the same may be sent
again, and where a failing disk leaves nobody knowing, the connection is broken off without a word.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, Protocol

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kernel.clock import business_date
from kernel.refusal import Malformed, Refusal, Unavailable
from pos_gateway.bodies import read_body, read_key
from pos_gateway.posapi.answer import DONE, answer_of
from pos_gateway.posapi.privacy import original_without_personal_data
from pos_gateway.posapi.refused import refused_body
from pos_gateway.posapi.request import PosRequest, read_request, read_void
from pos_gateway.till.installation import Installation
from pos_gateway.till.lost_answers import BODIES_MAX, Given, LostAnswers
from pos_gateway.till.outcomes import Issued
from pos_gateway.till.refusals import SeatUnknown
from pos_gateway.till.sent_body import SentBody
from pos_gateway.till.watched_connections import CONNECTION, Delivery, DeliveryState, WatchedConnection
from pos_gateway.till.write_groups import OutcomeUnknown

BODY_BYTES_MAX: Final = 1024 * 1024
"""500 lines of 2,000 bytes each."""
BODY_S_MAX: Final = 60.0
"""How long a client may take to send a body."""
LOOK_S: Final = 0.25
"""When it is looked whether an answer has arrived, so that it is not given again after a crash."""


class Answered(NamedTuple):
    """A durable receipt, and whether the consumer whom the request names has it already."""

    issued: Issued
    easy: bool


class AfterIssue(Protocol):
    """What wants to know of every receipt: the uploader."""

    def issued(self, issued: Issued) -> None:
        """Note that a receipt waits."""

    async def easy(self, issued: Issued) -> bool:
        """Upload a receipt at once and answer, soon, whether its consumer has it now."""


class Alone:
    """No uploader: receipts wait."""

    def issued(self, issued: Issued) -> None:
        """Leave it."""

    async def easy(self, issued: Issued) -> bool:  # noqa: ARG002 - nobody is asked
        """Nobody has it yet."""
        return False


BankAccountIds = Callable[[str], Mapping[str, int]]
"""Answers the ids of a seller's bank accounts by their number."""


class ReceiptCall:
    """The two calls, as an ASGI app."""

    def __init__(
        self, installation: Installation, after: AfterIssue, bank_account_ids: BankAccountIds = lambda _tin: {}
    ) -> None:
        self._installation = installation
        self._after = after
        self._bank_account_ids = bank_account_ids
        self._answers: LostAnswers[Answered] | None = None
        self._looks: set[Callable[[], None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        try:
            if request.method == "POST":
                await self._sell(request, send)
            elif request.method == "DELETE":
                await self._void(request, send)
            else:
                raise HTTPException(405, headers={"Allow": "POST, DELETE"})
        except OutcomeUnknown:
            structlog.get_logger().error("outcome_unknown")
            if isinstance(connection := scope.get(CONNECTION), WatchedConnection):
                connection.hang_up()
            raise ClientDisconnect from None

    async def _sell(self, request: Request, send: Send) -> None:
        body, key = await _read(request), read_key(request)
        installation = self._installation
        day = business_date(installation.clock())
        bill = read_request(body, seller_of=installation.merchant_of, day=day)
        seat = installation.seat_of(bill.submission.seller_tin)
        if seat is None:
            raise SeatUnknown(tin=bill.submission.seller_tin)
        digest = installation.body_digest(body)
        sent = SentBody(digest, original_without_personal_data(body), key)

        async def issue() -> Answered:
            issued = await installation.issue(seat, bill.submission, bill.priced, invoice=bill.invoice, body=sent)
            return await self._follow(issued, easy=bill.consumer_no is not None)

        await self._answer(request, send, digest, key, issue, lambda answered: self._written(bill, answered))

    async def _void(self, request: Request, send: Send) -> None:
        body, key = await _read(request), read_key(request)
        installation = self._installation
        void = read_void(body)
        digest = installation.body_digest(b"DELETE " + body)

        async def issue() -> Answered:
            issued = await installation.void(void.receipt, reason=void.reason, body=SentBody(digest, None, key))
            return await self._follow(issued, easy=False)

        await self._answer(request, send, digest, key, issue, lambda _answered: DONE)

    async def _follow(self, issued: Issued, *, easy: bool) -> Answered:
        """Tell the uploader; wait for its word where the customer is to have the receipt at once."""
        if issued.repeated:
            return Answered(issued, bool(issued.easy))
        self._after.issued(issued)
        return Answered(issued, easy and await self._after.easy(issued))

    def _written(self, bill: PosRequest, answered: Answered) -> bytes:
        issued = answered.issued
        accounts = self._bank_account_ids(bill.submission.seller_tin) if bill.invoice else {}
        return answer_of(bill, issued.link, lottery=issued.lottery, easy=answered.easy, bank_account_ids=accounts)

    async def _answer(
        self,
        request: Request,
        send: Send,
        digest: bytes,
        key: str | None,
        issue: Callable[[], Awaitable[Answered]],
        written: Callable[[Answered], bytes],
    ) -> None:
        if key is not None:  # the key alone tells a repeated request from a second customer
            response = json_response(200, written(await issue()))
            await response(request.scope, request.receive, send)
            return
        given = await self._lost_answers().take(digest, issue)
        connection = request.scope.get(CONNECTION)
        gone = isinstance(connection, WatchedConnection) and await connection.is_gone()
        try:
            await json_response(200, written(given.outcome))(request.scope, request.receive, send)
        except BaseException:
            given.lost()
            raise
        if gone:
            given.lost()
        elif isinstance(connection, WatchedConnection):
            self._look_after(given, given.sent(connection.sent))
        else:  # a server that cannot tell
            given.read()
            self._installation.answer_was_read(given.outcome.issued)

    def _look_after(self, given: Given[Answered], delivery: Delivery) -> None:
        """See, soon, whether the answer has arrived, and note it for after a crash."""

        def look() -> None:
            if delivery.is_on_its_way():
                loop.call_later(LOOK_S, look)
                return
            self._looks.discard(look)
            if delivery.state is not DeliveryState.LOST:
                self._installation.answer_was_read(given.outcome.issued)

        loop = asyncio.get_running_loop()
        self._looks.add(look)
        loop.call_later(LOOK_S, look)

    def enter(self) -> None:
        """Look, before the service begins, which answers of the time before may not have been read: no customer waits
        for that then.
        """
        self._lost_answers()

    def leave(self) -> None:
        """Note, before the service stops, which answers have arrived meanwhile: else the next customer with the same
        goods would be given one of them after the start.
        """
        for look in tuple(self._looks):
            look()

    def _lost_answers(self) -> LostAnswers[Answered]:
        if self._answers is None:
            owed = {
                digest: (Answered(issued, bool(issued.easy)), float(ago_s))
                for digest, (issued, ago_s) in self._installation.owed(most=BODIES_MAX).items()
            }
            self._answers = LostAnswers(time.monotonic, owed)
        return self._answers


def json_response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Answer JSON that nobody keeps."""
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json; charset=utf-8")


def refusal_response(error: Malformed | Refusal | Unavailable) -> Response:
    """Say no in PosAPI's form: 400, or 503 where nothing was issued and the same may be sent again."""
    if isinstance(error, Unavailable):
        return json_response(503, refused_body(error), {"Retry-After": str(error.retry_after_s)})
    return json_response(400, refused_body(error))


async def _read(request: Request) -> bytes:
    """Read the body. Raises `Malformed`, or `HTTPException` where the connection cannot be used any more."""
    try:
        async with asyncio.timeout(BODY_S_MAX):
            return await read_body(request, BODY_BYTES_MAX)
    except TimeoutError:
        raise HTTPException(408, headers={"Connection": "close"}) from None
