"""Look-ups that only the centre can answer, remembered for when there is no network: taxpayers, and bank accounts."""

from typing import Any, Final

import msgspec

from kernel.refusal import Refusal
from pos_gateway.till.ask_centre import AskCentre, CentreAway, CentreFailure, CentreRefused
from pos_gateway.till.installation import Installation
from pos_gateway.till.merchants import remembered_as
from pos_gateway.till.seat import Seat

LOOKED_UP_S: Final = 3.0
"""How long the centre is asked before the memory is: POS software waits meanwhile."""
TAXPAYER_PATH: Final = "/api/info/check/getInfo"
TIN_PATH: Final = "/api/info/check/getTinInfo"
_FOUND: Final = "Амжилттай"
_write: Final = msgspec.json.Encoder().encode


class NeverLookedUp(Refusal):
    """The centre is out of reach, and the question was never answered before."""

    code = "never_looked_up"


async def look_up_taxpayer(installation: Installation, centre: AskCentre | None, tin: str) -> bytes:
    """Answer getInfo of a TIN, in PosAPI's envelope. Raises `NeverLookedUp`."""
    name = remembered_as(tin)
    if centre is not None:
        try:
            body = await centre.look_up(TAXPAYER_PATH, {"tin": tin}, within_s=LOOKED_UP_S)
            taxpayer = _content(body)
        except CentreFailure:
            pass
        else:
            if taxpayer is not None:
                await _keep(installation, name, _write(taxpayer))
            return body
    return _enveloped(_remembered(installation, name))


async def look_up_tin(installation: Installation, centre: AskCentre | None, reg_no: str) -> bytes:
    """Answer getTinInfo of a register number, in PosAPI's envelope. Raises `NeverLookedUp`, and `CentreRefused` for a
    number that nobody has.
    """
    name = f"tin-of/{reg_no}"
    if centre is not None:
        try:
            body = await centre.look_up(TIN_PATH, {"regNo": reg_no}, within_s=LOOKED_UP_S)
            await _keep(installation, name, _write(_content(body)))
        except CentreRefused:
            raise
        except CentreFailure:
            pass
        else:
            return body
    return _enveloped(_remembered(installation, name))


async def look_up_accounts(installation: Installation, centre: AskCentre | None, tin: str) -> bytes:
    """Answer a seller's bank accounts as PosAPI gives them. Raises `NeverLookedUp`."""
    seats = [seat for seat in installation.seats if seat.closed_at is None]
    seat = next((one for one in seats if one.tin == tin), seats[0] if seats else None)
    if centre is not None and seat is not None:
        try:
            body = _write(await centre.bank_accounts(seat, tin, within_s=LOOKED_UP_S))
        except CentreFailure:
            pass
        else:
            await _keep(installation, accounts_name(tin), body)
            return body
    return _remembered(installation, accounts_name(tin))


async def refresh_sellers(installation: Installation, centre: AskCentre) -> None:
    """Ask what the centre says of every open seat's seller now: name, taxes, bank accounts. What does not answer is
    asked another time.
    """
    for seat in [one for one in installation.seats if one.closed_at is None]:
        try:
            taxpayer = _content(await look_up_taxpayer(installation, centre, seat.tin))
            await look_up_accounts(installation, centre, seat.tin)
        except NeverLookedUp:
            return
        if isinstance(taxpayer, dict):
            await _follow(installation, seat, taxpayer)


def account_ids(installation: Installation, tin: str) -> dict[str, int]:
    """Answer the ids of a seller's bank accounts by their number, as they were asked for last."""
    kept = installation.remembered(accounts_name(tin))
    accounts = [] if kept is None else msgspec.json.decode(kept.body)
    return {str(account.get("bankAccountNo")): int(account.get("id", 0)) for account in accounts}


def accounts_name(tin: str) -> str:
    """Answer the name under which a seller's bank accounts are remembered."""
    return f"bank-accounts/{tin}"


async def _follow(installation: Installation, seat: Seat, taxpayer: dict[str, Any]) -> None:
    said = {
        "name": str(taxpayer.get("name") or seat.name),
        "vat_payer": bool(taxpayer.get("vatPayer", seat.vat_payer)),
        "city_tax_payer": bool(taxpayer.get("cityPayer", seat.city_tax_payer)),
    }
    if any(getattr(seat, name) != value for name, value in said.items()):
        await installation.update_seat(seat, **said)


async def _keep(installation: Installation, name: str, body: bytes) -> None:
    """Remember an answer, where it is not remembered already: a look-up is not worth a commit."""
    kept = installation.remembered(name)
    if kept is None or kept.body != body:
        await installation.remember(name, body)


def _remembered(installation: Installation, name: str) -> bytes:
    kept = installation.remembered(name)
    if kept is None:
        raise NeverLookedUp
    return kept.body


def _content(body: bytes) -> Any:
    """Answer what the envelope holds. Raises `CentreAway` where it is none."""
    try:
        found = msgspec.json.decode(body)
        return found["data"]
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise CentreAway("centre_strange", "a look-up without an envelope") from error


def _enveloped(content: bytes) -> bytes:
    return _write({"msg": _FOUND, "status": 200, "data": msgspec.Raw(content)})
