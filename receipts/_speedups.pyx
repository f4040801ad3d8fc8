# cython: language_level=3, cdivision=True, initializedcheck=False
"""The formats of the hot path in C: the same bytes as the Python modules write, in a fifth of the time.

Nothing is decided here. Each function has a twin in Python that is the one to read, and that works where no compiler
was at hand: `receipts.document.encode_document`, `receipts.base45.encode`, `receipts.store.copying.binary_row`,
`receipts.qr.pack_link` and `sign_links`. `tests/receipts/test_speedups.py` holds them against each other.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport PyDateTime_IMPORT, timedelta_days, timedelta_microseconds, timedelta_seconds
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.errno cimport EINTR, errno
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import os
from datetime import UTC, datetime

from nacl._sodium import ffi as _ffi
from nacl._sodium import lib as _sodium

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    object PyUnicode_DecodeUTF8(const char* octets, Py_ssize_t size, const char* errors)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 most)
    unsigned char* PyUnicode_1BYTE_DATA(object text)

cdef extern from "unistd.h" nogil:
    Py_ssize_t read_file "read" (int file, void* octets, size_t size)
    Py_ssize_t write_file "write" (int file, const void* octets, size_t size)

PyDateTime_IMPORT


cdef class Octets:
    """Bytes that grow."""

    def __cinit__(self):
        self.room = 1024
        self.octets = <octet*> PyMem_Malloc(self.room)
        if self.octets is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.octets)

    cdef octet* add(self, Py_ssize_t size) except NULL:
        """Make room for so many more bytes, and answer where they go."""
        cdef octet* grown
        cdef Py_ssize_t at = self.size
        if at + size > self.room:
            grown = <octet*> PyMem_Realloc(self.octets, 2 * (at + size))
            if grown is NULL:
                raise MemoryError
            self.octets = grown
            self.room = 2 * (at + size)
        self.size = at + size
        return self.octets + at

    cdef int put(self, const void* octets, Py_ssize_t size) except -1:
        memcpy(self.add(size), octets, size)
        return 0

    cdef int number(self, i64 value, int size) except -1:
        """Write an integer of so many bytes, big-endian, as two's complement."""
        if size < 8 and not (-(1LL << (8 * size - 1)) <= value < 1LL << (8 * size - 1)):
            raise OverflowError(f"{value} does not fit into {size} bytes")
        write(self.add(size), <u64> value, size)
        return 0

    cdef bytes whole(self):
        return PyBytes_FromStringAndSize(<char*> self.octets, self.size)


cdef inline void write(octet* at, u64 value, int size) noexcept nogil:
    cdef int place
    for place in range(size - 1, -1, -1):
        at[place] = value & 0xFF
        value >>= 8


# --- The canonical document (receipts.document): deterministic CBOR, RFC 8949, 4.2.1


cdef int _head(Octets to, int major, u64 argument) except -1:
    cdef octet* at
    if argument < 24:
        to.add(1)[0] = major << 5 | argument
    elif argument < 0x100:
        at = to.add(2)
        at[0] = major << 5 | 24
        at[1] = argument
    elif argument < 0x10000:
        at = to.add(3)
        at[0] = major << 5 | 25
        write(at + 1, argument, 2)
    elif argument < 0x100000000:
        at = to.add(5)
        at[0] = major << 5 | 26
        write(at + 1, argument, 4)
    else:
        at = to.add(9)
        at[0] = major << 5 | 27
        write(at + 1, argument, 8)
    return 0


cdef int _int(Octets to, int key, object value) except -1:
    cdef i64 number = value
    to.add(1)[0] = key
    if number < 0:
        return _head(to, 1, <u64> (-1 - number))
    return _head(to, 0, number)


cdef int _text(Octets to, int key, object text) except -1:
    cdef Py_ssize_t size
    cdef const char* octets = PyUnicode_AsUTF8AndSize(text, &size)
    to.add(1)[0] = key
    _head(to, 3, size)
    return to.put(octets, size)


cdef int _line(Octets to, object line) except -1:
    unit_price, classification = line.unit_price_mongo, line.classification
    tax_product, barcode = line.tax_product, line.barcode
    cdef bint city_tax = line.city_tax
    to.add(1)[0] = 0xA0 | (
        4 + (unit_price is not None) + city_tax + (classification is not None) + (tax_product is not None)
        + (barcode is not None)
    )
    _text(to, 0, line.name)
    _text(to, 1, line.quantity)
    _text(to, 2, line.unit)
    if unit_price is not None:
        _int(to, 3, unit_price)
    _int(to, 4, line.total_mongo)
    if city_tax:
        _int(to, 5, 1)
    if classification is not None:
        _text(to, 6, classification)
    if tax_product is not None:
        _text(to, 7, tax_product)
    if barcode is not None:
        _text(to, 8, barcode)
    return 0


cdef int _part(Octets to, object part) except -1:
    cdef tuple lines = part.lines
    invoice = part.pays_invoice
    to.add(1)[0] = 0xA0 | (6 + (invoice is not None))
    _text(to, 0, part.merchant_tin)
    _int(to, 1, part.tax_type)
    _int(to, 2, part.total_mongo)
    _int(to, 3, part.vat_mongo)
    _int(to, 4, part.city_tax_mongo)
    to.add(1)[0] = 5
    _head(to, 4, len(lines))
    for line in lines:
        _line(to, line)
    if invoice is not None:
        _text(to, 6, str(invoice))
    return 0


def encode_document(document) -> bytes:
    """As `receipts.document.encode_document`."""
    cdef Octets to = Octets()
    cdef tuple parts = document.parts
    sold_at, root_id, previous_id = document.sold_at, document.root_id, document.previous_id
    invoice = document.pays_invoice
    texts = (  # by their keys; none at 1 and 8, which are no texts
        None, None, document.reference, document.buyer_tin, None if root_id is None else str(root_id),
        None if previous_id is None else str(previous_id), None if invoice is None else str(invoice),
        document.district, None, document.reason, document.report_month,
    )
    cdef int key, fields = 1 + (sold_at is not None) + (len(parts) > 0)
    for text in texts:
        fields += text is not None
    to.add(1)[0] = 0xA0 | fields
    _int(to, 0, 1)
    if sold_at is not None:
        _int(to, 1, int(sold_at.timestamp()))
    for key in range(2, 11):
        if key == 8 and parts:
            to.add(1)[0] = 8
            _head(to, 4, len(parts))
            for part in parts:
                _part(to, part)
        elif texts[key] is not None:
            _text(to, key, texts[key])
    return to.whole()


# --- Base45 (receipts.base45): RFC 9285

cdef const char* ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def encode_text(bytes cose) -> str:
    """As `receipts.qr.encode_text`, of as many bytes as there are."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(cose)
    text = PyUnicode_New(4 + size // 2 * 3 + size % 2 * 2, 127)
    write_text(PyUnicode_1BYTE_DATA(text), <const octet*> PyBytes_AS_STRING(cose), size)
    return text


cdef void write_text(octet* to, const octet* source, Py_ssize_t size) noexcept nogil:
    """Write the text, which has three characters for two bytes, and two for a last one."""
    cdef Py_ssize_t pair
    cdef unsigned int value
    memcpy(to, b"MB1:", 4)
    to += 4
    for pair in range(size // 2):
        value = source[2 * pair] << 8 | source[2 * pair + 1]
        to[0] = ALPHABET[value % 45]
        to[1] = ALPHABET[value // 45 % 45]
        to[2] = ALPHABET[value // 2025]
        to += 3
    if size % 2:
        value = source[size - 1]
        to[0] = ALPHABET[value % 45]
        to[1] = ALPHABET[value // 45]


# --- Rows of pos.receipts (receipts.store.copying): PostgreSQL's binary COPY format

cdef object _EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
cdef enum:
    INT8 = 20
    INT2 = 21
    FIELDS = 28


cdef int _field(Octets to, object value, int size) except -1:
    to.number(size, 4)
    return to.number(value, size)


cdef int _instant_field(Octets to, object instant) except -1:
    since = instant - _EPOCH
    cdef i64 seconds = <i64> timedelta_days(since) * 86_400 + timedelta_seconds(since)
    to.number(8, 4)
    return to.number(seconds * 1_000_000 + timedelta_microseconds(since), 8)


cdef int _octets_field(Octets to, bytes octets) except -1:
    to.number(PyBytes_GET_SIZE(octets), 4)
    return to.put(PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))


cdef int _text_field(Octets to, object text) except -1:
    cdef Py_ssize_t size
    cdef const char* octets
    if text is None:
        return to.number(-1, 4)
    octets = PyUnicode_AsUTF8AndSize(text, &size)
    to.number(size, 4)
    return to.put(octets, size)


cdef int _array_field(Octets to, list values, int kind) except -1:
    cdef int size = 8 if kind == INT8 else 2
    cdef Py_ssize_t count = len(values)
    to.number(20 + (4 + size) * count if count else 12, 4)
    to.number(1 if count else 0, 4)
    to.number(0, 4)
    to.number(kind, 4)
    if count:
        to.number(count, 4)
        to.number(1, 4)
    for value in values:
        _field(to, value, size)
    return 0


def binary_rows(receipts) -> bytes:
    """As `receipts.store.copying.binary_rows`."""
    cdef Octets to = Octets()
    for receipt in receipts:
        _row(to, receipt)
    return to.whole()


cdef int _row(Octets to, object receipt) except -1:
    to.number(FIELDS, 2)
    _field(to, receipt.seller, 8)
    _field(to, receipt.terminal, 4)
    _field(to, receipt.day, 4)
    _field(to, receipt.number, 4)
    _field(to, receipt.branch, 2)
    _field(to, receipt.root_terminal, 4)
    _field(to, receipt.root_day, 4)
    _field(to, receipt.root_number, 4)
    _instant_field(to, receipt.issued_at)
    _instant_field(to, receipt.received_at)
    _field(to, receipt.kind, 2)
    _field(to, receipt.counter, 8)
    _field(to, receipt.total_mongo, 8)
    _field(to, receipt.vat_mongo, 8)
    _field(to, receipt.city_tax_mongo, 8)
    _field(to, receipt.turnover_mongo, 8)
    _octets_field(to, receipt.cose)
    _octets_field(to, receipt.receipt_hash)
    _octets_field(to, receipt.document)
    _octets_field(to, receipt.document_hash)
    _text_field(to, receipt.reference)
    _text_field(to, receipt.payments)
    _field(to, receipt.computed_vat_mongo, 8)
    _array_field(to, receipt.part_merchants, INT8)
    _array_field(to, receipt.part_tax_types, INT2)
    _array_field(to, receipt.part_totals_mongo, INT8)
    _array_field(to, receipt.part_vats_mongo, INT8)
    return _array_field(to, receipt.part_city_taxes_mongo, INT8)


# --- Links (receipts.qr): sixty bytes, their signature, and what is hashed of both

cdef extern from *:
    ctypedef unsigned long long u128 "unsigned __int128"

cdef enum:
    PACKED = 60
    CHAIN_AT = 36
    DIGEST = 8
    COSE = 144
    SIGNATURE = 64
    TO_SIGN = 12 + 6 + 8 + 3 + 60


cdef int _write_id(octet* to, object receipt_id) except -1:
    cdef u64 branch = receipt_id.branch, day = receipt_id.day, number = receipt_id.number
    cdef u64 terminal = receipt_id.terminal
    cdef u128 value = <u64> receipt_id.seller
    value = (((value * 1_000 + branch) * 100_000 + day) * 100_000 + number) * 100_000_000 + terminal
    if branch >= 1_000 or day >= 100_000 or number >= 100_000 or terminal >= 100_000_000 or value >> 112:
        raise OverflowError("an id does not fit into fourteen bytes")
    write(to, <u64> (value >> 64), 6)
    write(to + 6, <u64> value, 8)
    return 0


cdef int _hmac(octet* digest, bytes key, const octet* message, Py_ssize_t size) except -1:
    """HMAC-SHA-256 (RFC 2104) of a message of at most 64 bytes: `hmac.digest` takes as long as all else in `pack_link`."""
    cdef octet inner[128]
    cdef octet outer[64 + 32]
    cdef Py_ssize_t place, length = PyBytes_GET_SIZE(key)
    if length > 64 or size > 64:
        raise OverflowError("a key and a message of at most 64 bytes")
    memset(inner, 0x36, 64)
    memset(outer, 0x5C, 64)
    for place in range(length):
        inner[place] ^= <octet> PyBytes_AS_STRING(key)[place]
        outer[place] ^= <octet> PyBytes_AS_STRING(key)[place]
    memcpy(inner + 64, message, size)
    sha256(outer + 64, inner, 64 + size)
    sha256(digest, outer, sizeof(outer))
    return 0


def pack_link(
    receipt_id, u64 issued_at, i64 total_mongo, i64 vat_mongo, int kind_bits, u64 counter, bytes previous_hash,
    turnover_mongo, bytes turnover_key, bytes document_hash,
) -> bytes:
    """As `receipts.qr.pack_link`."""
    cdef u64 turnover = turnover_mongo & 0xFFFF_FFFF_FFFF_FFFF
    if issued_at >> 32 or counter >> 32 or kind_bits >> 16 or len(document_hash) < DIGEST:
        raise OverflowError("a value does not fit into its field")
    cdef octet octets[14]
    cdef octet pad[32]
    _write_id(octets, receipt_id)
    _hmac(pad, turnover_key, octets, sizeof(octets))
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, PACKED)
    cdef octet* at = <octet*> PyBytes_AS_STRING(packed)
    cdef int place
    for value in (total_mongo, vat_mongo):
        if not -(1LL << 47) <= value < 1LL << 47:
            raise OverflowError("an amount does not fit into six bytes")
    memcpy(at, octets, sizeof(octets))
    write(at + 14, issued_at, 4)
    write(at + 18, <u64> total_mongo, 6)
    write(at + 24, <u64> vat_mongo, 6)
    write(at + 30, kind_bits, 2)
    write(at + 32, counter, 4)
    if PyBytes_GET_SIZE(previous_hash) >= DIGEST:
        memcpy(at + CHAIN_AT, PyBytes_AS_STRING(previous_hash), DIGEST)
    else:
        memset(at + CHAIN_AT, 0, DIGEST)
    write(at + 44, turnover, 8)
    for place in range(DIGEST):
        at[44 + place] ^= pad[place]
    memcpy(at + 52, PyBytes_AS_STRING(document_hash), DIGEST)
    return packed


# libsodium's own functions, which PyNaCl brings along

ctypedef int (*Sign)(octet* signed, u64* size, const octet* message, u64 length, const octet* secret) noexcept nogil
cdef Sign _sign = <Sign> <size_t> int(_ffi.cast("uintptr_t", _ffi.addressof(_sodium, "crypto_sign")))
sha256 = <Hash> <size_t> int(_ffi.cast("uintptr_t", _ffi.addressof(_sodium, "crypto_hash_sha256")))


cdef struct Links:
    # Links to be signed in their order, and what becomes of them.
    int count
    octet secret[64]
    octet kid[8]
    octet* packed
    int* after
    octet* cose
    octet* hashes


cdef void _sign_all(Links* links) noexcept nogil:
    """Sign: to_sign, crypto_sign, assemble and receipt_hash of `receipts.qr`."""
    cdef octet to_sign[TO_SIGN]
    cdef octet signed[SIGNATURE + TO_SIGN]
    cdef octet* cose
    cdef u64 size
    cdef int at
    memcpy(to_sign, b"\x84\x6aSignature1\x4d\xa2\x01\x32\x04\x48", 18)
    memcpy(to_sign + 18, links.kid, 8)
    memcpy(to_sign + 26, b"\x40\x58\x3c", 3)
    for at in range(links.count):
        memcpy(to_sign + 29, links.packed + at * PACKED, PACKED)
        if links.after[at] >= 0:
            memcpy(to_sign + 29 + CHAIN_AT, links.hashes + links.after[at] * 32, DIGEST)
        _sign(signed, &size, to_sign, TO_SIGN, links.secret)
        cose = links.cose + at * COSE
        memcpy(cose, b"\x84\x4d\xa2\x01\x32\x04\x48", 7)
        memcpy(cose + 7, links.kid, 8)
        memcpy(cose + 15, b"\xa0\x58\x3c", 3)
        memcpy(cose + 18, to_sign + 29, PACKED)
        memcpy(cose + 78, b"\x58\x40", 2)
        memcpy(cose + 80, signed, SIGNATURE)
        sha256(links.hashes + at * 32, cose, COSE)


cdef Links* _links(bytes secret, bytes kid, packed, after) except NULL:
    cdef int count = len(packed), at
    if len(secret) != 64 or len(kid) != 8 or len(after) != count:
        raise ValueError("a secret of 64 bytes, a kid of 8, and one place a link")
    cdef size_t each = PACKED + sizeof(int) + COSE + 32
    cdef Links* links = <Links*> malloc(sizeof(Links) + count * each)
    if links is NULL:
        raise MemoryError
    links.count = count
    memcpy(links.secret, PyBytes_AS_STRING(secret), 64)
    memcpy(links.kid, PyBytes_AS_STRING(kid), 8)
    links.after = <int*> (links + 1)
    links.packed = <octet*> (links.after + count)
    links.cose = links.packed + count * PACKED
    links.hashes = links.cose + count * COSE
    try:
        for at in range(count):
            links.after[at] = after[at]
            if links.after[at] >= at or len(<bytes?> packed[at]) != PACKED:
                raise ValueError("sixty bytes a link, each after one before it")
            memcpy(links.packed + at * PACKED, PyBytes_AS_STRING(packed[at]), PACKED)
    except BaseException:
        free(links)
        raise
    return links


cdef list _signed(Links* links):
    cdef int at
    try:
        return [
            (
                PyBytes_FromStringAndSize(<char*> (links.cose + at * COSE), COSE),
                PyBytes_FromStringAndSize(<char*> (links.hashes + at * 32), 32),
            )
            for at in range(links.count)
        ]
    finally:
        free(links)


def sign_links(bytes secret, bytes kid, packed, after) -> list:
    """As `receipts.qr.sign_links`."""
    cdef Links* links = _links(secret, kid, packed, after)
    with nogil:
        _sign_all(links)
    return _signed(links)


cdef bint _take(int pipe, Links** links) noexcept nogil:
    """Read what was written next; a signal that comes meanwhile ends nothing."""
    cdef Py_ssize_t size = -1
    while size < 0:
        size = read_file(pipe, links, sizeof(Links*))
        if size < 0 and errno != EINTR:
            return False
    return size == sizeof(Links*)


cdef bint _give(int pipe, Links* links) noexcept nogil:
    cdef Py_ssize_t size = -1
    while size < 0:
        size = write_file(pipe, &links, sizeof(links))
        if size < 0 and errno != EINTR:
            return False
    return size == sizeof(links)


cdef class SigningBeside:
    """Signs on a thread that needs no interpreter lock. What is to be signed goes to it through one pipe and comes back,
    in the same order, through another, which an event loop can wait for.
    """

    cdef int _to[2]
    cdef int _back[2]

    def __cinit__(self):
        self._to[0], self._to[1] = os.pipe()
        self._back[0], self._back[1] = os.pipe()

    @property
    def fileno(self) -> int:
        """Is readable when something was signed."""
        return self._back[0]

    def run(self) -> None:
        """Sign until `close`: the work of the thread."""
        cdef Links* links = NULL
        cdef int to = self._to[0], back = self._back[1]
        with nogil:
            while _take(to, &links) and links is not NULL:
                _sign_all(links)
                _give(back, links)

    def begin(self, bytes secret, bytes kid, packed, after) -> None:
        """Let links be signed; as `sign_links`, but its answer is what `finished` will answer."""
        cdef Links* links = _links(secret, kid, packed, after)
        if not _give(self._to[1], links):
            free(links)
            raise OSError("the pipe to the signing thread is broken")

    def finished(self) -> list:
        """Answer what was begun first and not answered yet; waits where it is not signed yet."""
        cdef Links* links = NULL
        cdef int back = self._back[0]
        cdef bint taken
        with nogil:
            taken = _take(back, &links)
        if not taken:
            raise OSError("the pipe from the signing thread is broken")
        return _signed(links)

    def close(self) -> None:
        """End `run`."""
        _give(self._to[1], NULL)

    def __dealloc__(self):
        for end in (self._to[0], self._to[1], self._back[0], self._back[1]):
            os.close(end)


# --- Columns of rows (receipts.store.issuing)


def columns(rows, int width) -> list:
    """As `receipts.store.issuing.columns`: of integers and texts."""
    cdef list written = [Octets() for _ in range(width)]
    cdef Octets to
    cdef Py_ssize_t size
    cdef const char* octets
    cdef char digits[24]
    cdef int at
    cdef bint first = True
    for row in rows:
        if len(<tuple?> row) != width:
            raise ValueError("a row of another width")
        for at in range(width):
            to = written[at]
            item = (<tuple> row)[at]
            if not first:
                to.add(1)[0] = 10
            if type(item) is str:
                octets = PyUnicode_AsUTF8AndSize(item, &size)
                to.put(octets, size)
            else:
                to.put(digits, snprintf(digits, sizeof(digits), "%lld", <i64> item))
        first = False
    return [PyUnicode_DecodeUTF8(<char*> to.octets, to.size, NULL) for to in written]
