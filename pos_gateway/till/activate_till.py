"""Activation: a one-time code becomes a seat. And replacement: the old chain ends before the new seat begins.

Both keys are made, and on the disk with mode 0600, before the code is sent: when the answer is lost, the same code with
the same keys gets it again. Nothing is believed before it is checked (`certification`), and what was checked is pinned.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.canonical import base64url, sha256
from kernel.clock import Clock
from kernel.identity import format_terminal
from kernel.refusal import Refusal
from pos_gateway.till.ask_centre import AskCentre
from pos_gateway.till.centre_file import CentreFile
from pos_gateway.till.certification import check_activation
from pos_gateway.till.installation import Installation
from pos_gateway.till.seat import Activated, Seat
from pos_gateway.till.till_dir import TillDir
from receipts.activation_code import format_code, parse_code
from runtime.key_files import make_secret, read_signing_key


class SeatTaken(Refusal):
    """The code is for a seller that has a seat here already: that one is replaced, not added to."""

    code = "seat_taken"


class ReplacesNothing(Refusal):
    """The code is for a seller that has no seat here: it is activated, and replaces nothing."""

    code = "replaces_nothing"


@dataclass(frozen=True, slots=True)
class Activation:
    """A seat that was activated, the root key that vouches for it, and the seat that it replaced."""

    seat: Seat
    root_kid: bytes
    replaced: Seat | None = None


async def activate_till(
    installation: Installation, centre: AskCentre, *, code: str, clock: Clock, root_kid: bytes | None = None
) -> Activation:
    """Activate a seat with a one-time code, which may be repeated whatever became of the last time.

    `root_kid` is the root key that somebody named; one that is pinned must be the same. Raises `Malformed`,
    `CentreFailure`, `ActivationUntrusted` or `SeatTaken`.
    """
    asked = _Asked.of(installation.dir, code)
    if (done := _done_before(installation, asked)) is not None:
        return done
    activated, root = await _ask(installation.dir, centre, asked, clock, root_kid)
    seat = activated.seat()
    taken = installation.seat_of(seat.tin)
    if taken is not None and taken.chain != seat.chain:
        raise SeatTaken(seller=seat.name, terminal=format_terminal(taken.terminal))
    return await _take_seat(installation, asked, activated, Activation(seat, root))


async def replace_till(
    installation: Installation,
    centre: AskCentre,
    *,
    code: str,
    clock: Clock,
    upload: Callable[[], Awaitable[int]],
) -> tuple[Activation, int]:
    """Replace a seller's terminal: ask for the new one, end the old chain with its closing link, upload, take the new
    seat. Answers it with how many receipts of the old chain still wait: they are uploaded as ever.

    The new terminal is there before the old one is closed, so that a wrong code closes nothing. It may be repeated.
    Raises what `activate_till` raises, and `ReplacesNothing`.
    """
    asked = _Asked.of(installation.dir, code)
    if (done := _done_before(installation, asked)) is not None:
        return done, await upload()
    activated, root = await _ask(installation.dir, centre, asked, clock, None)
    seat = activated.seat()
    old = [one for one in installation.seats if one.tin == seat.tin and one.chain != seat.chain]
    if not old:
        raise ReplacesNothing(seller=seat.name)
    for one in old:
        if one.closed_at is None:
            await installation.close_chain(one)
    waiting = await upload()
    return await _take_seat(installation, asked, activated, Activation(seat, root, old[-1])), waiting


@dataclass(frozen=True, slots=True)
class _Asked:
    """A code with the two keys that were made for it, in files named by the code's digest."""

    code: str
    name: str
    signing_file: Path
    client_file: Path

    @classmethod
    def of(cls, till_dir: TillDir, text: str) -> "_Asked":
        code = parse_code(text)
        name = f"asked-{sha256(code.encode()).hex()[:16]}"
        return cls(code, name, till_dir.keys / f"{name}.key", till_dir.keys / f"{name}.client.key")

    def keys(self) -> tuple[Ed25519PrivateKey, Ed25519PrivateKey]:
        """Answer both keys, made where they are missing. Raises `KeyFileUnusable`."""
        for path in (self.signing_file, self.client_file):
            make_secret(path)
        return read_signing_key(self.signing_file), read_signing_key(self.client_file)

    def forget(self) -> None:
        for path in (self.signing_file, self.client_file):
            path.unlink(missing_ok=True)


async def _ask(
    till_dir: TillDir, centre: AskCentre, asked: _Asked, clock: Clock, root_kid: bytes | None
) -> tuple[Activated, bytes]:
    """Ask with the code's keys, check the answer, and pin the root key and the centre's address."""
    signing_key, client_key = asked.keys()
    body = {
        "code": format_code(asked.code),
        "public_key": base64url(signing_key.public_key().public_bytes_raw()),
        "client_key": base64url(client_key.public_key().public_bytes_raw()),
    }
    activated = Activated(await centre.activate(body), signing_key, client_key)
    kept = CentreFile.of(till_dir)
    root = check_activation(activated, root_kid=kept.root_kid or root_kid, now=clock())
    kept.keeping(url=centre.url, root_kid=root)
    return activated, root


async def _take_seat(
    installation: Installation, asked: _Asked, activated: Activated, activation: Activation
) -> Activation:
    seat = await asyncio.to_thread(installation.add_seat, activated)
    await installation.remember(asked.name, seat.label.encode())
    asked.forget()
    return Activation(seat, activation.root_kid, activation.replaced)


def _done_before(installation: Installation, asked: _Asked) -> Activation | None:
    """Answer what a code was used for here before; its keys are the seat's by now, so that nobody need be asked."""
    kept, root = installation.remembered(asked.name), CentreFile.of(installation.dir).root_kid
    label = None if kept is None else kept.body.decode()
    seat = next((one for one in installation.seats if one.label == label), None)
    return None if seat is None or root is None else Activation(seat, root)
