"""Single receipts past the framework's layers (`runtime.lane`): the same as `routes.post_receipt`, for requests that
are plain and of a till and merchants that are known, until the outcome is there.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter

from kernel.refusal import Unavailable
from pos_gateway import wire
from pos_gateway.answers import receipt_json
from pos_gateway.bodies import key_missing, parse_key
from pos_gateway.gateway import Gateway, Sold
from receipts.orders import Issued, Outcome, SaleOrder
from receipts.store.reading import Client
from runtime.access_log import Observer
from runtime.http_errors import MEDIA_TYPE, problem_of
from runtime.lane import Answer, Refusal, Resume, TurnedAway
from runtime.messages import Language, language_of

Send = Callable[[int, bytes], None]
LongWay = Callable[[Resume | None], None]
FULL = "pool_full"
POOL_FULL = Unavailable(FULL)
LONG_WAY_MAX = 256
"""Requests on the long way at a time to which another is added for a look-up, because its till is not known yet, say:
at some 500 µs each a tenth of a second. They have no place in the pool yet, so that its bound does not hold them."""
LANGUAGES_MAX = 64
"""Spellings of `Accept-Language` whose meaning is remembered."""


class ReceiptLane:
    """The lane of `POST /v1/receipts`."""

    path = b"/v1/receipts"
    body_bytes_max = wire.RECEIPT_BYTES_MAX

    def __init__(self, gateway: Gateway, observers: Sequence[Observer]) -> None:
        self.observers = observers
        self.turned_away = TurnedAway()
        self.on_long_way = 0
        self._gateway = gateway
        self._refusals = {language: _full(language) for language in Language}
        self._languages: dict[bytes, Language] = {}

    def refusal(self, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Answer with what is refused while the pool is full."""
        return None if self._gateway.pool.has_room else self._refused(headers)

    def _refused(self, headers: Mapping[bytes, bytes]) -> Refusal:
        asked = headers.get(b"accept-language", b"")
        language = self._languages.get(asked)
        if language is None:
            language = language_of(asked.decode("latin-1") or None)
            if len(self._languages) < LANGUAGES_MAX:
                self._languages[asked] = language
        self._gateway.metrics.problem(FULL, POOL_FULL)
        return self._refusals[language]

    def serve(
        self,
        headers: Mapping[bytes, bytes],
        body: bytes,
        answer: Send,
        long_way: LongWay,
        refuse: Callable[[Refusal], None],
    ) -> None:
        """Put a receipt into the pool and answer once it is durable."""
        gateway, began = self._gateway, perf_counter()

        def look_up(resume: Resume | None) -> None:
            if self.on_long_way < LONG_WAY_MAX:
                long_way(resume)
            else:
                refuse(self._refused(headers))

        client = gateway.callers.known(headers.get(b"authorization", b"").decode("latin-1"))
        if client is None:
            look_up(None)
            return
        try:
            gateway.limits.spend(client)
            key = headers.get(b"idempotency-key")
            if key is None:
                raise key_missing()  # noqa: TRY301 - what is refused here and below it goes the same way
            posted = _Posted(gateway, client, parse_key(key.decode("latin-1")), body, began, answer, long_way)
            posted.enter(look_up)
        except Exception as failure:  # noqa: BLE001 - it is raised again in the route, within the rim
            long_way(partial(_raise, failure))


def _full(language: Language) -> Refusal:
    problem = problem_of(POOL_FULL, language)
    fields = {"Content-Type": MEDIA_TYPE, **problem.headers}
    lines = "".join([f"{name.lower()}: {value}\r\n" for name, value in fields.items()])
    return Refusal(problem.status, lines.encode("latin-1"), problem.json())


class _Posted:
    """A receipt on its way through the pool."""

    def __init__(
        self, gateway: Gateway, client: Client, key: str, body: bytes, began: float, answer: Send, long_way: LongWay
    ) -> None:
        self._gateway = gateway
        self._began = began
        self._answer = answer
        self._long_way = long_way
        self._receipt = wire.read_receipt(body)
        self._read = perf_counter()
        self._client, self._key = client, key

    def enter(self, look_up: LongWay) -> None:
        gateway = self._gateway
        order = gateway.judge_now(self._client, self._key, self._receipt, gateway.today())
        if order is None:
            look_up(partial(issue, gateway, self._client, self._key, self._receipt, self._began, self._read))
            return
        self._judged = perf_counter()
        gateway.enter(order).add_done_callback(partial(self._settled, order))

    def _settled(self, order: SaleOrder, outcome: "asyncio.Future[Outcome]") -> None:
        issued_at = perf_counter()
        try:
            issued = outcome.result()
            if not isinstance(issued, Issued):
                self._long_way(partial(_conclude, self._gateway, order, issued))
                return
            answer = content_of(Sold(issued, None if issued.repeated else order.priced.parts))
        except Exception as failure:  # noqa: BLE001 - as above
            self._long_way(partial(_raise, failure))
            return
        self._answer(*answer)
        self._gateway.metrics.single(self._began, self._read, self._judged, issued_at)


async def issue(
    gateway: Gateway, client: Client, key: str, receipt: wire.ReceiptIn, began: float, read: float
) -> Answer:
    """Judge a receipt that was read, issue it and answer it. Raises what `Gateway.judge` and `Gateway.issue` raise."""
    order = await gateway.judge(client, key, receipt)
    judged = perf_counter()
    sold = await gateway.issue(order)
    issued = perf_counter()
    answer = content_of(sold)
    gateway.metrics.single(began, read, judged, issued)
    return answer


def content_of(sold: Sold) -> Answer:
    """Answer what is said of a receipt: 201, or 200 when it was issued before."""
    return 200 if sold.issued.repeated else 201, receipt_json(sold.issued, sold.parts)


async def _conclude(gateway: Gateway, order: SaleOrder, outcome: Outcome) -> Answer:
    return content_of(await gateway.sold(order, outcome))


async def _raise(failure: Exception) -> Answer:
    raise failure
