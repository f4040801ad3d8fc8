"""Name an account on which a seller wants its invoices paid: what PosAPI answers as `bankAccounts`."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from kernel.canonical import canonical_text
from kernel.refusal import Fault, Malformed, Refusal
from receipts.enrol import seller_number
from receipts.store import enrolling

ACCOUNT_NO_MAX, NAME_MAX, BANK_NAME_MAX, BANK_ID_MAX = 34, 255, 255, 2**31 - 1


class AccountExists(Refusal):
    """The seller has named that account already."""

    code = "account_exists"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account: its number, whose it is, its bank (a number of the tax office's list, and a name), its IBAN."""

    account_no: str
    account_name: str
    bank_id: int = 0
    bank_name: str = ""
    iban: str = ""


def name_account(connection: Connection, *, seller_tin: str, account: NewAccount) -> int:
    """Store an account and answer its number. Raises `Malformed` with all faults, `SellerUnknown`, `AccountExists`."""
    _check(account)
    seller = seller_number(connection, seller_tin)
    texts = {name: canonical_text(value) for name, value in asdict(account).items() if isinstance(value, str)}
    number = enrolling.add_account(connection, seller, {**texts, "bank_id": account.bank_id})
    if number is None:
        raise AccountExists
    return number


def _check(account: NewAccount) -> None:
    limits = (
        ("account_no", account.account_no, 1, ACCOUNT_NO_MAX),
        ("account_name", account.account_name, 1, NAME_MAX),
        ("bank_name", account.bank_name, 0, BANK_NAME_MAX),
        ("iban", account.iban, 0, ACCOUNT_NO_MAX),
    )
    faults = [
        Fault("out_of_range", f"/{name}", f"{least} to {most} characters")
        for name, text, least, most in limits
        if not least <= len(text) <= most or "\0" in text
    ]
    if not 0 <= account.bank_id <= BANK_ID_MAX:
        faults.append(Fault("out_of_range", "/bank_id", f"0 to {BANK_ID_MAX}"))
    if faults:
        raise Malformed(*faults)
