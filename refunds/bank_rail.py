"""The way to the bank, in its first form: files that a person carries, or a bank that pays at once.

A rail sends orders and answers them later. Sending an order again must not pay it again: the order's number is the key.

| file                        | who writes it | a line of JSON                                                        |
|-----------------------------|---------------|-----------------------------------------------------------------------|
| `orders/00000042.jsonl`     | we            | `{"payout": 7, "bank_account": "MN12…", "amount_mongo": 12300}`       |
| `answers/*.jsonl`           | the bank      | `{"payout": 7, "state": "paid"}`, `{…, "state": "returned", "reason"}` |
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from kernel.refusal import Fault, Malformed
from refunds.payout import Answer, Order, Paid, Returned


class BankRail(Protocol):
    """Whoever takes orders and answers them."""

    def send(self, orders: Sequence[Order]) -> None:
        """Hand orders over; those sent before are passed over."""
        ...

    def answers(self) -> list[Answer]:
        """Answer everything that the bank has said so far; much of it may be known already."""
        ...


@dataclass(slots=True)
class LoopbackRail:
    """A bank on paper that pays every order at once; the demo's."""

    _sent: dict[int, Order] = field(default_factory=dict)

    def send(self, orders: Sequence[Order]) -> None:
        """Take orders."""
        self._sent |= {order.payout: order for order in orders}

    def answers(self) -> list[Answer]:
        """Say that all are paid."""
        return [Paid(payout) for payout in self._sent]


class _AnswerLine(msgspec.Struct, forbid_unknown_fields=True):
    payout: int
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileRail:
    """Orders and answers as files in a folder."""

    folder: Path

    def send(self, orders: Sequence[Order]) -> None:
        """Write the orders that no file holds yet into a new file, whole or not at all."""
        written = self._folder("orders")
        files = sorted(written.glob("*.jsonl"))
        known = {json.loads(line)["payout"] for file in files for line in _lines(file)}
        fresh = [order for order in orders if order.payout not in known]
        if fresh:
            number = int(files[-1].stem) + 1 if files else 1
            _write_whole(written / f"{number:08d}.jsonl", (json.dumps(asdict(order)) for order in fresh))

    def answers(self) -> list[Answer]:
        """Read every answer file. Raises `Malformed` with `bank_answer_form`, naming the file and the line."""
        return [
            _answer_of(line, f"/{file.name}/{at}")
            for file in sorted(self._folder("answers").glob("*.jsonl"))
            for at, line in enumerate(_lines(file), 1)
        ]

    def _folder(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path


def _answer_of(line: str, path: str) -> Answer:
    try:
        answer = msgspec.json.decode(line, type=_AnswerLine)
    except msgspec.MsgspecError:
        answer = None
    match answer:
        case _AnswerLine(state="paid"):
            return Paid(answer.payout)
        case _AnswerLine(state="returned"):
            return Returned(answer.payout, answer.reason)
        case _:
            raise Malformed(Fault("bank_answer_form", path, '{"payout": 7, "state": "paid"} or "returned"'))


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _write_whole(path: Path, lines: Iterable[str]) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
