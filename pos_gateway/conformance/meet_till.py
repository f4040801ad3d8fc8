"""Asks a till who it is: whom it serves, whether it is for tests, what of the cases' needs it has."""

from typing import Any, Final

from msgspec import Struct

from pos_gateway.conformance.body import Subject
from pos_gateway.conformance.exchange import nothing, read_json, text_of, value_at
from pos_gateway.conformance.send import Caller, Reply
from pos_gateway.conformance.verdict import TillTold
from runtime.unusable import Unusable

TEST_TIN: Final = "37900846788"
"""The vendor's test environment knows this merchant; nobody else is called so."""
TEST_LESSEE: Final = "61200064714"
FINAL_CONSUMER: Final = "30000000000"
"""The pseudo-merchant that the vendor's till lists among the customers of each merchant."""
OURS: Final = "barimt"
"""What stands in the version of a till of ours."""
OK: Final = 200


class TillUnusable(Unusable):
    """The till does not answer, serves nobody that can be tried, or issues real receipts and nobody allowed that."""


class Asked(Struct, frozen=True):
    """What whoever runs the kit says of the till; what is None the till is asked."""

    buyer: str
    consumer: str
    tin: str | None = None
    second: str | None = None
    real: bool = False


class Met(Struct, frozen=True):
    """A till that can be tried."""

    told: TillTold
    subject: Subject
    has: frozenset[str]


def meet_till(caller: Caller, asked: Asked) -> Met:
    """Ask a till who it is. Raises `TillUnusable`."""
    info = _info(caller)
    merchant = _merchant(info, asked.tin)
    tin = text_of(value_at(merchant, "tin"))
    told = TillTold(
        url=caller.url,
        version=text_of(value_at(info, "version")),
        pos_no=text_of(value_at(merchant, "posNo")) or text_of(value_at(info, "posNo")),
        tin=tin,
        ours=OURS in text_of(value_at(info, "version")),
    )
    test = value_at(info, "test") is True
    if not (asked.real or tin == TEST_TIN or test):
        raise TillUnusable(
            f"The till at {caller.url} issues real receipts for {tin}: it is neither a test till nor that of the test"
            " merchant. Take one that is (barimt till --sandbox), or say --real and void what is issued"
        )
    if value_at(merchant, "vatPayer") is False:
        raise TillUnusable(f"Merchant {tin} pays no VAT; the cases need one that does (--tin)")
    seats = {text_of(value_at(each, "tin")) for each in _listed(info, "merchants")} - {tin}
    lessees = {text_of(value_at(each, "tin")) for each in _listed(merchant, "customers")} - {tin, FINAL_CONSUMER}
    second = asked.second or next(iter(sorted(seats) + sorted(lessees)), None)
    if second is None and tin == TEST_TIN:
        second = TEST_LESSEE
    known = {
        "second": second is not None,
        "second_seat": second in seats,
        "strict_merchants": not test,  # a sandbox serves whoever is named to it
        "city_tax": _pays_city_tax(caller, tin),
    }
    subject = Subject(tin, told.pos_no, asked.buyer, asked.consumer, second)
    return Met(told, subject, frozenset(need for need, there in known.items() if there))


def _info(caller: Caller) -> Any:
    reply = caller.call("GET", "/rest/info", content=b"", headers={})
    info = read_json(reply.body)
    if reply.failure or reply.status != OK or not isinstance(info, dict):
        raise TillUnusable(f"Nothing at {caller.url} answers /rest/info as a till does: {_came(reply)}")
    return info


def _came(reply: Reply) -> str:
    return reply.failure or f"{reply.status} {reply.body[:120].decode(errors='replace')}"


def _merchant(info: Any, tin: str | None) -> Any:
    """Answer the entry of the merchant to be tried; one that is asked for and not listed may be enrolled on sight."""
    listed = _listed(info, "merchants")
    if tin is None and not listed:
        raise TillUnusable("The till serves no merchant yet: activate it first, or name one with --tin")
    if tin is None:
        return listed[0]
    return next((each for each in listed if text_of(value_at(each, "tin")) == tin), {"tin": tin})


def _listed(value: Any, name: str) -> list[Any]:
    found = value_at(value, name)
    return found if isinstance(found, list) else []


def _pays_city_tax(caller: Caller, tin: str) -> bool:
    """Whether the merchant pays the capital city's tax: what the till's register says, else yes."""
    reply = caller.call("GET", f"/api/info/check/getInfo?tin={tin}", content=b"", headers={})
    said = value_at(read_json(reply.body), "data.cityPayer")
    return bool(said) if reply.status == OK and not nothing(said) else True
