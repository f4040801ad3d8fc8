"""Links that a till signed itself: the worker's CPU for one of an upload of 1,000, against verifying it.

    python -m benchmarks.bench_signed [--rounds 5] [--json]

A till of the benchmark's own signs receipts of five lines beforehand and uploads them in bodies of 1,000, one after
another, over one connection. What is paid without a centre is timed before and after each round, by the CPU that it
uses: the bare Ed25519 verification, and all of docs/formats/verification.md from the QR text to the document. At the
end the same bodies are uploaded once more: a till that has lost an answer. Exit 1 when a link costs more than twice its
verification (median), or one is not stored as it was signed.
"""

import argparse
import base64
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from barimt.authority import EPOCH
from barimt.open_authority import open_authority, root_for
from benchmarks.enrolled import make_key, plan_for
from benchmarks.pairs import Spread, spread
from benchmarks.processes import read_cpu, spent
from benchmarks.served import Server, centre_served, free_port, scratch_dir
from benchmarks.till_requests import GOODS, LINES
from receipts import qr
from receipts.chain import ChainKey, Draft, Link, advance, first_head
from receipts.document import Document, Line, Part
from receipts.enrol import NewSeller, NewTerminal, add_client, add_seller, add_terminal
from receipts.keys import Key, Keyring, KeyRole, Signer, keyring_of, turnover_key
from receipts.publish_keys import publish_keys
from receipts.receipt import Nature, TaxType
from receipts.tax import split_plain
from receipts.verification import verify_document, verify_text
from runtime.clock import business_clock
from runtime.database import Role, join_database
from runtime.settings import load_settings

VERIFICATIONS_MAX = 2.0
BODY = 1000
BODIES = 5
"""Bodies of a round."""
TIN, TERMINAL = "38000000001", 20_000_001


@dataclass(frozen=True, slots=True)
class Signed:
    """A till, ready to upload: its token, its published key, and the bodies that it will send."""

    port: int
    token: str
    keyring: Keyring
    links: Sequence[Link]

    def bodies(self, first: int, count: int) -> Iterator[bytes]:
        """Answer the bodies of so many links."""
        for at in range(first, first + count, BODY):
            yield b"\n".join([_line(link) for link in self.links[at : min(at + BODY, first + count)]])


@dataclass(frozen=True, slots=True)
class Figures:
    """What a link of an upload costs. Microseconds of CPU."""

    of_verification: Spread
    """The worker's CPU for a link, in verifications of QR and document."""
    of_signature: Spread
    """The same in bare Ed25519 verifications."""
    worker_us: Spread
    postgres_us: Spread
    verification_us: Spread
    signature_us: Spread
    links_a_second: Spread
    repeated_us: float
    """The worker's CPU for a link that is stored already."""
    stored: int

    @property
    def good(self) -> bool:
        """Whether the bar is met."""
        return self.of_verification.median <= VERIFICATIONS_MAX


def measure(server: Server, data_dir: Path, *, rounds: int, bodies: int = BODIES) -> Figures:
    """Upload to the centre that serves `data_dir`, and time verifications between."""
    count = bodies * BODY
    verification, signature, worker, postgres, rates = (list[float]() for _ in range(5))
    signed = _sign(data_dir, server.port, 1 + (rounds + 1) * count)
    _upload(server, signed, 0, 1 + count, 201)
    for at in range(1 + count, len(signed.links), count):
        before = _verifications_us(signed, at)
        cost = _upload(server, signed, at, count, 201)
        after = _verifications_us(signed, at)
        verification.append((before[0] + after[0]) / 2)
        signature.append((before[1] + after[1]) / 2)
        worker.append(cost[0])
        postgres.append(cost[1])
        rates.append(cost[2])
    repeated = _upload(server, signed, 1, count, 200)
    return Figures(
        of_verification=spread([a / b for a, b in zip(worker, verification, strict=True)], 2),
        of_signature=spread([a / b for a, b in zip(worker, signature, strict=True)], 2),
        worker_us=spread(worker, 1),
        postgres_us=spread(postgres, 1),
        verification_us=spread(verification, 1),
        signature_us=spread(signature, 1),
        links_a_second=spread(rates, 0),
        repeated_us=round(repeated[0], 1),
        stored=len(signed.links),
    )


def _upload(server: Server, signed: Signed, first: int, count: int, status: int) -> tuple[float, float, float]:
    """Upload so many links and answer the CPU of worker and PostgreSQL for one, in µs, and links a second."""
    headers = {"Authorization": f"Bearer {signed.token}"}
    prepared = list(signed.bodies(first, count))
    before = read_cpu(server.watched)
    with httpx2.Client(base_url=f"http://127.0.0.1:{signed.port}", timeout=120) as http:
        answers = [http.post("/v1/receipts/signed", content=body, headers=headers) for body in prepared]
    used = spent(before, read_cpu(server.watched))
    verdicts = [json.loads(line) for answer in answers for line in answer.content.splitlines()]
    hashes = [link.receipt_hash.hex() for link in signed.links[first : first + count]]
    assert [(one["hash"], one["status"], one["receipt"]["findings"]) for one in verdicts] == [
        (digest, status, []) for digest in hashes
    ], "not everything was stored as it was signed"
    worker, postgres = (used.group_s[name] / count * 1e6 for name in ("worker", "postgres"))
    return worker, postgres, count / used.seconds


def _verifications_us(signed: Signed, first: int) -> tuple[float, float]:
    """Answer the CPU of verifying a link with its document, and of its signature alone, in µs."""
    links = signed.links[first : first + BODY]
    texts = [(qr.encode_text(link.cose), link.document) for link in links]
    [key] = signed.keyring.values()
    signatures = [(link.cose[80:], qr.to_sign(link.cose[7:15], link.cose[18:78])) for link in links]

    def whole() -> None:
        for said, document in texts:
            verify_document(verify_text(said, signed.keyring).payload, document)

    def alone() -> None:
        for signature, message in signatures:
            key.verifier.verify(signature, message)

    return _cpu_us(whole), _cpu_us(alone)


def _cpu_us(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / BODY * 1e6


def _sign(data_dir: Path, port: int, count: int) -> Signed:
    """Enrol a till and let it sign so many links, the first of them its start."""
    settings, clock = load_settings(data_dir=data_dir, port=port), business_clock(None)
    private, tin = Ed25519PrivateKey.generate(), TIN
    with join_database(settings) as database, database.transaction(Role.JOBS) as connection:
        authority = open_authority(connection, clock, settings=settings)
        shop = NewSeller(tin, "Дэлгүүр", "4711", "2501", vat_registered_from=date(2016, 1, 1))
        add_seller(connection, clock, seller=shop)
        public_key = make_key(data_dir.parent, tin)
        add_client(connection, clock, client_id=tin, seller_tin=tin, public_key=public_key)
        new = NewTerminal(tin, TERMINAL, tin, "till", 1, "2501")
        seller = add_terminal(connection, clock, terminal=new, epoch=EPOCH, chain_key=authority.signing_keys(clock()))
        root = root_for(connection, clock, settings=settings, wanted="to certify a till")
        gateway = next(key for key in authority.published if key.role is KeyRole.GATEWAY)
        key = Key(
            private.public_key().public_bytes_raw(), KeyRole.TILL, gateway.not_before, gateway.not_after,
            seller, TERMINAL, EPOCH,
        )  # fmt: skip
        publish_keys(connection, clock, keys=[key], root=root)
        enrolment, enrolled_at = connection.execute(
            text("SELECT enrolment, enrolled_at FROM pos.terminals WHERE terminal = :number"), {"number": TERMINAL}
        ).one()
    sealing = turnover_key(authority.masters[EPOCH], seller=seller, terminal=TERMINAL, epoch=EPOCH)
    chain_key = ChainKey(Signer(private, by_till=True), sealing)
    head = first_head(seller=seller, terminal=TERMINAL, enrolment=bytes(enrolment), enrolled_at=enrolled_at)
    links = []
    for number in range(count):
        draft = _sale(tin, seller, number) if number else _start()
        link, head = advance(head, draft, issued_at=clock(), key=chain_key)
        links.append(link)
    return Signed(port, plan_for(data_dir, port, [(tin, f"{TERMINAL:08d}")]).seats[0].token, keyring_of([key]), links)


def _start() -> Draft:
    return Draft(Nature.START, business=False, lottery=False, branch=1, total_mongo=0, vat_mongo=0, document=Document())


def _sale(tin: str, seller: int, number: int) -> Draft:
    """A receipt of five lines, as the load clients of the other benchmarks post them."""
    lines = []
    for at in range(LINES):
        units, price = (number + at) % 3 + 1, (number * 7 + at * 131) % 9_973 * 100 + 50_000
        name = GOODS[(number + at * 5) % len(GOODS)].decode()
        lines.append(Line(name, f"{units}.000", "ш", units * price, price, barcode=f"{number * LINES + at:013d}"))
    total = sum(line.total_mongo for line in lines)
    vat = split_plain([line.total_mongo for line in lines], vat_per_mille=100)
    return Draft(
        Nature.SALE, business=False, lottery=True, branch=1, total_mongo=total, vat_mongo=vat,
        document=Document(parts=(Part(tin, TaxType.VAT_ABLE, total, vat, 0, tuple(lines)),)), part_sellers=(seller,),
    )  # fmt: skip


def _line(link: Link) -> bytes:
    document = base64.urlsafe_b64encode(link.document).rstrip(b"=").decode()
    return json.dumps({"qr": qr.encode_text(link.cose), "document": document}).encode()


def show(figures: Figures) -> None:
    """Print what a link costs."""
    table = Table("figure", "least", "median", "most", title="Links that a till signed, uploaded by the thousand")
    for name, told in (
        (f"worker CPU a link, in verifications (at most {VERIFICATIONS_MAX})", figures.of_verification),
        ("worker CPU a link, in bare Ed25519 verifications", figures.of_signature),
        ("worker CPU a link, µs", figures.worker_us),
        ("PostgreSQL CPU a link, µs", figures.postgres_us),
        ("verifying QR and document, µs", figures.verification_us),
        ("one bare verification, µs", figures.signature_us),
        ("links a second, one connection", figures.links_a_second),
    ):
        table.add_row(*told.row(name))
    console = Console()
    console.print(table)
    console.print(
        f"Sent again: {figures.repeated_us:,} µs a link. All {figures.stored:,} are stored as they were signed."
    )


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with scratch_dir() as folder, centre_served(folder / "data", free_port()) as server:
        figures = measure(server, folder / "data", rounds=given.rounds)
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
