"""QR v1: every byte at its place, and a COSE_Sign1 to those who ask a library."""

import hashlib
import hmac
import json
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts import qr
from receipts.ids import ReceiptId
from receipts.receipt import Kind, Nature
from tests.changing import replace
from tests.receipts.examples import AMOUNTS, GATEWAY, PAYLOADS, RECEIPT_IDS, a_sale

PAYLOAD = qr.Payload(
    id=ReceiptId(37900846788, 1, 9533, 0, 10012619),
    issued_at=0x01020304,
    total_mongo=0x1112131415,
    vat_mongo=-2,
    kind_bits=0x0081,
    counter=0x21222324,
    chain=b"chain567",
    turnover_sealed=b"turnover",
    document=b"document",
)
KID, SIGNATURE = b"key id 8", bytes(range(64))
I64 = st.integers(-(2**63), 2**63 - 1)


class TestPack:
    def test_puts_each_field_at_its_place(self) -> None:
        packed = qr.pack(PAYLOAD)
        assert packed == (
            (37900846788001095330000010012619).to_bytes(14)
            + bytes.fromhex("01020304 001112131415 fffffffffffe 0081 21222324")
            + b"chain567turnoverdocument"
        )
        assert len(packed) == 60

    @given(PAYLOADS)
    def test_is_undone_by_unpack(self, payload: qr.Payload) -> None:
        assert qr.unpack(qr.pack(payload)) == payload

    @given(st.binary(min_size=60, max_size=60))
    def test_undoes_unpack_for_any_sixty_bytes(self, packed: bytes) -> None:
        assert qr.pack(qr.unpack(packed)) == packed

    @given(PAYLOADS, st.integers(0, 59), st.integers(1, 255))
    def test_says_something_else_when_any_byte_changes(self, payload: qr.Payload, at: int, change: int) -> None:
        packed = bytearray(qr.pack(payload))
        packed[at] ^= change
        assert qr.unpack(bytes(packed)) != payload

    @pytest.mark.parametrize("amount", [2**47 - 1, -(2**47)])
    def test_holds_amounts_of_48_bits(self, amount: int) -> None:
        assert qr.unpack(qr.pack(replace(PAYLOAD, total_mongo=amount, vat_mongo=amount))).total_mongo == amount

    @pytest.mark.parametrize("field", ["total_mongo", "vat_mongo"])
    @pytest.mark.parametrize("amount", [2**47, -(2**47) - 1])
    def test_refuses_amounts_beyond(self, field: str, amount: int) -> None:
        with pytest.raises(OverflowError):
            qr.pack(replace(PAYLOAD, **{field: amount}))

    @pytest.mark.parametrize("field", ["chain", "turnover_sealed", "document"])
    @pytest.mark.parametrize("octets", [b"", b"7 bytes", b"nine byte"])
    def test_never_cuts_or_fills_a_digest(self, field: str, octets: bytes) -> None:
        with pytest.raises(AssertionError):
            qr.pack(replace(PAYLOAD, **{field: octets}))


class TestPayload:
    def test_has_the_kind_of_its_bits(self) -> None:
        assert PAYLOAD.kind == Kind(Nature.INVOICE, lottery=True)

    def test_has_no_kind_for_reserved_bits(self) -> None:
        with pytest.raises(AssertionError):
            _ = replace(PAYLOAD, kind_bits=0x0100).kind


class TestCose:
    def test_is_144_bytes_that_a_library_reads_as_cose_sign1(self) -> None:
        cose = qr.assemble(KID, qr.pack(PAYLOAD), SIGNATURE)
        protected, unprotected, payload, signature = cbor2.loads(cose)
        assert len(cose) == qr.COSE_LENGTH == 144
        assert cbor2.loads(protected) == {1: -19, 4: KID}
        assert (unprotected, payload, signature) == ({}, qr.pack(PAYLOAD), SIGNATURE)

    def test_signs_what_rfc_9052_says(self, shared_data: Path) -> None:
        example = json.loads((shared_data / "crypto" / "cose" / "sign1-tests" / "sign-pass-01.json").read_text())
        plaintext = example["input"]["plaintext"].encode()
        assert sig_structure(b"", plaintext).hex().upper() == example["intermediates"]["ToBeSign_hex"]

    def test_signs_the_protected_header_and_the_payload(self) -> None:
        protected = cbor2.loads(qr.assemble(KID, qr.pack(PAYLOAD), SIGNATURE))[0]
        assert qr.to_sign(KID, qr.pack(PAYLOAD)) == sig_structure(protected, qr.pack(PAYLOAD))

    @given(st.binary(min_size=8, max_size=8), st.binary(min_size=60, max_size=60), st.binary(min_size=64, max_size=64))
    def test_is_taken_apart_into_what_it_was_put_together_of(self, kid: bytes, packed: bytes, signed: bytes) -> None:
        assert qr.take_apart(qr.assemble(kid, packed, signed)) == (kid, packed, signed)

    @given(st.integers(0, 143), st.integers(1, 255))
    def test_is_never_taken_for_the_same_when_a_byte_changes(self, at: int, change: int) -> None:
        pieces = KID, qr.pack(PAYLOAD), SIGNATURE
        cose = bytearray(qr.assemble(*pieces))
        cose[at] ^= change
        taken = qr.take_apart(bytes(cose))
        constant = at < 7 or 15 <= at < 18 or 78 <= at < 80
        assert taken is None if constant else taken not in {None, pieces}

    @pytest.mark.parametrize("length", [0, 1, 79, 80, 143, 145])
    def test_has_no_other_length(self, length: int) -> None:
        cose = qr.assemble(KID, qr.pack(PAYLOAD), SIGNATURE) + b"\0"
        assert qr.take_apart(cose[:length]) is None

    def test_is_named_by_its_hash(self) -> None:
        cose = qr.assemble(KID, qr.pack(PAYLOAD), SIGNATURE)
        assert qr.receipt_hash(cose) == hashlib.sha256(cose).digest()


class TestEncodeText:
    @given(st.binary(min_size=144, max_size=144))
    def test_is_220_alphanumeric_characters(self, cose: bytes) -> None:
        text = qr.encode_text(cose)
        assert len(text) == qr.TEXT_LENGTH == 220
        assert text.startswith("MB1:")
        assert set(text) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")

    def test_starts_alike_on_every_receipt(self) -> None:
        assert qr.encode_text(a_sale().cose).startswith("MB1:TWGSLKOE6")

    @pytest.mark.parametrize("length", [0, 143, 145])
    def test_is_never_asked_for_other_lengths(self, length: int) -> None:
        with pytest.raises(AssertionError):
            qr.encode_text(bytes(length))


class TestTurnover:
    @given(I64, st.binary(min_size=32, max_size=32), RECEIPT_IDS)
    def test_comes_out_of_its_seal(self, turnover: int, key: bytes, receipt_id: ReceiptId) -> None:
        sealed = qr.seal_turnover(turnover, turnover_key=key, id=receipt_id)
        assert qr.open_turnover(sealed, turnover_key=key, id=receipt_id) == turnover

    @given(I64, RECEIPT_IDS, st.integers(0, 7), st.integers(1, 255))
    def test_comes_out_otherwise_when_a_byte_changes(
        self, turnover: int, receipt_id: ReceiptId, at: int, change: int
    ) -> None:
        sealed = bytearray(qr.seal_turnover(turnover, turnover_key=KID, id=receipt_id))
        sealed[at] ^= change
        assert qr.open_turnover(bytes(sealed), turnover_key=KID, id=receipt_id) != turnover

    @given(AMOUNTS, RECEIPT_IDS, RECEIPT_IDS)
    def test_is_sealed_by_another_pad_on_another_receipt(self, turnover: int, one: ReceiptId, other: ReceiptId) -> None:
        seals = {qr.seal_turnover(turnover, turnover_key=KID, id=receipt_id) for receipt_id in (one, other)}
        assert len(seals) == len({one, other})

    def test_is_xored_with_the_start_of_an_hmac_over_the_id(self) -> None:
        pad = hmac.new(KID, PAYLOAD.id.to_int().to_bytes(14), "sha256").digest()[:8]
        expected = bytes(one ^ other for one, other in zip(pad, (-5).to_bytes(8, signed=True), strict=True))
        assert qr.seal_turnover(-5, turnover_key=KID, id=PAYLOAD.id) == expected


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """RFC 9052, section 4.4, by a library."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


class TestSignature:
    def test_is_ed25519_over_the_sig_structure(self) -> None:
        cose = a_sale().cose
        protected, _, payload, signature = cbor2.loads(cose)
        GATEWAY.public_key().verify(signature, sig_structure(protected, payload))
