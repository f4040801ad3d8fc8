"""Declarations, findings and receipts over HTTP: for sellers' programs, tax officers, and whoever was looked at.

An officer names a purpose and a case with every question. The look is written down in the transaction that reads, so
there is no answer without its record.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from analytics.asking import CaseText, MonthText, PurposeText, clock_of, database_of
from analytics.consult import consult_findings, consult_receipts
from analytics.declare_month import Declaration, declare_month
from analytics.forks_api import add_forks
from analytics.purpose import Purpose
from analytics.store import consulting
from analytics.store.consulting import AnyRow, Page, month_of_ordinal
from kernel.clock import Month, format_instant
from kernel.identity import parse_tin
from receipts.ids import ReceiptId
from receipts.receipt import Kind
from receipts.store.reading import Client
from runtime.database import Role
from runtime.faults import parsed_by
from runtime.tokens.bearer import Forbidden

RECEIPTS_LISTED_MAX = 500
ACCESSES_LISTED_MAX = 100
AMOUNT_MAX = 2**53 - 1
VERSION_MAX = 1000


class DeclarationIn(BaseModel):
    """What a seller declares for a month; amounts in möngö, revenue net of VAT and city tax. Versions count from 1; an
    amendment is the next one.
    """

    model_config = ConfigDict(extra="forbid")
    seller_tin: Annotated[str, Field(max_length=14), parsed_by(parse_tin)]
    month: Annotated[str, Field(max_length=7), parsed_by(lambda text: str(Month.parse(text)))]
    version: Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)]
    net_revenue_mongo: Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)]
    vat_mongo: Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)]


class DeclarationOut(BaseModel):
    """A declaration on file."""

    seller_tin: str
    month: str
    version: int
    net_revenue_mongo: int
    vat_mongo: int
    declared_at: str


class FindingOut(BaseModel):
    """What one rule says of one seller. `effect` and `threshold` are decimal texts in `unit`; `score` is in hundredths
    of what accuses; `receipts` are the ids of up to 20 receipts behind it.
    """

    seller_tin: str
    name: str
    rule: str
    score: int
    effect: str
    unit: str
    threshold: str
    sample: int
    evidence: dict[str, str]
    reason_en: str
    reason_mn: str
    receipts: list[str]


class FindingsOut(BaseModel):
    """The newest run of a month. `findings` accuse; `notes` are weaker signs and accuse nobody. `findings_hash` is the
    SHA-256 of the run's findings.json. Without a run there is nothing.
    """

    month: str
    run: str | None
    as_of: str | None
    findings_hash: str | None
    findings: list[FindingOut]
    notes: list[FindingOut]


class ReceiptOut(BaseModel):
    """A link of a seller's chains, with the amounts that its QR carries."""

    id: str
    issued_at: str
    nature: str
    business: bool
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    tax_month: Annotated[str, Field(description="the month for which it counts; mostly that of its issue")]
    findings: Annotated[list[str], Field(description="what is the matter with a link that a till signed; codes")]


class ReceiptsOut(BaseModel):
    """Links of a month by day, terminal and number; `next_after` asks for those that follow."""

    seller_tin: str
    month: str
    receipts: list[ReceiptOut]
    next_after: str | None


class AccessOut(BaseModel):
    """An officer's look at the receipts of a seller and month in which you claimed one. No officer can see which
    receipts are yours.
    """

    access: str
    accessed_at: str
    what: Literal["receipts"]
    seller_tin: str
    seller: str
    month: str
    purpose: str
    case: str


class AccessesOut(BaseModel):
    """Accesses, newest first; `next_before` asks for the ones before them."""

    accesses: list[AccessOut]
    next_before: str | None


def make_router(
    *, current_client: Callable[..., Any], current_officer: Callable[..., Any], current_consumer: Callable[..., Any]
) -> APIRouter:
    """Answer the routes. The three are dependencies that answer who is asking: a seller's `Client`, an officer's id, a
    consumer's number. The app must carry the `Database` and the `clock` in its state.
    """
    router = APIRouter(prefix="/v1")
    _add_declarations(router, current_client)
    _add_findings(router, current_officer)
    _add_receipts(router, current_officer)
    add_forks(router, current_officer)
    _add_accesses(router, current_consumer)
    return router


def _add_declarations(router: APIRouter, current_client: Callable[..., Any]) -> None:
    client_of = Annotated[Client, Depends(current_client)]

    @router.post(
        "/declarations",
        status_code=201,
        tags=["declarations"],
        summary="Declare a month",
        responses={200: {"model": DeclarationOut, "description": "On file already, as it is"}},
    )
    def post_declaration(
        request: Request, response: Response, body: DeclarationIn, client: client_of
    ) -> DeclarationOut:
        """File what the seller declares for a month, in möngö net of VAT and city tax: 201, or 200 when the same
        version with the same amounts is on file. An amendment is the next version.
        """
        if body.seller_tin != client.seller_tin:
            raise Forbidden
        said = Declaration(Month.parse(body.month), body.version, body.net_revenue_mongo, body.vat_mongo)
        with database_of(request).transaction(Role.GATEWAY) as connection:
            declared = declare_month(
                connection, clock_of(request), seller=client.seller, client_id=client.client_id, declaration=said
            )
        response.status_code = 200 if declared.repeated else 201
        return DeclarationOut(
            seller_tin=client.seller_tin,
            month=body.month,
            version=declared.filed.version,
            net_revenue_mongo=declared.filed.net_revenue_mongo,
            vat_mongo=declared.filed.vat_mongo,
            declared_at=format_instant(declared.filed.declared_at),
        )


def _add_findings(router: APIRouter, current_officer: Callable[..., Any]) -> None:
    officer_of = Annotated[str, Depends(current_officer)]

    @router.get("/findings", tags=["officers"], summary="What the newest run found in a month")
    def get_findings(
        request: Request, month: MonthText, purpose: PurposeText, case: CaseText, officer: officer_of
    ) -> FindingsOut:
        """Answer what the plausibility job (`barimt plausibility run`) found, strongest first: findings, each with its
        effect, the threshold and the receipts behind it, and notes, which accuse nobody. The look is recorded with its
        purpose and case.
        """
        asked = Month.parse(month)
        why = Purpose.parse(officer=officer, purpose=purpose, case=case)
        with database_of(request).transaction(Role.OFFICER) as connection:
            seen = consult_findings(connection, clock_of(request), purpose=why, month=asked)
        return FindingsOut(
            month=month,
            run=None if seen.run is None else str(seen.run.run),
            as_of=None if seen.run is None else format_instant(seen.run.as_of),
            findings_hash=None if seen.run is None else seen.run.findings_hash.hex(),
            findings=[_finding(row) for row in seen.findings if row.level == "finding"],
            notes=[_finding(row) for row in seen.findings if row.level == "note"],
        )


def _add_receipts(router: APIRouter, current_officer: Callable[..., Any]) -> None:
    officer_of = Annotated[str, Depends(current_officer)]

    @router.get("/sellers/{tin}/receipts", tags=["officers"], summary="A seller's receipts of a month")
    def get_receipts(
        request: Request,
        tin: Annotated[str, Path(max_length=14)],
        month: MonthText,
        purpose: PurposeText,
        case: CaseText,
        officer: officer_of,
        after: Annotated[str | None, Query(max_length=33, description="the receipt id that came last")] = None,
    ) -> ReceiptsOut:
        """Answer 500 of a seller's receipts at a time; `next_after`, sent as `after`, asks for those that follow. Every
        page is a look, and is recorded with its purpose and case. Who claimed a receipt no officer can see.
        """
        asked, seller_tin = Month.parse(month), parse_tin(tin, "/tin")
        why = Purpose.parse(officer=officer, purpose=purpose, case=case)
        last = None if after is None else ReceiptId.parse(after, "/after")
        with database_of(request).transaction(Role.OFFICER) as connection:
            rows = consult_receipts(
                connection,
                clock_of(request),
                purpose=why,
                tin=seller_tin,
                month=asked,
                page=Page(RECEIPTS_LISTED_MAX, None if last is None else (last.day, last.terminal, last.number)),
            )
        receipts = [_receipt(row) for row in rows]
        more = len(receipts) == RECEIPTS_LISTED_MAX
        return ReceiptsOut(
            seller_tin=seller_tin, month=month, receipts=receipts, next_after=receipts[-1].id if more else None
        )


def _add_accesses(router: APIRouter, current_consumer: Callable[..., Any]) -> None:
    consumer_of = Annotated[int, Depends(current_consumer)]

    @router.get("/me/accesses", tags=["consumers"], summary="Who looked, when and why")
    def get_accesses(
        request: Request,
        consumer: consumer_of,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    ) -> AccessesOut:
        """Answer which officers looked at receipts of sellers and months in which you claimed some, and why, a hundred
        at a time; `next_before`, sent as `before`, asks for the ones before them.
        """
        with database_of(request).transaction(Role.CLAIMS) as connection:
            rows = consulting.accesses_to(connection, consumer, before=before, limit=ACCESSES_LISTED_MAX)
        more = len(rows) == ACCESSES_LISTED_MAX
        return AccessesOut(accesses=[_access(row) for row in rows], next_before=str(rows[-1].access) if more else None)


def _finding(row: AnyRow) -> FindingOut:
    return FindingOut(
        seller_tin=row.tin,
        name=row.name,
        rule=row.rule,
        score=row.score,
        effect=row.effect,
        unit=row.unit,
        threshold=row.threshold,
        sample=row.sample,
        evidence=dict(row.evidence),
        reason_en=row.reason_en,
        reason_mn=row.reason_mn,
        receipts=row.receipts,
    )


def _receipt(row: AnyRow) -> ReceiptOut:
    kind = Kind.of_int(row.kind)
    assert kind is not None
    return ReceiptOut(
        id=str(ReceiptId(row.seller, row.branch, row.day, row.number, row.terminal)),
        issued_at=format_instant(row.issued_at),
        nature=kind.nature.name,
        business=kind.business,
        total_mongo=row.total_mongo,
        vat_mongo=row.vat_mongo,
        city_tax_mongo=row.city_tax_mongo,
        tax_month=str(Month.of(row.issued_at) if row.tax_month is None else month_of_ordinal(row.tax_month)),
        findings=sorted(row.findings or ()),
    )


def _access(row: AnyRow) -> AccessOut:
    return AccessOut(
        access=str(row.access),
        accessed_at=format_instant(row.accessed_at),
        what=row.what,
        seller_tin=row.tin,
        seller=row.name,
        month=str(month_of_ordinal(row.month)),
        purpose=row.purpose,
        case=row.case_number,
    )
