"""What the QR of a receipt says, against what the answer says. Barimt's own form: other tills print digits. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from pos_gateway.conformance.exchange import number_of, shown, text_of
from pos_gateway.conformance.scene import Scene, Wrong, payload_of
from receipts import qr
from receipts.receipt import lottery_number
from receipts.verification import NotGenuine, verify_text


def _qr_says_the_same(scene: Scene) -> Wrong | None:
    found = payload_of(scene.exchange)
    if found is None:
        return Wrong("an MB1 text", shown(scene.at("qrData")))
    payload = found[0]
    told = str(payload.id), payload.total_mongo, payload.vat_mongo
    total, vat = number_of(scene.at("totalAmount")), number_of(scene.at("totalVAT"))
    wanted = text_of(scene.at("id")), (total or 0) * 100, (vat or 0) * 100
    return None if told == wanted else Wrong(str([str(each) for each in wanted]), str(list(map(str, told))))


def _qr_marks(scene: Scene) -> Wrong | None:
    found = payload_of(scene.exchange)
    if found is None or found[0].kind is None:
        return Wrong("an MB1 text", shown(scene.at("qrData")))
    kind = found[0].kind
    return (
        None
        if kind.business and kind.by_till and not kind.lottery
        else Wrong("a till's receipt for a business", str(kind))
    )


def _qr_lottery(scene: Scene) -> Wrong | None:
    found = payload_of(scene.exchange)
    if found is None:
        return Wrong("an MB1 text", shown(scene.at("qrData")))
    wanted = str(lottery_number(qr.receipt_hash(found[1])))
    return None if scene.at("lottery") == wanted else Wrong(wanted, shown(scene.at("lottery")))


def _qr_chain(scene: Scene) -> Wrong | None:
    found, before = payload_of(scene.exchange), payload_of(scene.last) if scene.last else None
    if found is None or before is None:
        return Wrong("an MB1 text", shown(scene.at("qrData")))
    wanted = qr.receipt_hash(before[1])[:8]
    if found[0].chain == wanted and found[0].counter == before[0].counter + 1:
        return None
    return Wrong(
        f"link {before[0].counter + 1} on {wanted.hex()}", f"link {found[0].counter} on {found[0].chain.hex()}"
    )


def _qr_verifies(scene: Scene) -> Wrong | None:
    assert scene.keyring is not None
    try:
        verify_text(text_of(scene.at("qrData")), scene.keyring)
    except NotGenuine as failure:
        return Wrong("a genuine receipt", f"step {failure.step}: {failure.why}")
    return None


QR_CHECKS: Final[Mapping[str, Callable[[Scene], Wrong | None]]] = {
    "qr-says-the-same": _qr_says_the_same,
    "qr-marks": _qr_marks,
    "qr-lottery": _qr_lottery,
    "qr-chain": _qr_chain,
    "qr-verifies": _qr_verifies,
}
