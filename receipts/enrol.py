"""Enrol sellers, their clients and terminals, consumers and officers. A gateway terminal gets its start link here.

Everything runs in the caller's transaction; nothing here commits.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import Connection

from kernel.canonical import canonical_json, canonical_text
from kernel.clock import Clock, business_date
from kernel.identity import RESERVED_FIRST, format_terminal, parse_tin, seller_number_of
from kernel.refusal import Fault, Malformed, Refusal
from receipts.chain import ChainKey, Draft, advance, first_head
from receipts.codes import districts
from receipts.document import Document
from receipts.receipt import Nature
from receipts.store import enrolling
from receipts.stored import StoredReceipt, stored_receipt

BRANCH_MAX = 999
NAME_MAX = 255
LOGIN_FIRST, LOGIN_LAST = 11_000_000, 11_999_999
"""PosAPI's consumer numbers look like 11******."""


class SellerExists(Refusal):
    """A seller with that TIN is enrolled already."""

    code = "seller_exists"


class SellerUnknown(Refusal):
    """No seller has that TIN."""

    code = "seller_unknown"


class RegisterNumberTaken(Refusal):
    """Another seller has that number of the state register."""

    code = "reg_no_taken"


class TerminalExists(Refusal):
    """The seller has a terminal of that number already."""

    code = "terminal_exists"


class ClientUnknown(Refusal):
    """No such client of this seller, or it was revoked."""

    code = "client_unknown"


class OfficerExists(Refusal):
    """An officer with that id is enrolled already."""

    code = "officer_exists"


class LoginNumbersExhausted(Refusal):
    """No free consumer number was found."""

    code = "login_numbers_exhausted"


@dataclass(frozen=True, slots=True)
class NewSeller:
    """A seller to enrol; `vat_registered_from` is None for one that is not registered for VAT."""

    tin: str
    name: str
    sector: str
    district: str
    city_tax_payer: bool = False
    vat_registered_from: date | None = None
    reg_no: str | None = None
    """Of a company: its seven digits in the state register; eight of the vendor's test merchant."""


@dataclass(frozen=True, slots=True)
class NewTerminal:
    """A terminal to enrol for a client of its seller."""

    seller_tin: str
    number: int
    client_id: str
    mode: Literal["gateway", "till"]
    branch: int
    district: str


def add_seller(connection: Connection, clock: Clock, *, seller: NewSeller) -> int:
    """Enrol a seller and answer its seller number. Raises `Malformed` with all faults, `SellerExists` or
    `RegisterNumberTaken`.
    """
    _check_seller(seller)
    number = seller_number_of(seller.tin)
    if number is None:
        number = enrolling.next_reserved_number(connection, RESERVED_FIRST)
    added = enrolling.add_seller(
        connection,
        {
            "seller": number,
            "tin": seller.tin,
            "name": canonical_text(seller.name),
            "sector": seller.sector,
            "district": seller.district,
            "city_tax_payer": seller.city_tax_payer,
            "reg_no": seller.reg_no,
            "enrolled_at": clock(),
        },
    )
    if not added:
        raise SellerExists(tin=seller.tin) if enrolling.find_seller(connection, seller.tin) else RegisterNumberTaken
    if seller.vat_registered_from is not None:
        enrolling.add_vat_registration(connection, number, seller.vat_registered_from)
    return number


def _check_seller(seller: NewSeller) -> None:
    faults: list[Fault] = []
    try:
        parse_tin(seller.tin, "/tin")
    except Malformed as malformed:
        faults += malformed.faults
    if not 1 <= len(seller.name) <= NAME_MAX or "\0" in seller.name:
        faults.append(Fault("out_of_range", "/name", f"1 to {NAME_MAX} characters"))
    if not seller.sector.isascii() or not seller.sector.isalnum() or len(seller.sector) > 16:  # noqa: PLR2004 - as the table
        faults.append(Fault("sector_form", "/sector", "an ISIC Rev. 4 code, as 4711"))
    if seller.reg_no is not None and not re.fullmatch(r"[0-9]{7,8}", seller.reg_no):  # the test merchant's has 8
        faults.append(Fault("reg_no_form", "/reg_no", "7 or 8 digits, as 2657457"))
    if seller.district not in districts():
        faults.append(Fault("district_unknown", "/district", "a code of the district list, as 2501"))
    if faults:
        raise Malformed(*faults)


def seller_number(connection: Connection, tin: str) -> int:
    """Answer the seller number of an enrolled TIN. Raises `SellerUnknown`."""
    row = enrolling.find_seller(connection, parse_tin(tin, "/seller"))
    if row is None:
        raise SellerUnknown(tin=tin)
    return int(row["seller"])


def add_client(connection: Connection, clock: Clock, *, client_id: str, seller_tin: str, public_key: str) -> str:
    """Enrol who may speak for a seller by its public key (PEM) and answer the client id, which must be 1 to 64
    printable ASCII characters without a space.
    """
    assert re.fullmatch(r"[!-~]{1,64}", client_id), "lists of client ids are texts of lines (receipts.store.issuing)"
    enrolling.add_client(connection, client_id, seller_number(connection, seller_tin), public_key, clock())
    return client_id


def revoke_client(connection: Connection, clock: Clock, *, client_id: str) -> None:
    """Take a client's right to speak away; its tokens are good for a minute at most. Raises `ClientUnknown`."""
    if not enrolling.revoke_client(connection, client_id, clock()):
        raise ClientUnknown(client_id=client_id)


def add_terminal(
    connection: Connection,
    clock: Clock,
    *,
    terminal: NewTerminal,
    epoch: int,
    chain_key: Callable[[int, int, int], ChainKey],
) -> int:
    """Enrol a terminal and, in mode `gateway`, sign and store the start link of its chain; answer the seller number.

    Raises `Malformed`, `SellerUnknown`, `ClientUnknown` or `TerminalExists`.
    """
    check_terminal(terminal.branch, terminal.district)
    seller = seller_number(connection, terminal.seller_tin)
    if enrolling.client_seller(connection, terminal.client_id) != seller:
        raise ClientUnknown(client_id=terminal.client_id)
    now = clock()
    record = enrolment_record(terminal, seller=seller, epoch=epoch, enrolled_at=now)
    added = enrolling.add_terminal(
        connection,
        {
            "seller": seller,
            "terminal": terminal.number,
            "client_id": terminal.client_id,
            "mode": terminal.mode,
            "branch": terminal.branch,
            "district": terminal.district,
            "epoch": epoch,
            "enrolment": record,
            "enrolled_at": now,
        },
    )
    if not added:
        raise TerminalExists(terminal=format_terminal(terminal.number))
    head = first_head(seller=seller, terminal=terminal.number, enrolment=record, enrolled_at=now)
    start: StoredReceipt | None = None
    if terminal.mode == "gateway":
        draft = Draft(Nature.START, business=False, lottery=False, branch=terminal.branch, total_mongo=0, vat_mongo=0,
                      document=Document(district=terminal.district))  # fmt: skip
        link, head = advance(head, draft, issued_at=now, key=chain_key(seller, terminal.number, epoch))
        start = stored_receipt(link, [], received_at=now, computed_vat_mongo=0)
    enrolling.add_chain(connection, head, start)
    return seller


def enrolment_record(terminal: NewTerminal, *, seller: int, epoch: int, enrolled_at: datetime) -> bytes:
    """Write what a terminal's start link builds on: canonical JSON of who it is (docs/formats/chain.md)."""
    return canonical_json(
        {
            "seller_tin": terminal.seller_tin,
            "seller": f"{seller:012d}",
            "terminal": format_terminal(terminal.number),
            "mode": terminal.mode,
            "branch": f"{terminal.branch:03d}",
            "district": terminal.district,
            "epoch": epoch,
            "enrolled_at": enrolled_at.isoformat(),
        }
    )


def check_terminal(branch: int, district: str) -> None:
    """See that a terminal may stand there. Raises `Malformed` with all faults."""
    faults: list[Fault] = []
    if not 0 <= branch <= BRANCH_MAX:
        faults.append(Fault("out_of_range", "/branch", "0 to 999"))
    if district not in districts():
        faults.append(Fault("district_unknown", "/district", "a code of the district list, as 2501"))
    if faults:
        raise Malformed(*faults)


def add_consumer(
    connection: Connection, clock: Clock, *, draw_login: Callable[[int, int], int], owner_of: str | None = None
) -> tuple[int, int]:
    """Enrol a consumer and answer (consumer, login number); `owner_of` names a seller whose receipts he cannot claim.

    `draw_login(first, last)` answers a random number of that range; a taken one is drawn again.
    """
    for _ in range(100):
        login_no = draw_login(LOGIN_FIRST, LOGIN_LAST)
        consumer = enrolling.add_consumer(connection, login_no, clock())
        if consumer is not None:
            break
    else:
        raise LoginNumbersExhausted
    if owner_of is not None:
        seller = seller_number(connection, owner_of)
        enrolling.add_seller_person(connection, seller, consumer, "owner", business_date(clock()))
    return consumer, login_no


def add_officer(connection: Connection, clock: Clock, *, officer_id: str, name: str) -> None:
    """Enrol a tax officer. Raises `OfficerExists`."""
    if not enrolling.add_officer(connection, officer_id, canonical_text(name), clock()):
        raise OfficerExists(officer_id=officer_id)
