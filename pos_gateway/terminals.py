"""What a till may ask of itself and of its seller: how the centre sees its terminal, and where invoices are paid."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from kernel.clock import business_date
from kernel.identity import format_terminal, parse_terminal, parse_tin
from pos_gateway.directory import WrongSeller
from pos_gateway.failures import reaching_database
from pos_gateway.gateway import gateway_of
from pos_gateway.lookups import Caller
from pos_gateway.store import find_accounts, find_standing
from receipts.orders import TerminalUnknown
from receipts.rules import rules_on

router = APIRouter(prefix="/v1", tags=["tills"])


class StandingOut(BaseModel):
    """A terminal as the centre sees it. Times are RFC 3339 in UTC."""

    model_config = ConfigDict(extra="forbid")
    terminal: str
    mode: Literal["gateway", "till"]
    counter: Annotated[int, Field(ge=0, description="of the next link that is expected")]
    head_hash: Annotated[
        str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the last link, or of the enrolment record")
    ]
    last_issued_at: Annotated[str, Field(description="of the last link, or when the terminal was enrolled")]
    suspended_at: str | None
    suspended_for: Annotated[str | None, Field(description="why, as a code: `/problems/{code}` explains it")]
    closed_at: str | None
    now: Annotated[str, Field(description="the centre's clock")]
    late_issue_hours: Annotated[int, Field(description="how old a receipt may be when it is reported")]


class AccountOut(BaseModel):
    """A seller's account, in PosAPI's words."""

    model_config = ConfigDict(extra="forbid")
    id: int
    tin: str
    bankAccountNo: str  # noqa: N815 - PosAPI's spelling, as below
    bankAccountName: str  # noqa: N815
    bankId: int  # noqa: N815
    bankName: str  # noqa: N815
    iBan: str  # noqa: N815


@router.get("/terminals/{terminal}", summary="How the centre sees a terminal")
async def get_terminal(
    request: Request, terminal: Annotated[str, Path(max_length=8, description="8 digits")], caller: Caller
) -> StandingOut:
    """Answer where the chain of one of your own terminals stands at the centre, and whether it may go on. A till that
    was offline learns from it what it need not send again.
    """
    gateway = gateway_of(request.app)
    number = parse_terminal(terminal)
    with reaching_database():
        standing = await find_standing(gateway.database, caller.client_id, caller.seller, number)
    if standing is None:
        raise TerminalUnknown(terminal=format_terminal(number))
    now = gateway.clock()
    return StandingOut(
        terminal=terminal,
        mode=standing["mode"],
        counter=standing["counter"],
        head_hash=standing["head_hash"].hex(),
        last_issued_at=standing["last_issued_at"].isoformat(),
        suspended_at=None if standing["suspended_at"] is None else standing["suspended_at"].isoformat(),
        suspended_for=standing["suspended_for"],
        closed_at=None if standing["closed_at"] is None else standing["closed_at"].isoformat(),
        now=now.isoformat(),
        late_issue_hours=rules_on(business_date(now)).late_issue_hours,
    )


@router.get("/sellers/{tin}/bank-accounts", summary="Where a seller's invoices are paid")
async def get_accounts(
    request: Request, tin: Annotated[str, Path(max_length=14, description="your own seller's")], caller: Caller
) -> list[AccountOut]:
    """Answer the accounts that your seller has named for its invoices, as PosAPI's `bankAccounts` shows them."""
    if parse_tin(tin, "/tin") != caller.seller_tin:
        raise WrongSeller
    with reaching_database():
        accounts = await find_accounts(gateway_of(request.app).database, caller.seller)
    return [
        AccountOut(
            id=account["account"],
            tin=tin,
            bankAccountNo=account["account_no"],
            bankAccountName=account["account_name"],
            bankId=account["bank_id"],
            bankName=account["bank_name"],
            iBan=account["iban"],
        )
        for account in accounts
    ]
