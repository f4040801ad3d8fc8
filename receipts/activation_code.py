"""The code with which a till is activated once: 80 random bits in Crockford's base 32, four groups of four.

Sixteen letters and digits without I, L, O and U; who copies one by hand may write small letters, leave out the hyphens,
and take `O` for `0` or `I` and `L` for `1`. The centre keeps only its SHA-256: 80 bits cannot be tried out.
"""

import re
from datetime import timedelta
from typing import Final

from kernel.refusal import Fault, Malformed

CODE_BYTES: Final = 10
"""Random bytes behind a code: what nobody guesses, at a thousand attempts a second, in 19 million million years."""
GOOD_FOR: Final = timedelta(days=7)
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS: Final = 16
_FORM: Final = re.compile(rf"[{_ALPHABET}]{{{_LETTERS}}}")
_ALIKE: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None, "\u2013": None, "\u00a0": None})


def code_of(octets: bytes) -> str:
    """Write ten random bytes as a code, in the one spelling that is hashed: sixteen letters without hyphens."""
    assert len(octets) == CODE_BYTES
    number = int.from_bytes(octets)
    return "".join(_ALPHABET[number >> 5 * at & 31] for at in reversed(range(_LETTERS)))


def parse_code(text: str, path: str = "/code") -> str:
    """Read a code as people copy it, and answer its one spelling. Raises `Malformed` with `activation_code_form`."""
    code = text.strip().upper().translate(_ALIKE)
    if not _FORM.fullmatch(code):
        raise Malformed(Fault("activation_code_form", path, "16 letters and digits, as 7K2M-9QXA-04TB-W5ZE"))
    return code


def format_code(code: str) -> str:
    """Write a code for people: four groups of four."""
    return "-".join(code[at : at + 4] for at in range(0, _LETTERS, 4))
