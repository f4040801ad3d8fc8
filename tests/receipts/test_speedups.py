"""What is compiled writes the same bytes as the Python that it stands for, and refuses what that refuses."""

import asyncio
import signal
import subprocess
import sys
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts import qr, speedups
from receipts.document import Document, encode_document
from receipts.ids import ReceiptId
from receipts.keys import Signer
from receipts.store.copying import binary_rows
from receipts.store.issuing import columns
from receipts.stored import StoredReceipt
from tests.changing import replace
from tests.receipts.examples import AMOUNTS, DOCUMENTS, GATEWAY, RECEIPT_IDS, SALE, TILL
from tests.receipts.test_copying import ROW, rows

pytestmark = pytest.mark.needs("speedups")
C = speedups.compiled
SIGNERS = [Signer(GATEWAY), Signer(TILL, by_till=True)]
U32 = st.integers(0, 2**32 - 1)
HASH = st.binary(min_size=32, max_size=32)


@st.composite
def to_sign(draw: st.DrawFn) -> tuple[list[bytes], list[int]]:
    """Links of several chains, mixed: each after one before it, or after one that was signed earlier."""
    packed = draw(st.lists(st.binary(min_size=60, max_size=60), max_size=12))
    return packed, [draw(st.integers(-1, at - 1)) for at in range(len(packed))]


class TestTwins:
    @given(DOCUMENTS)
    def test_write_the_same_document(self, document: Document) -> None:
        assert C.encode_document(document) == encode_document(document)

    @given(st.integers(-(2**47), 2**47 - 1) | st.sampled_from([sign * 2**bits + step for sign in (1, -1)
           for bits in (5, 8, 16, 32, 46) for step in (-1, 0, 1)]))  # fmt: skip
    def test_write_integers_of_every_length(self, amount: int) -> None:
        document = replace(SALE, parts=(replace(SALE.parts[0], vat_mongo=amount),))
        assert C.encode_document(document) == encode_document(document)

    @pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 70_000])
    def test_write_texts_of_every_length(self, length: int) -> None:
        document = replace(SALE, reference="ө" * length)
        assert C.encode_document(document) == encode_document(document)

    @pytest.mark.parametrize("parts", [0, 1, 23, 24, 300])
    def test_write_as_many_parts_as_there_are(self, parts: int) -> None:
        document = replace(SALE, parts=SALE.parts * parts)
        assert C.encode_document(document) == encode_document(document)

    @given(st.binary(min_size=144, max_size=144))
    def test_write_the_same_text(self, cose: bytes) -> None:
        assert C.encode_text(cose) == qr.encode_text(cose)

    @given(st.lists(rows(), max_size=3))
    def test_write_the_same_rows(self, given: list[StoredReceipt]) -> None:
        assert C.binary_rows(given) == binary_rows(given)

    @given(st.binary(max_size=64))
    def test_seal_the_same_under_any_key(self, key: bytes) -> None:
        fields = (ReceiptId(37900846788, 1, 6263, 7, 10012619), 1, 2, 3, 4, 5, bytes(32), 6)
        assert C.pack_link(*fields, key, bytes(32)) == qr.pack_link(*fields, key, bytes(32))

    @given(st.tuples(RECEIPT_IDS, U32, AMOUNTS, AMOUNTS, st.integers(0, 2**16 - 1), U32, HASH | st.just(b""),
                     st.integers(-(2**70), 2**70), HASH, HASH))  # fmt: skip
    def test_pack_the_same(self, fields: tuple[ReceiptId, int, int, int, int, int, bytes, int, bytes, bytes]) -> None:
        assert C.pack_link(*fields) == qr.pack_link(*fields)

    @given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"])))))
    def test_write_the_same_columns(self, rows: list[tuple[int, str]]) -> None:
        assert C.columns(rows, 2) == columns(rows, 2)

    @given(to_sign(), st.sampled_from(SIGNERS))
    def test_sign_the_same(self, links: tuple[list[bytes], list[int]], signer: Signer) -> None:
        assert C.sign_links(signer.secret, signer.kid, *links) == qr.sign_links(signer, *links)


class TestRefusals:
    @pytest.mark.parametrize(
        ("at", "value"),
        [
            (1, 2**32),
            (1, -1),
            (2, 2**47),
            (2, -(2**47) - 1),
            (3, 2**63),
            (4, 2**16),
            (5, 2**32),
            (8, bytes(65)),
            (9, b"short"),
        ],
    )
    def test_of_what_the_sixty_bytes_cannot_hold(self, at: int, value: object) -> None:
        fields: list[object] = [ReceiptId(1, 2, 3, 4, 5), 1, 2, 3, 4, 5, bytes(32), 6, bytes(32), bytes(32)]
        fields[at] = value
        with pytest.raises(OverflowError):
            C.pack_link(*fields)

    @pytest.mark.parametrize(
        ("secret", "kid", "packed", "after"),
        [
            (bytes(63), bytes(8), [bytes(60)], [-1]),
            (bytes(64), bytes(7), [bytes(60)], [-1]),
            (bytes(64), bytes(8), [bytes(59)], [-1]),
            (bytes(64), bytes(8), [bytes(60)], [0]),
            (bytes(64), bytes(8), [bytes(60), bytes(60)], [-1, 2]),
            (bytes(64), bytes(8), [bytes(60)], []),
        ],
    )
    def test_of_links_that_are_none(self, secret: bytes, kid: bytes, packed: list[bytes], after: list[int]) -> None:
        with pytest.raises(ValueError, match="bytes"):
            C.sign_links(secret, kid, packed, after)

    def test_of_values_of_other_types(self) -> None:
        with pytest.raises(TypeError):
            C.encode_document(replace(SALE, reference=7))
        with pytest.raises(TypeError):
            C.binary_rows([replace(ROW, cose="text")])
        with pytest.raises(TypeError):
            C.sign_links(bytes(64), bytes(8), ["text"], [-1])
        with pytest.raises(UnicodeEncodeError):
            C.encode_document(replace(SALE, reference="\ud800"))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"branch": 1_000},
            {"day": 100_000},
            {"number": 100_000},
            {"terminal": 10**8},
            {"seller": 10**13},
            {"day": -1},
        ],
    )
    def test_of_an_id_that_is_none(self, wrong: dict[str, int]) -> None:
        with pytest.raises(OverflowError):
            C.pack_link(replace(ReceiptId(1, 2, 3, 4, 5), **wrong), 1, 2, 3, 4, 5, bytes(32), 6, bytes(32), bytes(32))


class TestSigningBeside:
    async def test_signs_on_after_a_signal(self) -> None:
        beside, signer, links = C.SigningBeside(), SIGNERS[0], ([bytes(60)], [-1])
        thread = Thread(target=beside.run)
        before = signal.signal(signal.SIGUSR1, lambda *_: None)
        try:
            thread.start()
            for _ in range(20):
                assert thread.ident is not None
                signal.pthread_kill(thread.ident, signal.SIGUSR1)
                await asyncio.sleep(0.002)
            beside.begin(signer.secret, signer.kid, *links)
            assert await asyncio.to_thread(beside.finished) == qr.sign_links(signer, *links)
        finally:
            beside.close()
            thread.join(10)
            signal.signal(signal.SIGUSR1, before)

    async def test_signs_what_was_begun_in_its_order(self) -> None:
        beside, signer = C.SigningBeside(), SIGNERS[0]
        thread = Thread(target=beside.run)
        thread.start()
        chunks = [([bytes([at]) * 60] * (1 + at % 5), [-1, 0, 1, 2, 3][: 1 + at % 5]) for at in range(100)]
        for links in chunks:
            beside.begin(signer.secret, signer.kid, *links)
        assert [beside.finished() for _ in chunks] == [qr.sign_links(signer, *links) for links in chunks]
        beside.close()
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


@pytest.mark.parametrize(("given", "compiled"), [("off", "False"), ("on", "True")])
def test_are_left_out_where_they_are_not_wanted(given: str, compiled: str) -> None:
    script = "from receipts import speedups; print(speedups.compiled is not None)"
    told = subprocess.run(
        [sys.executable, "-c", script], env={"BARIMT_SPEEDUPS": given}, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == compiled
