"""What PosAPI's clients read when something is refused: `{"status": "ERROR", "message": "<Mongolian>. <English>"}`.

The message holds every fault, first in Mongolian and then in English, each with the field's place and what would have
been right. The stable codes stand beside it in `faults`, which the vendor's till does not have.
"""

import json
import re
from typing import Final, assert_never

from kernel.refusal import Fault, Malformed, Refusal, Unavailable
from runtime.messages import CATALOGUE, Language, placeholders, text

MNT_CODES: Final = {
    "city_tax_mismatch": "city_tax_mismatch_mnt",
    "lines_mismatch": "lines_mismatch_mnt",
    "payments_mismatch": "payments_mismatch_mnt",
    "vat_mismatch": "vat_mismatch_mnt",
}
"""Codes whose texts speak of möngö elsewhere."""
_EXPECTED: Final = {Language.MONGOLIAN: "Байх ёстой", Language.ENGLISH: "Expected"}
_WORDLESS: Final = re.compile(r"null|[^a-z]+")
"""What can be read in both languages: numbers, codes, months."""


def refused_body(error: Malformed | Refusal | Unavailable) -> bytes:
    """Answer the body of an answer that is not a success."""
    match error:
        case Malformed():
            faults = [_named(fault) for fault in error.faults]
            said = {language: [_said(fault, language) for fault in error.faults] for language in Language}
        case Refusal():
            faults = [{"code": error.code}]
            said = {language: [text(error.code, language, **error.values)] for language in Language}
        case Unavailable():
            code = str(error) if str(error) in CATALOGUE else "unavailable"
            faults = [{"code": code}]
            seconds = str(error.retry_after_s)
            said = {language: [text(code, language, retry_after_s=seconds)] for language in Language}
        case _:
            assert_never(error)
    message = " ".join([*said[Language.MONGOLIAN], *said[Language.ENGLISH]])
    answer = {"status": "ERROR", "message": message, "faults": faults}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def _named(fault: Fault) -> dict[str, str]:
    named = {"code": fault.code, "field": fault.path, "expected": fault.expected}
    return {name: value for name, value in named.items() if value}


def _said(fault: Fault, language: Language) -> str:
    code = MNT_CODES.get(fault.code, fault.code)
    said = text(code, language, **{"expected": fault.expected or "…", "path": fault.path, **dict(fault.values)})
    expected = fault.expected
    if expected and _WORDLESS.fullmatch(expected) and "expected" not in placeholders(CATALOGUE[code][language]):
        said = f"{said} {_EXPECTED[language]}: {expected}."
    return f"{fault.path}: {said}" if fault.path else said
