"""The one form of CBOR in which documents are written, and a reader that refuses every other form.

Deterministic encoding (RFC 8949, 4.2.1) of integers from -2^64 to 2^64-1, text, arrays, and maps whose keys are
integers from 0 in ascending order. Text is NFC and has no U+0000, which no table could hold. There are no byte strings,
tags, floats or indefinite lengths. A general decoder would interpret tags in the bytes of strangers; this one cannot.
"""

import unicodedata

Value = int | str | list["Value"] | dict[int, "Value"]
DEPTH_MAX = 8
"""Containers within containers; a document has five."""
_UNSIGNED, _NEGATIVE, _TEXT, _ARRAY, _MAP = 0, 1, 3, 4, 5
_IN_HEAD = 24
_LONGER = {24: (1, 24), 25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}
"""By the low five bits of a head: how many bytes the argument has, and the least one that needs so many."""


class NotDeterministic(ValueError):  # noqa: N818 - named by what the bytes are
    """The bytes are not one value in its one form."""


def read(octets: bytes) -> Value:
    """Read exactly one value that fills `octets`. Raises `NotDeterministic`."""
    try:
        value, end = _item(octets, 0, DEPTH_MAX)
    except IndexError:
        raise NotDeterministic from None  # the octets end where another was to come
    if end != len(octets):
        raise NotDeterministic
    return value


def _item(octets: bytes, at: int, depth: int) -> tuple[Value, int]:
    head = octets[at]
    major, argument = head >> 5, head & 31
    at += 1
    if argument >= _IN_HEAD:
        argument, at = _longer(octets, at, argument)
    if major == _TEXT:
        return _text(octets[at : at + argument], argument), at + argument
    if major == _UNSIGNED:
        return argument, at
    if depth and major == _MAP:
        return _map(octets, at, argument, depth - 1)
    if depth and major == _ARRAY:
        return _array(octets, at, argument, depth - 1)
    if major == _NEGATIVE:
        return -1 - argument, at
    raise NotDeterministic


def _longer(octets: bytes, at: int, argument: int) -> tuple[int, int]:
    """Answer an argument that does not fit into the head, and where the rest begins."""
    size, least = _LONGER.get(argument, (0, 1))
    argument = int.from_bytes(octets[at : at + size])
    if argument < least or at + size > len(octets):
        raise NotDeterministic
    return argument, at + size


def _text(octets: bytes, length: int) -> str:
    text = octets.decode()  # a UnicodeDecodeError is a ValueError too
    if len(octets) < length or "\0" in text or not unicodedata.is_normalized("NFC", text):
        raise NotDeterministic
    return text


def _array(octets: bytes, at: int, count: int, depth: int) -> tuple[list[Value], int]:
    items: list[Value] = []
    for _ in range(count):
        item, at = _item(octets, at, depth)
        items.append(item)
    return items, at


def _map(octets: bytes, at: int, count: int, depth: int) -> tuple[dict[int, Value], int]:
    fields: dict[int, Value] = {}
    last = -1
    for _ in range(count):
        key = octets[at]
        at += 1
        if key >= _IN_HEAD:  # the head of an unsigned integer is its argument as long as that fits
            if key >> 5 != _UNSIGNED:
                raise NotDeterministic
            key, at = _longer(octets, at, key)
        if key <= last:
            raise NotDeterministic
        fields[key], at = _item(octets, at, depth)
        last = key
    return fields, at
