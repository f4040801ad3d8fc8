"""What people read when something is refused: one catalogue, each code in Mongolian and in English.

The texts stand in `messages.json`, one line a code: `"code": {"mn": "...", "en": "..."}`. A text may hold the
placeholders `{expected}` and `{path}` of a fault and any of its `values`, or the keywords of a refusal. Both languages
hold the same placeholders. `tests/runtime/test_messages.py` walks the source and finds a code without its line.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from kernel.refusal import Fault

ACCEPT_LANGUAGE_MAX = 256
"""Characters of an Accept-Language header that are read; browsers send fewer than 100."""


class Language(StrEnum):
    """A language in which every text exists."""

    MONGOLIAN = "mn"
    ENGLISH = "en"


CATALOGUE: Final[Mapping[str, Mapping[Language, str]]] = {
    code: {language: texts[language] for language in Language}
    for code, texts in json.loads(Path(__file__).with_name("messages.json").read_text(encoding="utf-8")).items()
}
"""Code -> language -> text with placeholders."""

_RANGE = re.compile(
    r"\s*(\*|[A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,64})?\s*(?:;\s*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def text(code: str, language: Language, **values: str) -> str:
    """Answer the catalogue's text of a code. A placeholder without its value is written as an ellipsis, because an
    answer that lacks one word is better than none.
    """
    return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], "…")), CATALOGUE[code][language])


def fault_text(fault: Fault, language: Language) -> str:
    """Answer the text of a fault, with its expectation, its path and its own values filled in."""
    return text(fault.code, language, **{"expected": fault.expected or "…", "path": fault.path, **dict(fault.values)})


def placeholders(template: str) -> frozenset[str]:
    """Answer the names of the placeholders of a text."""
    return frozenset(_PLACEHOLDER.findall(template))


def language_of(accept_language: str | None) -> Language:
    """Choose the language of an answer from an Accept-Language header (RFC 9110 12.5.4).

    The highest quality wins, the first among equals; what is not understood is passed over; Mongolian when nothing
    that we speak is asked for.
    """
    if not accept_language:
        return Language.MONGOLIAN
    qualities = _qualities(accept_language[:ACCEPT_LANGUAGE_MAX])
    others = qualities.pop("*", 0.0)
    wanted = {tag: quality for tag, quality in qualities.items() if tag in set(Language)}
    for language in Language:
        wanted.setdefault(language, others)
    best = max(wanted, key=wanted.__getitem__)
    return Language(best) if wanted[best] > 0 else Language.MONGOLIAN


def _qualities(header: str) -> dict[str, float]:
    """Read primary language tag -> quality, in the header's order; of a tag said twice the better one counts."""
    qualities: dict[str, float] = {}
    for part in header.split(","):
        found = _RANGE.fullmatch(part)
        if found:
            tag, quality = found[1].lower(), float(found[2] or 1)
            qualities[tag] = max(quality, qualities.get(tag, 0.0))
    return qualities
