"""The numbered list: one failing case a step, and one a word of `why`."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import sha256
from receipts import qr
from receipts.chain import ChainKey, advance
from receipts.keys import Key, KeyRole, Signer, keyring_of
from receipts.receipt import Kind, Nature
from receipts.verification import (
    SELLER_NUMBER_MAX,
    STEPS,
    AskTheCentre,
    NotGenuine,
    verify_cose,
    verify_document,
    verify_receipt,
    verify_successor,
    verify_text,
)
from tests.changing import replace
from tests.receipts.examples import (
    BY_GATEWAY,
    BY_TILL,
    GATEWAY,
    GATEWAY_KEY,
    NOON,
    ROOT,
    ROOT_KEY,
    SALE,
    STRANGER,
    TILL,
    TILL_KEY,
    TURNOVER_KEY,
    a_sale,
    draft,
    head,
    key_of,
)

KEYRING = keyring_of([ROOT_KEY, GATEWAY_KEY, TILL_KEY])
LINK = a_sale()
TEXT = qr.encode_text(LINK.cose)
PAYLOAD = qr.unpack(LINK.cose[18:78])
BY_TILL_LINK = a_sale(BY_TILL)
SECOND = timedelta(seconds=1)


def signed(payload: qr.Payload, by: Ed25519PrivateKey = GATEWAY) -> bytes:
    """Any payload whatever with a good signature."""
    packed, kid = qr.pack(payload), Signer(by).kid
    return qr.assemble(kid, packed, by.sign(qr.to_sign(kid, packed)))


def refusal(cose: bytes, *keys: Key) -> tuple[int, str]:
    with pytest.raises(NotGenuine) as caught:
        verify_cose(cose, keyring_of(keys) if keys else KEYRING)
    return caught.value.step, caught.value.why


def text_refusal(text: str) -> tuple[int, str]:
    with pytest.raises(NotGenuine) as caught:
        verify_text(text, KEYRING)
    return caught.value.step, caught.value.why


class TestNotGenuine:
    def test_says_the_step_in_words(self) -> None:
        refused = NotGenuine(5, "signature")
        assert refused.values == {"step": "5", "reason": "signature"}
        assert refused.code == "forged"

    def test_has_words_for_every_step(self) -> None:
        assert list(STEPS) == list(range(1, 9))


class TestVerifyText:
    def test_accepts_a_genuine_receipt(self) -> None:
        verified = verify_text(TEXT, KEYRING)
        assert verified.payload == PAYLOAD
        assert verified.kind == LINK.kind
        assert verified.key == GATEWAY_KEY
        assert verified.cose == LINK.cose
        assert verified.receipt_hash == LINK.receipt_hash

    def test_accepts_a_receipt_that_a_till_signed(self) -> None:
        assert verify_text(qr.encode_text(BY_TILL_LINK.cose), KEYRING).key == TILL_KEY

    @pytest.mark.parametrize("text", [TEXT[:-1], TEXT + "0", TEXT + "\n", "MB1:"])
    def test_1_refuses_another_length(self, text: str) -> None:
        assert text_refusal(text) == (1, "length")

    @pytest.mark.parametrize(
        "text", ["", " " + TEXT, "MB2:" + TEXT[4:], TEXT.lower(), "mb1:" + TEXT[4:], "МB1:" + TEXT[4:]]
    )
    def test_1_refuses_another_prefix(self, text: str) -> None:
        assert text_refusal(text) == (1, "prefix")

    @pytest.mark.parametrize("text", [TEXT[:-3] + ":::", TEXT[:-1] + "a", TEXT[:-1] + "٣", "MB1:" + TEXT[4:].lower()])
    def test_2_refuses_what_is_not_base45(self, text: str) -> None:
        assert text_refusal(text) == (2, "base45")

    @given(st.integers(0, 219), st.characters())
    def test_refuses_every_edit(self, at: int, character: str) -> None:
        edited = TEXT[:at] + character + TEXT[at + 1 :]
        if edited != TEXT:
            assert text_refusal(edited)[0] <= 5


class TestVerifyCose:
    @given(st.integers(0, 143), st.integers(1, 255))
    def test_refuses_a_change_of_any_byte(self, at: int, change: int) -> None:
        cose = bytearray(LINK.cose)
        cose[at] ^= change
        step, _ = refusal(bytes(cose))
        assert step == (3 if at < 7 or 15 <= at < 18 or 78 <= at < 80 else 4 if at < 15 else step)
        assert step in {3, 4, 5}

    @pytest.mark.parametrize("cose", [b"", LINK.cose[:-1], LINK.cose + b"\0", b"\xd2" + LINK.cose])
    def test_3_refuses_another_length(self, cose: bytes) -> None:
        assert refusal(cose) == (3, "constants")

    def test_4_refuses_an_unknown_key(self) -> None:
        assert refusal(LINK.cose, TILL_KEY) == (4, "unknown")

    def test_4_refuses_a_root_key_at_work(self) -> None:
        assert refusal(signed(PAYLOAD, ROOT)) == (4, "unknown")

    @pytest.mark.parametrize("scope", [{"seller": 37900846789}, {"terminal": 10012618}])
    def test_4_refuses_a_till_key_outside_its_scope(self, scope: dict[str, int]) -> None:
        assert refusal(BY_TILL_LINK.cose, key_of(TILL, KeyRole.TILL, **scope)) == (4, "scope")

    @pytest.mark.parametrize("time", [{"not_before": NOON + SECOND}, {"not_after": NOON - SECOND}])
    def test_4_refuses_a_key_outside_its_time(self, time: dict[str, object]) -> None:
        assert refusal(LINK.cose, key_of(GATEWAY, KeyRole.GATEWAY, **time)) == (4, "time")

    @pytest.mark.parametrize("time", [{"not_before": NOON}, {"not_after": NOON}])
    def test_accepts_a_key_in_its_first_and_its_last_second(self, time: dict[str, object]) -> None:
        assert verify_cose(LINK.cose, keyring_of([key_of(GATEWAY, KeyRole.GATEWAY, **time)]))

    def test_5_refuses_the_signature_of_another_key(self) -> None:
        packed = LINK.cose[18:78]
        forged = qr.assemble(GATEWAY_KEY.kid, packed, STRANGER.sign(qr.to_sign(GATEWAY_KEY.kid, packed)))
        assert refusal(forged) == (5, "signature")

    def test_5_refuses_a_signature_under_another_kid(self) -> None:
        packed = BY_TILL_LINK.cose[18:78]
        signature = TILL.sign(qr.to_sign(GATEWAY_KEY.kid, packed))
        assert refusal(qr.assemble(TILL_KEY.kid, packed, signature)) == (5, "signature")

    @pytest.mark.parametrize("bits", [0x08, 0x0F, 0x100, 0x8000])
    def test_6_refuses_reserved_kinds(self, bits: int) -> None:
        assert refusal(signed(replace(PAYLOAD, kind_bits=bits))) == (6, "kind")

    def test_6_refuses_a_gateways_receipt_marked_as_a_tills(self) -> None:
        assert refusal(signed(replace(PAYLOAD, kind_bits=0x20))) == (6, "kind")

    def test_6_refuses_a_tills_receipt_not_marked_so(self) -> None:
        assert refusal(signed(PAYLOAD, TILL)) == (6, "kind")

    def test_6_refuses_a_lottery_number_for_a_business(self) -> None:
        assert refusal(signed(replace(PAYLOAD, kind_bits=0x90))) == (6, "kind")

    @pytest.mark.parametrize("nature", Nature)
    def test_6_refuses_a_lottery_number_where_nobody_draws(self, nature: Nature) -> None:
        carried = replace(PAYLOAD, kind_bits=Kind(nature, lottery=True).to_int(), total_mongo=0, vat_mongo=0)
        if nature in {Nature.SALE, Nature.PAYMENT, Nature.CORRECTION}:
            assert verify_cose(signed(carried), KEYRING).kind.lottery
        else:
            assert refusal(signed(carried)) == (6, "kind")

    def test_6_refuses_a_seller_number_of_13_digits(self) -> None:
        beyond = replace(PAYLOAD, id=replace(PAYLOAD.id, seller=SELLER_NUMBER_MAX + 1))
        assert refusal(signed(beyond)) == (6, "id")

    def test_accepts_the_last_seller_number(self) -> None:
        last = replace(PAYLOAD, id=replace(PAYLOAD.id, seller=SELLER_NUMBER_MAX))
        assert verify_cose(signed(last), KEYRING).payload == last

    @pytest.mark.parametrize("days", [-1, 1])
    def test_6_refuses_an_id_of_another_day(self, days: int) -> None:
        other = replace(PAYLOAD, id=replace(PAYLOAD.id, day=PAYLOAD.id.day + days))
        assert refusal(signed(other)) == (6, "id")

    @pytest.mark.parametrize(("seconds", "days"), [(12 * 3600 - 1, 0), (12 * 3600, 1)])
    def test_counts_days_from_midnight_in_ulaanbaatar(self, seconds: int, days: int) -> None:
        later = replace(
            PAYLOAD,
            issued_at=PAYLOAD.issued_at + seconds,
            id=replace(PAYLOAD.id, day=PAYLOAD.id.day + days),
        )
        assert verify_cose(signed(later), KEYRING).payload == later

    def test_6_refuses_a_time_before_the_first_day(self) -> None:
        key = key_of(GATEWAY, KeyRole.GATEWAY, not_before=NOON.replace(year=1969))
        assert refusal(signed(replace(PAYLOAD, issued_at=0)), key) == (6, "id")

    @pytest.mark.parametrize(
        ("nature", "total", "vat"),
        [
            (Nature.SALE, -1, 0), (Nature.SALE, 10, 11), (Nature.SALE, 10, -1), (Nature.SALE, -10, -1),
            (Nature.CORRECTION, -1, 0), (Nature.TRAINING, -1, 0), (Nature.INVOICE, 0, 1), (Nature.PAYMENT, 0, 1),
            (Nature.VOID, 1, 0), (Nature.VOID, -10, 1), (Nature.VOID, -10, -11), (Nature.VOID, 10, 1),
            (Nature.START, 1, 0), (Nature.START, 0, 1), (Nature.CLOSING, -1, 0), (Nature.CLOSING, 0, -1),
        ],
    )  # fmt: skip
    def test_6_refuses_amounts_that_the_nature_cannot_have(self, nature: Nature, total: int, vat: int) -> None:
        wrong = replace(PAYLOAD, kind_bits=Kind(nature).to_int(), total_mongo=total, vat_mongo=vat)
        assert refusal(signed(wrong)) == (6, "amounts")

    @pytest.mark.parametrize(
        ("nature", "total", "vat"),
        [
            *((nature, 10, vat) for nature in Nature if nature <= Nature.CORRECTION for vat in (0, 10)),
            (Nature.TRAINING, 10, 1), (Nature.SALE, 0, 0), (Nature.VOID, -10, -10), (Nature.VOID, 0, 0),
            (Nature.START, 0, 0), (Nature.CLOSING, 0, 0),
        ],
    )  # fmt: skip
    def test_accepts_amounts_that_the_nature_can_have(self, nature: Nature, total: int, vat: int) -> None:
        right = replace(PAYLOAD, kind_bits=Kind(nature).to_int(), total_mongo=total, vat_mongo=vat)
        assert verify_cose(signed(right), KEYRING).kind.nature is nature

    def test_says_ask_the_centre_for_a_revoked_key(self) -> None:
        revoked = key_of(GATEWAY, KeyRole.GATEWAY, revoked_at=NOON + 30 * SECOND)
        with pytest.raises(AskTheCentre) as caught:
            verify_cose(LINK.cose, keyring_of([revoked]))
        assert (caught.value.step, caught.value.why, caught.value.code) == (4, "revoked", "key_revoked")
        assert caught.value.verified.receipt_hash == LINK.receipt_hash

    def test_says_forged_before_it_says_ask_the_centre(self) -> None:
        revoked = key_of(GATEWAY, KeyRole.GATEWAY, revoked_at=NOON)
        assert refusal(LINK.cose[:-1] + b"\0", revoked) == (5, "signature")
        assert refusal(signed(replace(PAYLOAD, kind_bits=0x08)), revoked) == (6, "kind")


class TestVerifyDocument:
    def test_accepts_the_document_that_was_signed(self) -> None:
        assert verify_document(PAYLOAD, LINK.document) == SALE

    @given(st.integers(0, len(LINK.document) - 1), st.integers(1, 255))
    def test_7_refuses_a_change_of_any_byte(self, at: int, change: int) -> None:
        document = bytearray(LINK.document)
        document[at] ^= change
        with pytest.raises(NotGenuine) as caught:
            verify_document(PAYLOAD, bytes(document))
        assert (caught.value.step, caught.value.why) == (7, "digest")

    def test_7_refuses_a_signed_document_that_is_not_canonical(self) -> None:
        loose = bytes.fromhex("a1 00 1801")
        with pytest.raises(NotGenuine) as caught:
            verify_document(replace(PAYLOAD, document=sha256(loose)[:8]), loose)
        assert (caught.value.step, caught.value.why) == (7, "form")


class TestVerifySuccessor:
    NEXT, _ = advance(
        head(counter=2, previous_hash=LINK.receipt_hash, next_number=5), draft(),
        issued_at=NOON, key=ChainKey(Signer(GATEWAY), TURNOVER_KEY),
    )  # fmt: skip
    AFTER = qr.unpack(NEXT.cose[18:78])

    def test_accepts_the_next_link(self) -> None:
        verify_successor(self.AFTER, PAYLOAD, LINK.cose)

    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("id", replace(AFTER.id, seller=1), "terminal"),
            ("id", replace(AFTER.id, terminal=1), "terminal"),
            ("counter", 1, "counter"),
            ("counter", 3, "counter"),
            ("chain", bytes(8), "link"),
            ("issued_at", PAYLOAD.issued_at - 1, "time"),
        ],
    )
    def test_8_refuses(self, field: str, value: object, why: str) -> None:
        with pytest.raises(NotGenuine) as caught:
            verify_successor(replace(self.AFTER, **{field: value}), PAYLOAD, LINK.cose)
        assert (caught.value.step, caught.value.why) == (8, why)

    def test_8_refuses_another_predecessor(self) -> None:
        other, _ = advance(head(counter=1), draft(vat_mongo=1), issued_at=NOON, key=BY_GATEWAY)
        with pytest.raises(NotGenuine) as caught:
            verify_successor(self.AFTER, qr.unpack(other.cose[18:78]), other.cose)
        assert caught.value.why == "link"


class TestVerifyReceipt:
    NEXT = qr.encode_text(TestVerifySuccessor.NEXT.cose)

    def test_accepts_a_receipt_with_all_that_belongs_to_it(self) -> None:
        verified = verify_receipt(self.NEXT, KEYRING, document=LINK.document, previous=TEXT)
        assert verified.payload == TestVerifySuccessor.AFTER

    def test_accepts_a_receipt_alone(self) -> None:
        assert verify_receipt(TEXT, KEYRING) == verify_text(TEXT, KEYRING)

    @pytest.mark.parametrize(
        ("text", "document", "previous", "refused"),
        [
            (TEXT[:-1], b"", "", (1, "length")),
            (NEXT, b"", "", (7, "digest")),
            (NEXT, LINK.document, "", (8, "predecessor")),
            (NEXT, None, TEXT[:-1] + "0", (8, "predecessor")),
            (NEXT, None, NEXT, (8, "counter")),
        ],
    )
    def test_refuses_at_the_first_step_that_fails(
        self, text: str, document: bytes | None, previous: str | None, refused: tuple[int, str]
    ) -> None:
        with pytest.raises(NotGenuine) as caught:
            verify_receipt(text, KEYRING, document=document, previous=previous)
        assert (caught.value.step, caught.value.why) == refused
