"""The consumer's phone: given a picture of a receipt and nothing else, it reads the QR and claims it.

`barimt scan IMAGE` is this code. It knows the address of the centre and its owner's token, as a phone does; everything
about the receipt comes out of the picture.
"""

from pathlib import Path
from typing import Any

import httpx2

from kernel.money import format_mnt
from mobile_stub.read_picture import read_picture

TIMEOUT_S = 30.0


class ClaimRefused(Exception):  # noqa: N818 - named by what happened
    """The centre did not credit the receipt; `problem` is its answer (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail", problem)))
        self.problem = problem


def claim_request(image: Path) -> dict[str, str]:
    """Answer the body of `POST /v1/claims` for a picture. Raises what reading the picture raises."""
    return {"qr": read_picture(image)}


def scan(image: Path, *, http: httpx2.Client, token: str, language: str = "mn") -> dict[str, Any]:
    """Claim the receipt in a picture and answer what the centre says. Raises `ClaimRefused`."""
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
    answer = http.post("/v1/claims", json=claim_request(image), headers=headers, timeout=TIMEOUT_S)
    body = answer.json()
    assert isinstance(body, dict)
    if answer.status_code != httpx2.codes.OK:
        raise ClaimRefused(body)
    return body


def sentence(claim: dict[str, Any], language: str) -> str:
    """Say a claim as a consumer reads it, in Mongolian (`mn`) or English (`en`)."""
    credit, total = format_mnt(claim["credit_mongo"]), format_mnt(claim["total_mongo"])
    seller, lottery, day = claim["seller"]["name"], claim["lottery"] or "-", claim["draw_date"] or "-"
    if language == "en":
        return f"{seller}: {total}. You get {credit} of VAT back. Lottery number {lottery}, drawn on {day}."
    return f"{seller}: {total}. НӨАТ-ын буцаан олголт {credit}. Сугалааны дугаар {lottery}, тохирол {day}."
