"""The canonical document: one document, one run of bytes."""

from datetime import UTC, datetime

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import MONGO_MAX
from kernel.refusal import Malformed
from receipts.document import DOCUMENT_BYTES_MAX, SECONDS_MAX, Document, Line, Part, decode_document, encode_document
from receipts.ids import ReceiptId
from receipts.receipt import TaxType
from tests.changing import replace
from tests.receipts.examples import DOCUMENTS, NOON, SALE

FULL_LINE = Line("name", "1.5", "kg", 100, unit_price_mongo=67, city_tax=True, classification="2349010",
                 tax_product="447", barcode="19059010880001")  # fmt: skip
FULL = Document(
    parts=(Part("37900846788", TaxType.VAT_ZERO, 100, 9, 1, (FULL_LINE,), ReceiptId(16, 17, 18, 19, 20)),),
    sold_at=NOON,
    reference="basket 7",
    buyer_tin="61200064714",
    root_id=ReceiptId(1, 2, 3, 4, 5),
    previous_id=ReceiptId(6, 7, 8, 9, 10),
    pays_invoice=ReceiptId(11, 12, 13, 14, 15),
    district="2501",
    reason="damaged",
    report_month="2017-02",
)
FULL_FIELDS = {
    0: 1, 1: 1488340800, 2: "basket 7", 3: "61200064714",
    4: "000000000001002000030000400000005", 5: "000000000006007000080000900000010",
    6: "000000000011012000130001400000015", 7: "2501",
    8: [{0: "37900846788", 1: 2, 2: 100, 3: 9, 4: 1, 5: [
        {0: "name", 1: "1.5", 2: "kg", 3: 67, 4: 100, 5: 1, 6: "2349010", 7: "447", 8: "19059010880001"}],
        6: "000000000016017000180001900000020"}],
    9: "damaged", 10: "2017-02",
}  # fmt: skip
PART = FULL_FIELDS[8][0]
LINE = PART[5][0]


class TestEncodeDocument:
    def test_writes_the_fields_of_the_table(self) -> None:
        assert cbor2.loads(encode_document(FULL)) == FULL_FIELDS

    def test_writes_deterministic_cbor(self) -> None:
        assert encode_document(FULL) == cbor2.dumps(FULL_FIELDS, canonical=True)

    def test_writes_no_key_for_what_is_not_there(self) -> None:
        assert encode_document(Document()).hex() == "a10001"

    def test_writes_the_loaf_of_bread_as_the_docs_show_it(self) -> None:
        assert encode_document(SALE) == bytes.fromhex(
            "a3 0001 011a58b64740 0881"
            "a6 006b3337393030383436373838 0100 021a00088b80 0319c6dd 0400 0581"
            "a7 0068d0a2d0b0d0bbd185 0165312e303030 0262d188 031a00088b80 041a00088b80"
            "066732333439303130 086e3139303539303130383830303031"
        )


class TestDecodeDocument:
    @given(DOCUMENTS)
    def test_reads_what_encode_writes(self, document: Document) -> None:
        assert decode_document(encode_document(document)) == document

    @given(DOCUMENTS, st.data())
    def test_never_reads_the_same_when_a_byte_changes(self, document: Document, draw: st.DataObject) -> None:
        encoded = bytearray(encode_document(document))
        encoded[draw.draw(st.integers(0, len(encoded) - 1))] ^= draw.draw(st.integers(1, 255))
        try:
            read = decode_document(bytes(encoded))
        except Malformed:
            return
        assert read != document

    @given(DOCUMENTS, st.integers(1, 10))
    def test_refuses_a_document_cut_short_or_long(self, document: Document, length: int) -> None:
        encoded = encode_document(document)
        for wrong in (encoded[: -min(length, len(encoded))], encoded + bytes(length)):
            with pytest.raises(Malformed):
                decode_document(wrong)

    @pytest.mark.parametrize(
        "fields",
        [
            1, "text", [], [FULL_FIELDS], {},
            FULL_FIELDS | {0: 2},
            FULL_FIELDS | {11: 1},
            FULL_FIELDS | {10: 1}, FULL_FIELDS | {10: "2017-2"}, FULL_FIELDS | {10: "2017-13"},
            FULL_FIELDS | {10: "1999-12"}, FULL_FIELDS | {10: "2017-02-01"}, FULL_FIELDS | {10: "2017-02\n"},
            FULL_FIELDS | {1: "now"}, FULL_FIELDS | {1: -1}, FULL_FIELDS | {1: SECONDS_MAX + 1},
            FULL_FIELDS | {1: 2**63},
            FULL_FIELDS | {2: 1},
            FULL_FIELDS | {4: "1"}, FULL_FIELDS | {4: 1}, FULL_FIELDS | {5: ""}, FULL_FIELDS | {6: "0" * 34},
            FULL_FIELDS | {7: 2501}, FULL_FIELDS | {7: ""}, FULL_FIELDS | {7: "250"}, FULL_FIELDS | {7: "25010"},
            FULL_FIELDS | {7: "2501\n"}, FULL_FIELDS | {7: "٢٥٠١"},
            FULL_FIELDS | {8: []}, FULL_FIELDS | {8: PART}, FULL_FIELDS | {8: [1]}, FULL_FIELDS | {8: ["a"]},
            FULL_FIELDS | {8: [[]]}, FULL_FIELDS | {8: [{}]},
            FULL_FIELDS | {8: [PART | {0: 37900846788}]},
            FULL_FIELDS | {8: [PART | {1: 4}]}, FULL_FIELDS | {8: [PART | {1: "0"}]},
            FULL_FIELDS | {8: [PART | {2: MONGO_MAX + 1}]}, FULL_FIELDS | {8: [PART | {3: -MONGO_MAX - 1}]},
            FULL_FIELDS | {8: [PART | {4: "1"}]},
            FULL_FIELDS | {8: [PART | {5: LINE}]}, FULL_FIELDS | {8: [PART | {7: 1}]},
            FULL_FIELDS | {8: [PART | {6: 1}]}, FULL_FIELDS | {8: [PART | {6: "1"}]},
            FULL_FIELDS | {8: [PART | {5: [1]}]}, FULL_FIELDS | {8: [PART | {5: [[]]}]},
            FULL_FIELDS | {8: [PART | {5: [LINE | {5: 0}]}]}, FULL_FIELDS | {8: [PART | {5: [LINE | {5: 2}]}]},
            FULL_FIELDS | {8: [PART | {5: [LINE | {3: MONGO_MAX + 1}]}]},
            FULL_FIELDS | {8: [PART | {5: [LINE | {4: MONGO_MAX + 1}]}]},
            FULL_FIELDS | {8: [PART | {5: [LINE | {9: "more"}]}]},
            FULL_FIELDS | {8: [PART | {5: [{key: LINE[key] for key in LINE if key != 4}]}]},
        ],
    )  # fmt: skip
    def test_refuses_other_fields(self, fields: object) -> None:
        with pytest.raises(Malformed) as caught:
            decode_document(cbor2.dumps(fields, canonical=True))
        assert caught.value.faults[0].code == "document_form"

    @pytest.mark.parametrize("seconds", [0, SECONDS_MAX])
    def test_reads_times_at_their_edges(self, seconds: int) -> None:
        document = replace(FULL, sold_at=datetime.fromtimestamp(seconds, UTC))
        assert decode_document(encode_document(document)) == document

    @pytest.mark.parametrize("amount", [MONGO_MAX, -MONGO_MAX, 0])
    def test_reads_amounts_at_their_edges(self, amount: int) -> None:
        part = Part("1", TaxType.NO_VAT, amount, amount, amount, (replace(FULL_LINE, total_mongo=amount),))
        assert decode_document(encode_document(Document(parts=(part,)))) == Document(parts=(part,))

    @pytest.mark.parametrize(
        "octets",
        ["", "a0", "a2 00 01 00 01", "a1 00 18 01", "bf 00 01 ff", "a1 00 01 00", "a1 00 f5", "d9 d9f7 a1 00 01",
         "a2 00 01 02 63 65 cc 81", "a2 00 01 08 80"],
    )  # fmt: skip
    def test_refuses_another_spelling_of_the_same(self, octets: str) -> None:
        with pytest.raises(Malformed):
            decode_document(bytes.fromhex(octets))

    def test_refuses_a_document_beyond_its_size(self) -> None:
        rest = len(encode_document(Document(reference="x" * 70_000))) - 70_000
        largest = Document(reference="x" * (DOCUMENT_BYTES_MAX - rest))
        assert decode_document(encode_document(largest)) == largest
        with pytest.raises(Malformed):
            decode_document(encode_document(replace(largest, reference="x" * (DOCUMENT_BYTES_MAX - rest + 1))))
