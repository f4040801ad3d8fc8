"""Properties of an answer that need more than a look at one place of it: what is wrong with it, or nothing. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from kernel.clock import business_date, date_of_day
from kernel.identity import seller_number_of
from pos_gateway.conformance.exchange import nothing, number_of, shown, text_of, value_at
from pos_gateway.conformance.qr_checks import QR_CHECKS
from pos_gateway.conformance.scene import Scene, Wrong, id_of, no_id, parsed_id
from receipts.ids import NUMBERS_A_DAY

NOT_FOUND: Final = 404
REPORT_MONTH_DAY_MAX: Final = 7


def _id_layout(scene: Scene) -> Wrong | None:
    found = scene.id
    if found is None:
        return no_id(scene)
    seller, terminal = seller_number_of(scene.subject.tin), int(scene.subject.pos_no)
    if found.terminal != terminal or (seller is not None and found.seller != seller):
        return Wrong(f"{seller or 0:012d}…{terminal:08d}", str(found))
    return None


def _id_day(scene: Scene) -> Wrong | None:
    found, date = scene.id, text_of(scene.at("date"))
    if found is None:
        return no_id(scene)
    told = date_of_day(found.day).isoformat()
    return None if date.startswith(told) else Wrong(f"the day of date, {date[:10]}", f"{told} in {found}")


def _id_branch(scene: Scene) -> Wrong | None:
    found, branch = scene.id, text_of(value_at(scene.exchange.sent, "branchNo"))
    if found is None:
        return no_id(scene)
    return None if found.branch == int(branch) else Wrong(f"branch {branch}", f"{found.branch:03d} in {found}")


def _sub_ids(scene: Scene) -> Wrong | None:
    for at, receipt in enumerate(scene.receipts):
        found, tin = parsed_id(value_at(receipt, "id")), text_of(value_at(receipt, "merchantTin"))
        seller = seller_number_of(tin) if tin.isdigit() else None
        if found is None or (seller is not None and found.seller != seller):
            return Wrong(f"receipts[{at}].id beginning with {seller or 0:012d}", shown(value_at(receipt, "id")))
    return None if scene.receipts else Wrong("sub-receipts", shown(scene.at("receipts")))


def _numbers_follow(scene: Scene) -> Wrong | None:
    found = scene.id
    if found is None:
        return no_id(scene)
    numbers = [sub.number for sub in map(parsed_id, (value_at(each, "id") for each in scene.receipts)) if sub]
    wanted = [found.number + at for at in range(1, len(scene.receipts) + 1)]
    return None if numbers == wanted else Wrong(f"numbers {wanted} after {found.number}", str(numbers))


def _counts_up(scene: Scene) -> Wrong | None:
    found, before = scene.id, id_of(scene.last) if scene.last else None
    if found is None or before is None:
        return no_id(scene)
    if (found.day, found.number) > (before.day, before.number):
        return None
    return Wrong(f"a number above {before.number}", str(found.number))


def _next_number(scene: Scene) -> Wrong | None:
    """The next number after the case's last receipt; after one that was lost, the second next is it, too."""
    found, last = scene.id, scene.last
    before = id_of(last) if last else None
    if found is None or before is None or last is None:
        return no_id(scene)
    if found.day != before.day:
        return None  # midnight passed between the two
    wanted = before.number + 1 + len(value_at(last.answer, "receipts") or [])
    return None if found.number == wanted else Wrong(f"number {wanted % NUMBERS_A_DAY}", str(found.number))


def _no_new_lottery(scene: Scene) -> Wrong | None:
    root = next(iter(scene.before.values()))
    given, first = scene.at("lottery"), value_at(root.answer, "lottery")
    if nothing(given) or text_of(given) == text_of(first):
        return None
    return Wrong(f"none, or {text_of(first)} as before", text_of(given))


def _report_month_last(scene: Scene) -> Wrong | None:
    day = business_date(scene.now).day
    due = day <= REPORT_MONTH_DAY_MAX
    if scene.exchange.issued is due:
        return None
    return Wrong("a receipt on days 1 to 7" if due else f"a refusal on day {day}", scene.exchange.came)


def _merchants(scene: Scene) -> Wrong | None:
    listed = scene.at("merchants")
    for at, merchant in enumerate(listed if isinstance(listed, list) else []):
        if not isinstance(value_at(merchant, "customers"), list):
            return Wrong(f"a list at merchants[{at}].customers", shown(value_at(merchant, "customers")))
        for place in (merchant, *value_at(merchant, "customers")):
            if not re.fullmatch("[0-9]{11,14}", text_of(value_at(place, "tin"))) or not value_at(place, "name"):
                return Wrong("tin and name of each merchant and customer", shown(place))
    return None if listed else Wrong("at least one merchant", shown(listed))


_ACCOUNT: Final = ("id", "tin", "bankAccountNo", "bankAccountName", "bankId", "bankName", "iBan")


def _bank_accounts(scene: Scene) -> Wrong | None:
    for account in scene.exchange.answer if isinstance(scene.exchange.answer, list) else []:
        missing = [name for name in _ACCOUNT if not isinstance(account, dict) or name not in account]
        if missing or number_of(account["id"]) is None:
            return Wrong(f"{', '.join(_ACCOUNT)} of each account", shown(account))
    return None


def _not_found(scene: Scene) -> Wrong | None:
    return None if scene.exchange.status == NOT_FOUND else Wrong("404", scene.exchange.came)


def _cors_answer(scene: Scene) -> Wrong | None:
    allowed = scene.exchange.headers.get("access-control-allow-origin")
    if allowed in ("*", scene.exchange.step.headers["Origin"]):
        return None
    return Wrong("Access-Control-Allow-Origin: * or the page's origin", shown(allowed))


def _cors_preflight(scene: Scene) -> Wrong | None:
    headers = scene.exchange.headers
    methods = headers.get("access-control-allow-methods", "").upper()
    allowed = headers.get("access-control-allow-headers", "").lower()
    if ("POST" in methods or methods == "*") and ("content-type" in allowed or allowed == "*"):
        return _cors_answer(scene)
    return Wrong("POST and content-type allowed", f"methods {methods!r}, headers {allowed!r}")


def _names_three(scene: Scene) -> Wrong | None:
    missing = [name for name in ("branchNo", "taxType", "name") if name not in scene.exchange.message]
    if scene.exchange.issued or missing:
        return Wrong("a refusal that names branchNo, taxType and name", scene.exchange.came)
    return None


CHECKS: Final[Mapping[str, Callable[[Scene], Wrong | None]]] = {
    "id-layout": _id_layout,
    "id-day": _id_day,
    "id-branch": _id_branch,
    "sub-ids": _sub_ids,
    "numbers-follow": _numbers_follow,
    "counts-up": _counts_up,
    "next-number": _next_number,
    "no-new-lottery": _no_new_lottery,
    "report-month-last": _report_month_last,
    "merchants": _merchants,
    "bank-accounts": _bank_accounts,
    "not-found": _not_found,
    "cors-answer": _cors_answer,
    "cors-preflight": _cors_preflight,
    "names-three": _names_three,
    **QR_CHECKS,
}
JUDGES_STATUS: Final = frozenset({"report-month-last", "not-found", "names-three"})
"""Checks that say themselves whether a success or a refusal was due."""
