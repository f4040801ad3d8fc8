# cython: language_level=3, cdivision=True, initializedcheck=False
"""The gateway's words in C; each function has its twin in Python, which is the one to read.

`tests/pos_gateway/test_answers.py` and `test_wire.py` hold them against each other.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from receipts._speedups cimport Octets, i64, octet, sha256, u64, write_text

from kernel.clock import format_instant

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    COSE = 144
    TEXT = 220
    HASH = 32
    LOTTERY = 1 << 7

cdef const char* HEX = b"0123456789abcdef"


cdef inline void _digits(octet* to, u64 value, int count) noexcept:
    cdef int place
    for place in range(count - 1, -1, -1):
        to[place] = 48 + value % 10
        value //= 10


cdef int _id(Octets to, u64 seller, u64 branch, u64 day, u64 number, u64 terminal) except -1:
    """Write `str(ReceiptId(...))`."""
    cdef octet* at = to.add(33)
    _digits(at, seller, 12)
    _digits(at + 12, branch, 3)
    _digits(at + 15, day, 5)
    _digits(at + 20, number, 5)
    _digits(at + 25, terminal, 8)
    return 0


cdef int _number(Octets to, i64 value) except -1:
    cdef char text[24]
    return to.put(text, snprintf(text, sizeof(text), "%lld", value))


cdef int _ascii(Octets to, object text) except -1:
    """Write a text of letters, digits and signs that JSON needs not escape."""
    cdef Py_ssize_t size, place
    cdef const char* octets = PyUnicode_AsUTF8AndSize(text, &size)
    for place in range(size):
        if not 32 <= octets[place] <= 126 or octets[place] in (34, 92):
            raise ValueError("not plain")
    return to.put(octets, size)


cdef int _lottery(Octets to, bytes root_hash) except -1:
    """Write `lottery_number` of `receipts.receipt`."""
    cdef octet message[7 + HASH]
    cdef octet digest[32]
    cdef u64 value = 0
    cdef int place
    cdef octet* at = to.add(11)
    memcpy(message, b"lottery", 7)
    memcpy(message + 7, PyBytes_AS_STRING(root_hash), HASH)
    sha256(digest, message, sizeof(message))
    at[0] = 65 + digest[0] % 26
    at[1] = 65 + digest[1] % 26
    at[2] = 32
    for place in range(2, 10):
        value = value << 8 | digest[place]
    _digits(at + 3, value % 100_000_000, 8)
    return 0


def receipt_json(receipt, bytes root_hash, parts, tuple tax_types) -> bytes:
    """As `pos_gateway.answers.receipt_answer` in JSON, for a receipt without warnings."""
    cdef Octets to = Octets()
    cdef bytes cose = receipt.cose, receipt_hash = receipt.receipt_hash
    cdef u64 branch = receipt.branch, day = receipt.day, number = receipt.number, terminal = receipt.terminal
    cdef list merchants = receipt.part_merchants
    cdef int kind = receipt.kind, place
    cdef octet* at
    cdef octet digit
    if PyBytes_GET_SIZE(cose) != COSE or PyBytes_GET_SIZE(receipt_hash) != HASH or PyBytes_GET_SIZE(root_hash) != HASH:
        raise ValueError("not signed")
    to.put(b'{"id":"', 7)
    _id(to, receipt.seller, branch, day, number, terminal)
    to.put(b'","issued_at":"', 15)
    _ascii(to, format_instant(receipt.issued_at))
    if kind & LOTTERY:
        to.put(b'","lottery":"', 13)
        _lottery(to, root_hash)
        to.put(b'","qr":"', 8)
    else:
        to.put(b'","lottery":null,"qr":"', 23)
    write_text(to.add(TEXT), <const octet*> PyBytes_AS_STRING(cose), COSE)
    to.put(b'","total_mongo":', 16)
    _number(to, receipt.total_mongo)
    to.put(b',"vat_mongo":', 13)
    _number(to, receipt.vat_mongo)
    to.put(b',"city_tax_mongo":', 18)
    _number(to, receipt.city_tax_mongo)
    to.put(b',"hash":"', 9)
    at = to.add(2 * HASH)
    for place in range(HASH):
        digit = PyBytes_AS_STRING(receipt_hash)[place]
        at[2 * place] = HEX[digit >> 4]
        at[2 * place + 1] = HEX[digit & 15]
    to.put(b'","parts":[', 11)
    for place, part in enumerate(parts):
        to.put(b',{"id":"' if place else b'{"id":"', 8 if place else 7)
        _id(to, merchants[place], branch, day, number + 1 + place, terminal)
        to.put(b'","seller_tin":"', 16)
        _ascii(to, part.merchant_tin)
        to.put(b'","tax_type":"', 14)
        _ascii(to, tax_types[part.tax_type])
        to.put(b'","total_mongo":', 16)
        _number(to, part.total_mongo)
        to.put(b',"vat_mongo":', 13)
        _number(to, part.vat_mongo)
        to.put(b',"city_tax_mongo":', 18)
        _number(to, part.city_tax_mongo)
        to.put(b"}", 1)
    to.put(b"]}", 2)
    return to.whole()


# --- Forms of a body (pos_gateway.wire)

cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int PyUnicode_KIND(object text)
    void* PyUnicode_DATA(object text)
    Py_UCS4 PyUnicode_READ(int kind, void* data, Py_ssize_t at)
    bint PyUnicode_IS_ASCII(object text)


cdef bint _is_quantity(str text) except -1:
    """[0-9]{1,9}(\\.[0-9]{1,6})?"""
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(text), at = 0, whole
    cdef const octet* letters
    if not PyUnicode_IS_ASCII(text):
        return False
    letters = <const octet*> PyUnicode_DATA(text)
    while at < size and 48 <= letters[at] <= 57:
        at += 1
    whole = at
    if not 1 <= whole <= 9:
        return False
    if at == size:
        return True
    if letters[at] != 46:
        return False
    at += 1
    while at < size and 48 <= letters[at] <= 57:
        at += 1
    return at == size and 1 <= size - whole - 1 <= 6


cdef bint _all_between(object text, octet least, octet most) except -1:
    """Whether all letters of a text are such; none is no text."""
    cdef Py_ssize_t at
    cdef const octet* letters
    if text is None:
        return True
    if not PyUnicode_IS_ASCII(text):
        return False
    letters = <const octet*> PyUnicode_DATA(text)
    for at in range(PyUnicode_GET_LENGTH(text)):
        if not least <= letters[at] <= most:
            return False
    return True


def well_formed(receipt) -> bool:
    """As `pos_gateway.wire.well_formed`."""
    cdef str tin = receipt.seller_tin
    if not (tin and _all_between(tin, 48, 57) and _all_between(receipt.terminal, 48, 57)):
        return False
    if PyUnicode_GET_LENGTH(tin) == 12 and tin.startswith("99"):
        return False
    for part in <tuple?> receipt.parts:
        for line in <tuple?> part.lines:
            if not (
                _is_quantity(line.quantity)
                and _all_between(line.classification, 48, 57)
                and _all_between(line.tax_product, 48, 57)
                and _all_between(line.barcode, 33, 126)
            ):
                return False
    return True


cdef bint _surely_canonical(str text) except -1:
    """Whether all letters are such that no two of them compose, and none is U+0000: Latin, Cyrillic, the tugrik, №."""
    cdef Py_ssize_t at
    cdef int kind = PyUnicode_KIND(text)
    cdef void* letters = PyUnicode_DATA(text)
    cdef Py_UCS4 letter
    for at in range(PyUnicode_GET_LENGTH(text)):
        letter = PyUnicode_READ(kind, letters, at)
        if not (1 <= letter < 0x300 or 0x400 <= letter < 0x483 or 0x48A <= letter < 0x530
                or letter == 0x20AE or letter == 0x2116):
            return False
    return True


def surely_canonical(lines) -> bool:
    """Whether names and units of lines are canonical for sure, which those of nearly all receipts are."""
    for line in <tuple?> lines:
        if not (_surely_canonical(line.name) and _surely_canonical(line.unit)):
            return False
    return True
