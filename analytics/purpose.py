"""Why somebody looks at what sellers reported. Without it nothing is shown."""

import re
from dataclasses import dataclass
from typing import Self

from kernel.canonical import canonical_text
from kernel.refusal import Fault, Malformed

OFFICER_MAX, PURPOSE_MAX, CASE_MAX = 255, 255, 64
_PLAIN = re.compile(r"[^\x00-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class Purpose:
    """Who looks, to what end, and in which case: the three that every access records."""

    officer: str
    purpose: str
    case: str

    @classmethod
    def parse(cls, *, officer: str, purpose: str, case: str) -> Self:
        """Read the three. Raises `Malformed` with all faults: `missing_field` where nothing is said, `too_long`, and
        `wrong_form` for control characters.
        """
        texts = {"purpose": (purpose, PURPOSE_MAX), "case": (case, CASE_MAX), "officer": (officer, OFFICER_MAX)}
        faults = [fault for name, (text, most) in texts.items() for fault in _faults(name, text, most)]
        if faults:
            raise Malformed(*faults)
        return cls(officer, canonical_text(purpose.strip()), canonical_text(case.strip()))


def _faults(name: str, text: str, most: int) -> list[Fault]:
    if not text.strip():
        return [Fault("missing_field", f"/{name}")]
    if len(canonical_text(text)) > most:
        return [Fault("too_long", f"/{name}", str(most))]
    if not _PLAIN.fullmatch(text):
        return [Fault("wrong_form", f"/{name}", "no control characters")]
    return []
