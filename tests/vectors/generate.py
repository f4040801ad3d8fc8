"""Writes the vectors anew: `python -m tests.vectors.generate`. Same code, same bytes; a test compares."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.vectors.actors import key_vectors
from tests.vectors.receipts import chain_vectors, receipt_vectors
from tests.vectors.refused import refused_vectors
from tests.vectors.values import (
    base45_vectors,
    document_vectors,
    id_vectors,
    lottery_vectors,
    tax_vectors,
    turnover_vectors,
)

FOLDER: Final = Path(__file__).parent
FILES: Final[dict[str, Callable[[], Any]]] = {
    "ids.json": id_vectors,
    "base45.json": base45_vectors,
    "taxes.json": tax_vectors,
    "documents.json": document_vectors,
    "turnovers.json": turnover_vectors,
    "lottery.json": lottery_vectors,
    "keys.json": key_vectors,
    "receipts.json": receipt_vectors,
    "chains.json": chain_vectors,
    "refused.json": refused_vectors,
}


def content(name: str) -> bytes:
    """Answer the content of a vector file."""
    return (json.dumps(FILES[name](), ensure_ascii=False, indent=1) + "\n").encode()


def main() -> None:
    """Write every file."""
    for name in FILES:
        (FOLDER / name).write_bytes(content(name))


if __name__ == "__main__":
    main()
