"""Whether what the centre answered to an activation is to be believed: root, certificate, shard. Pure.

(1) The head of the key list is signed by the root key that this till knows: the one named on the command line, the one
pinned at an earlier activation, or, at the very first, the one that the centre shows (then its kid is told, to be
compared). (2) The shard with the till keys is signed by the same root. (3) The certificate stands in the shard, word
for word. (4) It is of the key that was made here, (5) for the seller, terminal and epoch of the answer, (6) and in
force, or begins within what a clock may be off. (7) The enrolment record, which the start link builds on, names the
same seller and terminal.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from kernel.refusal import Malformed, Refusal
from pos_gateway.till.seat import Activated
from receipts.key_list import prefix_of, read_key_list, read_shard
from receipts.keys import Key, KeyRole, key_as_json, kid_of

CLOCK_OFF: Final = timedelta(hours=24)
"""How far this machine's clock may be behind the centre's for a certificate that begins now: what the rule for issuing
ahead of the last known time allows too."""


class ActivationUntrusted(Refusal):
    """What answered cannot prove that it is the centre, or gave something else than was asked for: `reason` says which
    check failed. Nothing was changed.
    """

    code = "activation_untrusted"


def check_activation(activated: Activated, *, root_kid: bytes | None, now: datetime) -> bytes:
    """Check an activation's answer and answer the kid of the root that vouches for it. Raises `ActivationUntrusted`,
    and `Malformed` where the answer is not of its form.
    """
    seat, answer = activated.seat(), activated.answer
    public_key = activated.signing_key.public_key().public_bytes_raw()
    head, root = _root_of(answer, root_kid)  # (1)
    key = _certified(answer, head, root, kid_of(public_key))  # (2)
    if key_as_json(key) != answer["certificate"]:  # (3)
        raise ActivationUntrusted(reason="the certificate is not the one of the signed shard")
    if key.public_key != public_key:  # (4)
        raise ActivationUntrusted(reason="the certificate is of another key")
    if (key.seller, key.terminal, key.epoch) != (seat.seller, seat.terminal, seat.epoch):  # (5)
        raise ActivationUntrusted(reason="the certificate is for another seller, terminal or epoch")
    if key.revoked_at is not None or not key.not_before - CLOCK_OFF <= now <= key.not_after:  # (6)
        raise ActivationUntrusted(reason=f"the certificate is in force from {key.not_before} to {key.not_after}")
    if not _names(seat.enrolment, seat.seller, seat.terminal):  # (7)
        raise ActivationUntrusted(reason="the enrolment record names another seller or terminal")
    return root


def parse_kid(text: str) -> bytes | None:
    """Read the kid of a root key, 16 hexadecimal digits; None for anything else."""
    try:
        kid = bytes.fromhex(text.strip())
    except ValueError:
        return None
    return kid if len(kid) == len(kid_of(b"")) else None


def _root_of(answer: Mapping[str, Any], pinned: bytes | None) -> tuple[Sequence[Key], bytes]:
    signed = str(answer.get("keys"))
    try:
        head = read_key_list(signed, root_kid=pinned)
    except Malformed:
        raise ActivationUntrusted(reason="the key list is not signed by the root key that this till trusts") from None
    if pinned is not None:
        return head, pinned
    for key in head:
        if key.role is KeyRole.ROOT and _signs(signed, key.kid):
            return head, key.kid
    raise AssertionError("a list that was read is signed by one of its roots")


def _signs(signed: str, root: bytes) -> bool:
    try:
        read_key_list(signed, root_kid=root)
    except Malformed:
        return False
    return True


def _certified(answer: Mapping[str, Any], head: Sequence[Key], root: bytes, kid: bytes) -> Key:
    shard = answer.get("shard")
    signed = shard.get("signed") if isinstance(shard, Mapping) else None
    try:
        keys = read_shard(str(signed), prefix=prefix_of(kid), head=head, root_kid=root)
    except Malformed:
        raise ActivationUntrusted(reason="the shard of till keys is not signed by the root key") from None
    found = [key for key in keys if key.kid == kid]
    if not found:
        raise ActivationUntrusted(reason="the signed shard does not name this till's key")
    return found[0]


def _names(enrolment: bytes, seller: int, terminal: int) -> bool:
    try:
        record = json.loads(enrolment)
        return int(record["seller"]) == seller and int(record["terminal"]) == terminal
    except (ValueError, KeyError, TypeError):
        return False
