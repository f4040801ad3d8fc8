"""Which receipts carry VAT and a lottery number: the manual's two tables (PosAPI 3.0.1, 6)."""

from typing import Any

import pytest

from tests.pos_gateway.posapi.bodies import BUYER, LESSEE, SHOP, plain, read

CODES = {"VAT_FREE": "320", "VAT_ZERO": "501"}
MATRIX = [
    # buyer, tax type, lottery and VAT of a VAT payer, lottery and VAT of another seller
    ("B2C", "VAT_ABLE", (True, True), (True, False)),
    ("B2C", "VAT_FREE", (True, False), (True, False)),
    ("B2C", "VAT_ZERO", (True, False), (True, False)),
    ("B2C", "NO_VAT", (False, False), (False, False)),
    ("B2B", "VAT_ABLE", (False, True), (False, False)),
    ("B2B", "VAT_FREE", (False, False), (False, False)),
    ("B2B", "VAT_ZERO", (False, False), (False, False)),
    ("B2B", "NO_VAT", (False, False), (False, False)),
]


def sold(tin: str, buyer: str, tax_type: str, **header: Any) -> tuple[bool, bool]:
    body = plain(1100, tax_type=tax_type, type=f"{buyer}_RECEIPT", merchantTin=tin, customerTin=BUYER, **header)
    body["receipts"][0]["items"][0]["taxProductCode"] = CODES.get(tax_type)
    priced = read(body).priced
    return priced.lottery, priced.vat_mongo > 0


@pytest.mark.parametrize(("buyer", "tax_type", "payer", "other"), MATRIX)
def test_lottery_and_vat(buyer: str, tax_type: str, payer: tuple[bool, bool], other: tuple[bool, bool]) -> None:
    assert sold(SHOP, buyer, tax_type) == payer
    assert sold(LESSEE, buyer, tax_type) == other


@pytest.mark.parametrize("kind", ["B2C_INVOICE", "B2B_INVOICE"])
def test_an_invoice_has_no_lottery_number_and_its_payment_has(kind: str) -> None:
    body = plain(1100, type=kind, customerTin=BUYER)
    assert not read(body).priced.lottery
    paid = body | {"type": kind.replace("INVOICE", "RECEIPT"), "invoiceId": "037900846788001095330000010012619"}
    assert read(paid).priced.lottery is kind.startswith("B2C")
