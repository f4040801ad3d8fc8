# cython: language_level=3, cdivision=True, initializedcheck=False
"""The head of a plain request in C; its twin in Python is `runtime.lane.plain_head_in_python`, which is the one to read.

`tests/runtime/test_plain_head.py` holds them against each other.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp

ctypedef unsigned char octet

cdef frozenset _NOT_PLAIN = frozenset((b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"))
cdef enum:
    LENGTH_DIGITS_MAX = 9
    NAME_MAX = 128


cdef inline octet _small(octet letter) noexcept:
    """Answer the small letter of a letter, a digit or a hyphen as it is, and 0 for anything else."""
    if 65 <= letter <= 90:
        return letter + 32
    return letter if 97 <= letter <= 122 or 48 <= letter <= 57 or letter == 45 else 0


def plain_head(bytes data, bytes path, long body_bytes_max) -> tuple | None:
    """Answer the fields, the size of the head and where the body ends, as `plain_head_in_python` does."""
    cdef const octet* octets = <const octet*> PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), at, begins, length
    cdef octet name[NAME_MAX]
    cdef octet letter
    cdef long body = 0
    cdef dict fields = {}
    at = 5 + PyBytes_GET_SIZE(path)
    if size < at + 11 or memcmp(octets, b"POST ", 5) or memcmp(octets + 5, PyBytes_AS_STRING(path), at - 5):
        return None
    if memcmp(octets + at, b" HTTP/1.1\r\n", 11):
        return None
    at += 11
    while at < size and octets[at] != 13:
        length = 0
        while at < size and length < NAME_MAX:
            letter = _small(octets[at])
            if letter == 0:
                break
            name[length] = letter
            length += 1
            at += 1
        if length == 0 or at + 2 > size or octets[at] != 58 or octets[at + 1] != 32:
            return None
        at += 2
        begins = at
        while at < size and (33 <= octets[at] <= 126 or octets[at] == 32 and at > begins and octets[at - 1] != 32):
            at += 1
        if at == begins or octets[at - 1] == 32 or at + 2 > size or octets[at] != 13 or octets[at + 1] != 10:
            return None
        field = PyBytes_FromStringAndSize(<char*> name, length)
        if field in fields or field in _NOT_PLAIN:
            return None
        fields[field] = PyBytes_FromStringAndSize(<char*> octets + begins, at - begins)
        at += 2
    if not fields or at + 2 > size or octets[at + 1] != 10:
        return None
    at += 2
    stated = fields.get(b"content-length")
    if stated is None or not 1 <= len(<bytes> stated) <= LENGTH_DIGITS_MAX:
        return None
    for letter in <bytes> stated:
        if not 48 <= letter <= 57:
            return None
        body = body * 10 + letter - 48
    if body > body_bytes_max or (<bytes> fields.get(b"connection", b"keep-alive")).lower() != b"keep-alive":
        return None
    return fields, at, at + body
