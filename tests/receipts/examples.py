"""Keys, tills and receipts that the tests of the formats share, and strategies that draw others."""

import unicodedata
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from kernel.money import MONGO_MAX
from receipts.chain import ChainKey, Draft, Head, Link, advance, first_head
from receipts.document import Document, Line, Part
from receipts.ids import ReceiptId
from receipts.keys import Key, KeyRole, Signer
from receipts.qr import Payload
from receipts.receipt import Nature, TaxType

ROOT, GATEWAY, TILL, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 5))
SELLER, TERMINAL = 37900846788, 10012619
TURNOVER_KEY = bytes(range(32))
NOON = datetime(2017, 3, 1, 4, tzinfo=UTC)
ENROLMENT = b"enrolment record"

BREAD = Line("Талх", "1.000", "ш", 560000, unit_price_mongo=560000, classification="2349010", barcode="19059010880001")
SALE = Document(parts=(Part("37900846788", TaxType.VAT_ABLE, 560000, 50909, 0, (BREAD,)),), sold_at=NOON)


def key_of(private_key: Ed25519PrivateKey, role: KeyRole, **fields: object) -> Key:
    """A published key, valid for the year 2017 unless the fields say otherwise."""
    scope = {"seller": SELLER, "terminal": TERMINAL} if role is KeyRole.TILL else {}
    time = {"not_before": datetime(2017, 1, 1, tzinfo=UTC), "not_after": datetime(2018, 1, 1, tzinfo=UTC)}
    return Key(private_key.public_key().public_bytes_raw(), role, **{**time, **scope, **fields})  # type: ignore[arg-type]


ROOT_KEY, GATEWAY_KEY = key_of(ROOT, KeyRole.ROOT), key_of(GATEWAY, KeyRole.GATEWAY)
TILL_KEY = key_of(TILL, KeyRole.TILL)
BY_GATEWAY = ChainKey(Signer(GATEWAY), TURNOVER_KEY)
BY_TILL = ChainKey(Signer(TILL, by_till=True), TURNOVER_KEY)


def head(**fields: object) -> Head:
    """A chain without a link, or one that stands where the fields say."""
    start = first_head(seller=SELLER, terminal=TERMINAL, enrolment=ENROLMENT, enrolled_at=NOON)
    return Head(**{**{name: getattr(start, name) for name in Head.__slots__}, **fields})  # type: ignore[arg-type]


def draft(nature: Nature = Nature.SALE, **fields: object) -> Draft:
    """A sale of one loaf of bread, or what the fields make of it."""
    content = {"business": False, "lottery": nature is Nature.SALE, "branch": 1, "total_mongo": 560000,
               "vat_mongo": 50909, "document": SALE, "part_sellers": (SELLER,)}  # fmt: skip
    if nature in {Nature.START, Nature.CLOSING}:
        content |= {"total_mongo": 0, "vat_mongo": 0, "document": Document(), "part_sellers": ()}
    return Draft(nature, **{**content, **fields})  # type: ignore[arg-type]


def a_sale(key: ChainKey = BY_GATEWAY, *, at: datetime = NOON, **fields: object) -> Link:
    """One signed sale, the second link of its chain."""
    _, opened = advance(head(), draft(Nature.START), issued_at=NOON, key=key)
    return advance(opened, draft(**fields), issued_at=at, key=key)[0]  # type: ignore[arg-type]


RECEIPT_IDS = st.builds(
    ReceiptId,
    seller=st.integers(0, 10**12 - 1),
    branch=st.integers(0, 999),
    day=st.integers(0, 99_999),
    number=st.integers(0, 99_999),
    terminal=st.integers(0, 99_999_999),
)
AMOUNTS = st.integers(-MONGO_MAX, MONGO_MAX)
EIGHT_BYTES = st.binary(min_size=8, max_size=8)
PAYLOADS = st.builds(
    Payload,
    id=RECEIPT_IDS,
    issued_at=st.integers(0, 2**32 - 1),
    total_mongo=AMOUNTS,
    vat_mongo=AMOUNTS,
    kind_bits=st.integers(0, 2**16 - 1),
    counter=st.integers(0, 2**32 - 1),
    chain=EIGHT_BYTES,
    turnover_sealed=EIGHT_BYTES,
    document=EIGHT_BYTES,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12).map(
    lambda text: unicodedata.normalize("NFC", text)
)
LINES = st.builds(
    Line,
    name=TEXTS,
    quantity=TEXTS,
    unit=TEXTS,
    total_mongo=AMOUNTS,
    unit_price_mongo=st.none() | AMOUNTS,
    city_tax=st.booleans(),
    classification=st.none() | TEXTS,
    tax_product=st.none() | TEXTS,
    barcode=st.none() | TEXTS,
)
PARTS = st.builds(
    Part,
    merchant_tin=TEXTS,
    tax_type=st.sampled_from(TaxType),
    total_mongo=AMOUNTS,
    vat_mongo=AMOUNTS,
    city_tax_mongo=AMOUNTS,
    lines=st.lists(LINES, max_size=3).map(tuple),
    pays_invoice=st.none() | RECEIPT_IDS,
)
INSTANTS = st.integers(0, 2**32 - 1).map(lambda seconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
DOCUMENTS = st.builds(
    Document,
    parts=st.lists(PARTS, max_size=3).map(tuple),
    sold_at=st.none() | INSTANTS,
    reference=st.none() | TEXTS,
    buyer_tin=st.none() | TEXTS,
    root_id=st.none() | RECEIPT_IDS,
    previous_id=st.none() | RECEIPT_IDS,
    pays_invoice=st.none() | RECEIPT_IDS,
    district=st.none() | st.text("0123456789", min_size=4, max_size=4),
    reason=st.none() | TEXTS,
    report_month=st.none() | st.builds("20{:02}-{:02}".format, st.integers(0, 99), st.integers(1, 12)),
)
