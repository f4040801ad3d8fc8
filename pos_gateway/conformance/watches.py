"""Properties of every answer of a run. Each answers the answers it looked at and what is wrong with them. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from pos_gateway.conformance.case import Value
from pos_gateway.conformance.exchange import (
    MISSING,
    Exchange,
    Written,
    leaves,
    nothing,
    shown,
    text_of,
    value_at,
)
from pos_gateway.conformance.judge import BROKEN_FROM, expects_refusal, number_in
from pos_gateway.conformance.scene import ids_in

SECONDS_MAX: Final = 8.0
REFUSED: Final = 400
TOO_LARGE: Final = 413
_NO_SUCH_CALL: Final = frozenset({404, 405})
_NUMBERS: Final = re.compile(
    r"(.*\.)?(totalAmount|totalVAT|totalCityTax|totalBonus|qty|unitPrice|paidAmount)", re.ASCII
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
_LOTTERY: Final = re.compile(r"[A-Za-z]{2}\s?[0-9]{8}", re.ASCII)
_ID: Final = re.compile(r"[0-9]{33}", re.ASCII)
_WHOLE: Final = re.compile(r"-?[0-9]+", re.ASCII)
_CYRILLIC: Final = re.compile("[А-Яа-яӨөҮүЁё]{3}")
_DATA: Final = re.compile(r"(^|\.)data(\.|\[|$)")


class Seen(Struct, frozen=True):
    """One answer by one watch: in which case, and what came instead of what was expected, if it is wrong."""

    case: str
    came: str | None = None


Look = Callable[[Iterable[Exchange]], Iterator[Seen]]


def _in_receipts(wrong: Callable[[Any], str | None]) -> Look:
    """Make a watch of the receipts: `wrong` answers what came where an answer is wrong."""

    def look(exchanges: Iterable[Exchange]) -> Iterator[Seen]:
        for exchange in exchanges:
            if exchange.is_receipt:
                yield Seen(exchange.case, wrong(exchange.answer))

    return look


def _in_refusals(wrong: Callable[[Exchange], str | None]) -> Look:
    """Make a watch of the refusals, those that were expected and others."""

    def look(exchanges: Iterable[Exchange]) -> Iterator[Seen]:
        for exchange in exchanges:
            if not exchange.failure and _is_refusal(exchange):
                yield Seen(exchange.case, wrong(exchange))

    return look


def _is_refusal(exchange: Exchange) -> bool:
    return exchange.says_no or (expects_refusal(exchange.step) is not None and not exchange.succeeded)


def _own_leaves(answer: Any) -> Iterator[tuple[str, Any]]:
    """The leaves that the till wrote: free data is the client's."""
    return ((path, value) for path, value in leaves(answer) if not _DATA.search(path))


def _first(found: Iterable[tuple[str, Any]]) -> str | None:
    return next((f"{path}: {shown(value)}" for path, value in found), None)


def _not_json(exchanges: Iterable[Exchange]) -> Iterator[Seen]:
    for exchange in exchanges:
        asked = "/rest/" in exchange.request and not exchange.request.startswith("OPTIONS")
        if asked and exchange.body and not exchange.failure:
            kind = exchange.headers.get("content-type", "")
            good = kind.startswith("application/json") and exchange.answer is not MISSING
            yield Seen(exchange.case, None if good else f"{kind or 'no content type'}: {exchange.came}")


def _status(answer: Any) -> str | None:
    said = value_at(answer, "status")
    return None if said == "SUCCESS" else f"status: {shown(said)}"


def _texts_for_numbers(answer: Any) -> str | None:
    return _first(
        (path, value)
        for path, value in _own_leaves(answer)
        if _NUMBERS.fullmatch(path) and not nothing(value) and not isinstance(value, Decimal)
    )


def _points(answer: Any) -> str | None:
    found = ((path, value) for path, value in _own_leaves(answer) if isinstance(value, Written))
    wrong = (
        (path, value.text)
        for path, value in found
        if value == value.to_integral_value() and not _WHOLE.fullmatch(value.text)
    )
    return next((f"{path}: {text}" for path, text in wrong), None)


def _empty_keys(answer: Any) -> str | None:
    return _first((path, value) for path, value in _own_leaves(answer) if value is None or value == "")


def _unrecorded(answer: Any) -> str | None:
    return _first((name, answer[name]) for name in ("message", "billIdSuffix") if not nothing(value_at(answer, name)))


def _qr_text(answer: Any) -> str | None:
    said = value_at(answer, "qrData")
    return None if isinstance(said, str) and said else f"qrData: {shown(said)}"


def _ids(answer: Any) -> str | None:
    receipts = value_at(answer, "receipts")
    below = ((f"receipts[{at}].id", value_at(each, "id")) for at, each in enumerate(receipts or []))
    said = [("id", value_at(answer, "id")), *(pair for pair in below if not nothing(pair[1]))]
    return _first((path, value) for path, value in said if not (isinstance(value, str) and _ID.fullmatch(value)))


def _no_sub_ids(answer: Any) -> str | None:
    receipts = value_at(answer, "receipts")
    return _first(
        (f"receipts[{at}].id", MISSING) for at, each in enumerate(receipts or []) if nothing(value_at(each, "id"))
    )


def _repeated_ids(exchanges: Iterable[Exchange]) -> Iterator[Seen]:
    given: dict[str, str] = {}
    for exchange in exchanges:
        asked_again = any(isinstance(each, Value) and each.at == "id" and each.same_as for each in exchange.step.expect)
        if not exchange.is_receipt or asked_again:
            continue
        ids = ids_in(exchange)
        twice = next((id_ for at, id_ in enumerate(ids) if id_ in given or id_ in ids[:at]), None)
        yield Seen(exchange.case, twice and f"{twice}, which came in {given.get(twice, exchange.case)!r}")
        given |= dict.fromkeys(ids, exchange.case)


def _date(answer: Any) -> str | None:
    said = value_at(answer, "date")
    return None if isinstance(said, str) and _DATE.fullmatch(said) else f"date: {shown(said)}"


def _lottery(answer: Any) -> str | None:
    said = value_at(answer, "lottery")
    return None if nothing(said) or (isinstance(said, str) and _LOTTERY.fullmatch(said)) else f"lottery: {shown(said)}"


def _easy(answer: Any) -> str | None:
    said = value_at(answer, "easy")
    return None if isinstance(said, bool) else f"easy: {shown(said)}"


def _pos_ids(exchanges: Iterable[Exchange]) -> Iterator[Seen]:
    first: dict[str, Any] = {}
    for exchange in exchanges:
        if exchange.is_receipt:
            said = value_at(exchange.answer, "posId")
            tin = text_of(value_at(exchange.answer, "merchantTin"))
            good = isinstance(said, Decimal) and said == first.setdefault(tin, said)
            yield Seen(exchange.case, None if good else f"posId: {shown(said)}")


def _version(answer: Any) -> str | None:
    said = value_at(answer, "version")
    return None if isinstance(said, str) and said else f"version: {shown(said)}"


def _slow(exchanges: Iterable[Exchange]) -> Iterator[Seen]:
    for exchange in exchanges:
        if not exchange.step.hang_up:
            slow = exchange.seconds > SECONDS_MAX
            yield Seen(exchange.case, f"{exchange.seconds:.1f} s for {exchange.request}" if slow else None)


def _not_400(exchange: Exchange) -> str | None:
    answer = exchange.answer
    if exchange.status in _NO_SUCH_CALL and expects_refusal(exchange.step) is None:
        return None  # it was asked in a way that the till does not know
    allowed = {REFUSED, TOO_LARGE} if exchange.step.padded_to else {REFUSED}
    good = exchange.status in allowed and value_at(answer, "status") == "ERROR" and text_of(value_at(answer, "message"))
    return None if good else exchange.came


def _unnamed(exchange: Exchange) -> str | None:
    names = getattr(expects_refusal(exchange.step), "names", ())
    named = any(name in exchange.message for name in names)
    return None if named or not names else f"{' or '.join(names)} not in: {exchange.message}"[:300]


def _not_given(exchange: Exchange) -> str | None:
    gives = getattr(expects_refusal(exchange.step), "gives", None)
    if gives is None or number_in(exchange.message, gives):
        return None
    return f"{gives} not in: {exchange.message}"[:300]


def _not_mongolian(exchange: Exchange) -> str | None:
    return None if _CYRILLIC.search(exchange.message) else exchange.came


def _server_failures(exchanges: Iterable[Exchange]) -> Iterator[Seen]:
    for exchange in exchanges:
        if not (exchange.step.hang_up or exchange.failure or _is_refusal(exchange)):
            yield Seen(exchange.case, exchange.came if exchange.status >= BROKEN_FROM else None)


LOOKS: Final[Mapping[str, Look]] = {
    "answers-are-json": _not_json,
    "status-is-success": _in_receipts(_status),
    "numbers-are-numbers": _in_receipts(_texts_for_numbers),
    "whole-numbers-without-point": _in_receipts(_points),
    "empty-keys-are-dropped": _in_receipts(_empty_keys),
    "no-more-than-recorded": _in_receipts(_unrecorded),
    "qr-is-text": _in_receipts(_qr_text),
    "ids-have-33-digits": _in_receipts(_ids),
    "sub-receipts-have-ids": _in_receipts(_no_sub_ids),
    "ids-never-repeat": _repeated_ids,
    "date-without-zone": _in_receipts(_date),
    "lottery-form": _in_receipts(_lottery),
    "easy-is-a-truth": _in_receipts(_easy),
    "pos-id-is-a-number": _pos_ids,
    "version-is-told": _in_receipts(_version),
    "answers-in-time": _slow,
    "refusals-are-400": _in_refusals(_not_400),
    "refusals-name-the-field": _in_refusals(_unnamed),
    "refusals-give-what-is-right": _in_refusals(_not_given),
    "refusals-in-mongolian": _in_refusals(_not_mongolian),
    "never-a-server-failure": _server_failures,
}
"""By the names of the watches in `cases/watches.json`."""
