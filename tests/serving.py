"""The whole centre behind a real socket: the app that `barimt serve` runs, over this test's own database.

A test gets it as the fixture `centre`; a module that asks for many answers and changes nothing shares one by
`shared_centre`. Sellers get their terminals and clients by the verbs of `barimt admin`, and their tokens by the real
endpoint; business time stands still until a test moves it.
"""

import contextlib
import itertools
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psycopg
import pytest
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey
from sqlalchemy import URL

from barimt.app import make_app
from barimt.authority import EPOCH, Authority
from barimt.open_authority import open_authority
from barimt.openapi import DocumentedApp
from kernel.clock import Clock, format_instant
from receipts.enrol import NewSeller, NewTerminal, add_client, add_consumer, add_seller, add_terminal
from runtime import store
from runtime.clock import real_now
from runtime.data_dir import DataDir
from runtime.database import LOGINS, Database
from runtime.database import Role as DatabaseRole
from runtime.lane import LaneProtocol
from runtime.settings import Settings, load_settings
from runtime.tokens.bearer import Role
from runtime.tokens.dev_issuer import DevIssuer
from tests.answered import Json, created, faults, part, problem, refused
from tests.described import Witness

__all__ = ["Centre", "Json", "Person", "Till", "at_once", "created", "faults", "part", "problem", "refused"]

OPENED_AT = datetime(2017, 3, 1, 1, 0, tzinfo=UTC)
"""09:00 in Ulaanbaatar."""
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
T = TypeVar("T")


@dataclass(slots=True)
class Till:
    """A seller's client with its key: what a POS vendor would write."""

    http: httpx2.Client
    client_id: str
    key: Ed25519PrivateKey
    tin: str
    terminals: tuple[str, ...]
    language: str = "en"
    _token: str | None = None
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def token_url(self) -> str:
        """Where tokens are asked for."""
        return str(self.http.base_url).rstrip("/") + "/v1/oauth/token"

    def claims(self, **changes: Any) -> Json:
        """The claims of a client assertion; a change to None leaves one out."""
        now = int(time.time())
        usual = {
            "iss": self.client_id, "sub": self.client_id, "aud": self.token_url,
            "iat": now, "exp": now + 120, "jti": secrets.token_hex(16),
        }  # fmt: skip
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def sign(self, claims: Mapping[str, Any], *, key: Any = None, alg: str = "Ed25519", **header: Any) -> str:
        """Sign claims as a client does."""
        key = key or OKPKey.import_key(pem_of(self.key))
        return jwt.encode({"alg": alg, **header}, dict(claims), key, algorithms=[alg])

    def ask_token(self, assertion: str, **form: str | None) -> httpx2.Response:
        """Ask for an access token with an assertion."""
        usual = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE,
                 "client_assertion": assertion}  # fmt: skip
        return self.http.post(
            "/v1/oauth/token", data={name: text for name, text in (usual | form).items() if text is not None}
        )

    @property
    def token(self) -> str:
        """The access token, asked for at first use."""
        if self._token is None:
            answer = self.ask_token(self.sign(self.claims()))
            assert answer.status_code == 200, answer.text
            self._token = str(answer.json()["access_token"])
        return self._token

    def headers(self, key: str | None = None, **more: str) -> dict[str, str]:
        """Authorization, language, and the idempotency key where one is given."""
        usual = {"Authorization": f"Bearer {self.token}", "Accept-Language": self.language}
        return usual | ({} if key is None else {"Idempotency-Key": key}) | more

    def new_key(self) -> str:
        """A key that this till has not used yet."""
        return f"sale-{next(self._numbers)}"

    def body(self, total_mongo: int = 11_000_00, **changes: Any) -> Json:
        """A sale of one loaf; a change to None leaves the field out."""
        usual: Json = {
            "type": "B2C_RECEIPT",
            "seller_tin": self.tin,
            "parts": [part(total_mongo)],
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def post(self, body: Any, key: str | None = None, **headers: str) -> httpx2.Response:
        """Post a receipt; bytes go as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post("/v1/receipts", content=content, headers=self.headers(key or self.new_key(), **headers))

    def sell(self, total_mongo: int = 11_000_00, **changes: Any) -> Json:
        """Post a sale that must succeed and answer the receipt."""
        return created(self.post(self.body(total_mongo, **changes)))

    def batch(self, lines: Sequence[Any], **headers: str) -> list[Json]:
        """Post a batch, of dicts or of bytes that are no JSON, and answer the verdicts."""
        answer = self.post_lines(lines, **headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.content.split(b"\n") if line]

    def post_lines(self, lines: Sequence[Any], **headers: str) -> httpx2.Response:
        """Post a batch and answer the response."""
        content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        return self.http.post("/v1/receipts/batch", content=content, headers=self.headers(**headers))

    def void(self, receipt_id: str, reason: str = "returned", key: str | None = None) -> httpx2.Response:
        """Void a receipt."""
        return self.http.post(f"/v1/receipts/{receipt_id}/void", json={"reason": reason}, headers=self.headers(key))

    def get(self, path: str, **query: Any) -> httpx2.Response:
        """Look something up under /v1/receipts."""
        return self.http.get(f"/v1/receipts{path}", params=query, headers=self.headers())


@dataclass(frozen=True, slots=True)
class Person:
    """A consumer with an app."""

    http: httpx2.Client
    consumer: int
    login_no: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept-Language": "en"}

    def claim(self, **body: str) -> httpx2.Response:
        """Claim by `qr`, or by `receipt_id` and `lottery`."""
        return self.http.post("/v1/claims", json=body, headers=self.headers)

    def get(self, path: str) -> Json:
        """Look something up under /v1/me."""
        answer = self.http.get(f"/v1/me{path}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found, dict)
        return found

    def await_claims(self, count: int, seconds: float = 5.0) -> list[Json]:
        """Wait until so many claims are there: what tills leave in the outbox follows within a second."""
        return wait_for(lambda: self.get("/claims")["claims"], lambda claims: len(claims) == count, seconds)

    def await_state(self, state: str, seconds: float = 5.0) -> Json:
        """Wait until the newest claim is in a state."""
        return wait_for(lambda: self.get("/claims")["claims"][0], lambda claim: claim["state"] == state, seconds)


@dataclass(slots=True)
class Centre:
    """The running centre. `http` asks it; `server` may be told to stop."""

    url: str
    http: httpx2.Client
    server: uvicorn.Server
    database: Database
    database_name: str
    authority: Authority
    clock_file: Path
    witness: Witness
    now: datetime = OPENED_AT
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _clients: list[httpx2.Client] = field(default_factory=list)

    def clock(self) -> datetime:
        """Business time as the centre sees it."""
        return self.now

    def set_clock(self, now: datetime) -> None:
        """Move business time."""
        draft = self.clock_file.with_suffix(".new")
        draft.write_text(now.isoformat(), encoding="ascii")
        draft.replace(self.clock_file)
        self.now = now

    def connect(self) -> httpx2.Client:
        """A client with connections of its own."""
        client = httpx2.Client(base_url=self.url, timeout=60, event_hooks={"response": [self.witness.look]})
        self._clients.append(client)
        return client

    def enrol(
        self,
        *,
        terminals: int = 1,
        vat_payer: bool = True,
        city_tax_payer: bool = False,
        mode: str = "gateway",
        tin: str | None = None,
    ) -> Till:
        """Enrol a seller with a client and terminals."""
        number = next(self._numbers)
        tin = tin or f"{37_900_000_000 + number}"
        with self.database.transaction(DatabaseRole.JOBS) as connection:
            since = date(2016, 1, 1) if vat_payer else None
            seller = NewSeller(tin, f"Дэлгүүр {number}", "4711", "2501", city_tax_payer, since)
            add_seller(connection, self.clock, seller=seller)
        return self.add_client(tin, terminals=terminals, mode=mode)

    def add_client(self, tin: str, *, terminals: int = 1, mode: str = "gateway") -> Till:
        """Enrol one more client of a seller."""
        client_id, key = f"client-{next(self._numbers)}", Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with self.database.transaction(DatabaseRole.JOBS) as connection:
            add_client(connection, self.clock, client_id=client_id, seller_tin=tin, public_key=public.decode())
        till = Till(self.connect(), client_id, key, tin, ())
        for _ in range(terminals):
            self.add_terminal(till, mode=mode)
        return till

    def add_terminal(self, till: Till, *, mode: str = "gateway") -> str:
        """Enrol one more terminal of a client and answer its number."""
        number = 10_000_000 + next(self._numbers)
        new = NewTerminal(till.tin, number, till.client_id, mode, 1, "2501")  # type: ignore[arg-type]
        with self.database.transaction(DatabaseRole.JOBS) as connection:
            keys = self.authority.signing_keys(self.now)
            add_terminal(connection, self.clock, terminal=new, epoch=EPOCH, chain_key=keys)
        till.terminals = (*till.terminals, f"{number:08d}")
        return f"{number:08d}"

    def add_person(self, *, owner_of: Till | None = None) -> Person:
        """Enrol a consumer."""
        tin = None if owner_of is None else owner_of.tin
        with self.database.transaction(DatabaseRole.JOBS) as connection:
            consumer, login_no = add_consumer(
                connection, self.clock, draw_login=lambda first, _: first + next(self._numbers), owner_of=tin
            )
        issuer = DevIssuer(self.authority.development_key)
        token = issuer.token(str(consumer), Role.CONSUMER, datetime.now(UTC), timedelta(hours=1))  # noqa: TID251
        return Person(self.http, consumer, str(login_no), token)

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database as its owner."""
        with psycopg.connect(self.database.url(DatabaseRole.OWNER), autocommit=True) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            client.close()


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Make calls at the same moment, each in a thread of its own, and answer what they answered."""
    gate = threading.Barrier(len(calls))

    def call(one: Callable[[], T]) -> T:
        gate.wait()
        return one()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(call, calls))


def wait_for(look: Callable[[], T], good: Callable[[T], bool], seconds: float) -> T:
    """Look again and again until what is seen is good."""
    ends = time.monotonic() + seconds
    while True:
        seen = look()
        if good(seen):
            return seen
        assert time.monotonic() < ends, seen
        time.sleep(0.02)


def pem_of(key: Ed25519PrivateKey) -> bytes:
    """Write a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


_witnesses: list[Witness] = []


def _witness(app: DocumentedApp) -> Witness:
    """The one witness of a run: the document is the same for every centre, and takes half a second to write."""
    if not _witnesses:
        _witnesses.append(Witness(app.openapi()))
    return _witnesses[0]


@contextlib.contextmanager
def served(
    settings: Settings, database: Database, database_name: str, *, real_clock: Clock = real_now
) -> Iterator[Centre]:
    """Serve the whole app on a free port of loopback until the end."""
    assert settings.clock_file is not None
    with database.transaction(DatabaseRole.JOBS) as connection:
        authority = open_authority(connection, lambda: OPENED_AT, settings=settings)
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = make_app(settings, database, authority, real_clock=real_clock)
        config = uvicorn.Config(app, http=LaneProtocol, log_config=None, access_log=False, server_header=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="centre")
        witness = _witness(app)
        with httpx2.Client(base_url=url, timeout=60, event_hooks={"response": [witness.look]}) as http:
            centre = Centre(url, http, server, database, database_name, authority, settings.clock_file, witness)
            centre.set_clock(OPENED_AT)
            thread.start()
            try:
                wait_for(lambda: server.started or not thread.is_alive(), bool, 30)
                assert server.started
                yield centre
            finally:
                centre.close()
                server.should_exit = True
                thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def centre(settings: Settings, database: Database, database_name: str, tmp_path: Path) -> Iterator[Centre]:
    """The centre of this test alone."""
    clock_file = tmp_path / "clock"
    clock_file.write_text(OPENED_AT.isoformat(), encoding="ascii")
    settings = settings.model_copy(update={"clock_file": clock_file, "port": 0})
    with served(settings, database, database_name) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_centre(
    admin: psycopg.Connection[Any],
    template: str,
    server_url: URL,
    system_dir: Path,
    run_passwords: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Centre]:
    """The centre of all tests of one module."""
    folder = tmp_path_factory.mktemp("shared")
    data_dir = DataDir.make(folder / "data")
    data_dir.keep_passwords(run_passwords)
    clock_file = folder / "clock"
    clock_file.write_text(OPENED_AT.isoformat(), encoding="ascii")
    name = f"barimt_shared_{secrets.token_hex(6)}"
    store.make_database(admin, name, owner=DatabaseRole.OWNER.login, template=template)
    store.close_database(admin, name, guests=LOGINS)
    url = server_url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    settings = load_settings(
        data_dir=data_dir.root, system_dir=system_dir, database_url=url, clock_file=clock_file, port=0
    )
    with (
        contextlib.closing(Database(server_url.set(database=name), run_passwords)) as database,
        served(settings, database, name) as opened,
    ):
        yield opened
    admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def in_ulaanbaatar(instant: datetime) -> str:
    """Write an instant as a till does."""
    return format_instant(instant)
