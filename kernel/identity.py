"""Who is who: TINs, seller numbers, terminal numbers, consumers' login numbers. One parser each.

A taxpayer's TIN has 11 digits (a company) or 12 to 14 (a person). A receipt id has room for 12, so a TIN of up to 12
digits is its own *seller number*, and a longer one is given a number with the reserved prefix 99; such a number is
refused as a TIN, so the two can never be mixed up.
"""

import re

from kernel.refusal import Fault, Malformed

SELLER_NUMBER_DIGITS = 12
TERMINAL_DIGITS = 8
TERMINAL_MAX = 10**TERMINAL_DIGITS - 1
RESERVED_FIRST = 99 * 10**10
"""The smallest seller number of the reserved prefix 99."""


def parse_tin(text: str, path: str = "/seller_tin") -> str:
    """Read a TIN: 11 to 14 digits, no sign, no spaces. Raises `Malformed` with `tin_form`."""
    if not re.fullmatch(r"[0-9]{11,14}", text) or (len(text) == SELLER_NUMBER_DIGITS and text.startswith("99")):
        raise Malformed(Fault("tin_form", path, "11 to 14 digits; a 12-digit one may not start with 99"))
    return text


def seller_number_of(tin: str) -> int | None:
    """Answer the seller number of a TIN of up to 12 digits; a longer one has the number that enrolment gave it."""
    return int(tin) if len(tin) <= SELLER_NUMBER_DIGITS else None


def parse_terminal(text: str, path: str = "/terminal") -> int:
    """Read a terminal number: exactly 8 digits. Raises `Malformed` with `terminal_form`."""
    if not re.fullmatch(r"[0-9]{8}", text):
        raise Malformed(Fault("terminal_form", path, "8 digits, as 10012619"))
    return int(text)


def format_terminal(terminal: int) -> str:
    """Write a terminal number with its leading zeros."""
    return f"{terminal:08d}"
