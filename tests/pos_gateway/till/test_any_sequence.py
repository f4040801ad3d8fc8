"""After any sequence of sales, corrections, voids, uploads, restarts and moved clocks the chain is unbroken, and is
what was sold. Judged by the independent reader.
"""

import asyncio
import contextlib
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.refusal import Refusal
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.outcomes import Issued, Verdict, Waiting
from receipts import qr
from receipts.ids import ReceiptId
from receipts.receipt import Nature
from tests.independent import reader_v1
from tests.pos_gateway.till.tilling import TURNOVER_KEY, Activations, Hands, sale, sell

STEPS = st.one_of(
    st.tuples(
        st.sampled_from(["sale", "invoice", "pay", "correct", "void"]), st.integers(0, 30), st.integers(1, 10**6)
    ),
    st.tuples(st.just("settle"), st.integers(1, 4), st.just(0)),
    st.tuples(st.sampled_from(["reopen", "prune"]), st.just(0), st.just(0)),
    st.tuples(st.just("time"), st.sampled_from([1, 3600, 86_400, 70 * 86_400, -3600]), st.just(0)),
)


class Played:
    """A till on which the steps are played, beside what must come of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hands = Hands()
        self.activations = Activations()
        self.stack = ExitStack()
        self.sold: list[Issued] = []
        self.followed: set[str] = set()
        self.void: set[str] = set()
        self.lines: dict[int, Waiting] = {}
        self.turnovers: list[int] = [0]
        self.till = self.open()
        self.till.add_seat(self.activations.activated(days=20_000))

    def open(self) -> Installation:
        till = self.stack.enter_context(
            open_installation(self.folder / "till", self.hands.clock, elapsed_s=self.hands.elapsed_s)
        )
        assert till.faults == ()
        return till

    async def play(self, step: str, number: int, amount: int) -> None:
        till, seat = self.till, self.till.seats[0]
        if step == "reopen":
            self.stack.close()
            self.till = self.open()
        elif step == "time":
            self.hands.now += timedelta(seconds=number)
            self.hands.elapsed += max(number, 0)
        elif step == "prune":
            await self.look()
            await till.prune()
        elif step == "settle":
            lines = (await self.look())[:number]
            await till.settle(seat, [Verdict(line.seq, line.receipt_hash, 201) for line in lines])
        elif step in {"sale", "invoice"}:
            nature = Nature.SALE if step == "sale" else Nature.INVOICE
            self.note(await sell(till, seat, sale(amount, nature=nature)), amount)
        elif self.sold:
            await self.follow(step, self.sold[number % len(self.sold)], amount)

    async def follow(self, step: str, before: Issued, amount: int) -> None:
        till, seat, named = self.till, self.till.seats[0], str(before.id)
        here = till.find(before.id) is not None
        with contextlib.suppress(Refusal):
            if step == "pay":
                issued = await sell(till, seat, sale(amount, nature=Nature.PAYMENT, pays_invoice=before.id))
                assert not here or (before.nature is Nature.INVOICE and named not in self.void)
                self.note(issued, 0)
                return
            if step == "correct":
                submission = sale(amount, nature=Nature.CORRECTION, corrects=before.id)
                invoice = here and self.root(before).nature is Nature.INVOICE
                issued = await sell(till, seat, submission, invoice=invoice)
                self.note(issued, amount)
            else:
                issued = await till.void(before.id, reason="x")
                assert issued.total_mongo == -before.total_mongo
                self.note(issued, 0)
                self.void.add(named)
            assert not here or (named not in self.followed and before.nature is not Nature.VOID)
            self.followed.add(named)

    def root(self, issued: Issued) -> Issued:
        row = self.till._near.read(
            lambda connection: list(connection.execute("SELECT root_id FROM receipts WHERE seq = ?", (issued.seq,)))
        )
        found = None if row[0][0] is None else self.till.find(ReceiptId.parse(row[0][0]))
        return found or issued

    def note(self, issued: Issued, added: int) -> None:
        self.sold.append(issued)
        self.turnovers.append(self.turnovers[-1] + added)

    async def look(self) -> list[Waiting]:
        lines = await self.till.waiting(self.till.seats[0], lines_max=1000, bytes_max=10**9)
        self.lines |= {line.counter: line for line in lines}
        return lines

    def keys(self) -> reader_v1.Keys:
        return {
            key.kid: reader_v1.Key(
                public=key.public_key, role="till", not_before=key.first_second, not_after=key.last_second,
                revoked=False, scope=(key.seller or 0, key.terminal or 0),
            )
            for key in self.activations.keys
        }  # fmt: skip


def judge(played: Played) -> None:
    """Walk the whole chain with the independent reader."""
    keys, lines = played.keys(), [played.lines[counter] for counter in sorted(played.lines)]
    assert [line.counter for line in lines] == list(range(len(played.sold) + 1))
    for at, line in enumerate(lines):
        previous = lines[at - 1].qr if at else None
        fields = reader_v1.verify(line.qr, keys, document=line.document, previous=previous)
        named = ReceiptId.parse(fields["id"])
        assert qr.open_turnover(fields["turnover"], turnover_key=TURNOVER_KEY, id=named) == played.turnovers[at]
    ids = [number for issued in played.sold for number in (issued.id, *(part.id for part in issued.parts))]
    assert len(set(ids)) == len(ids)


class TestAnySequence:
    @settings(max_examples=15, deadline=None)
    @given(steps=st.lists(STEPS, min_size=1, max_size=25))
    def test_leaves_one_unbroken_chain(self, steps: list[tuple[str, int, int]]) -> None:
        async def run(played: Played) -> None:
            for step in steps:
                await played.play(*step)
            await played.look()
            assert played.till.check() == []

        with tempfile.TemporaryDirectory() as folder:
            played = Played(Path(folder))
            with played.stack:
                asyncio.run(run(played))
            judge(played)
