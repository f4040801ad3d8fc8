"""The original bytes of a request without what is personal: who the customer is, and everything of a payment card.

Each such value becomes null; every other byte stays as it was sent. Gone are, wherever they stand and however they are
spelled: the consumer's number, a buyer's TIN of 12 to 14 digits (a person's; a company's has 11), a card's number,
reference, terminal and bank, and the whole `data` of a payment.
"""

import json
import re
from typing import Final

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)
_COLON: Final = re.compile(r"\s*:\s*")
_NULL: Final = "null"
_CONSUMERS: Final = frozenset({"consumerno", "customerno"})
_OF_A_CARD: Final = frozenset({"maskedcardnumber", "rrn", "terminalid", "bankcode"})
_BUYER: Final = "customertin"
_PERSONS_TIN: Final = re.compile(r"\s*[0-9]{12,14}\s*", re.ASCII)
_decode = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


def original_without_personal_data(body: bytes) -> bytes:
    """Answer a body with its personal values replaced by null. The body must have been read before: JSON in UTF-8."""
    whole = body.decode("utf-8")
    kept: list[str] = []
    copied = position = 0
    around: list[str] = []
    name = ""
    while (token := _TOKEN.search(whole, position)) is not None:
        position = token.end()
        mark = token[0]
        if mark in "[{":
            around.append(name)
            name = ""
        elif mark in "]}":
            around.pop()
        elif mark == ",":
            name = ""
        elif (colon := _COLON.match(whole, position)) is not None:
            name = json.loads(mark).lower()
            start = position = colon.end()
            end = _personal_until(whole, start, name, of_payment="payments" in around)
            if end is not None:
                kept += [whole[copied:start], _NULL]
                copied = position = end
    return "".join([*kept, whole[copied:]]).encode()


def _personal_until(whole: str, start: int, name: str, *, of_payment: bool) -> int | None:
    """Answer where a value ends that nobody may keep; None where it may be kept."""
    card = name in _OF_A_CARD or (of_payment and name == "data")
    if not (card or name in _CONSUMERS or name == _BUYER):
        return None
    value, end = _decode(whole, start)
    return None if name == _BUYER and not _PERSONS_TIN.fullmatch(str(value)) else end
