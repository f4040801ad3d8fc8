"""Activation in the database: what it makes, what the tills' role may do of it by itself, and who waits for whom."""

import itertools
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.canonical import sha256
from kernel.clock import business_day
from receipts.activate_terminal import Activated, ActivationCodeUnknown, Candidate, Certifier, activate_terminal
from receipts.check_receipts import check_receipts
from receipts.end_terminal import NotSuspended, declare_lost, reinstate
from receipts.enrol import NewSeller, SellerUnknown, TerminalExists, add_seller
from receipts.key_list import prefix_of, read_key_list, read_shard
from receipts.keys import kid_of
from receipts.make_activation_code import (
    FIRST_NUMBER,
    MadeCode,
    NewTill,
    TerminalNumbersExhausted,
    make_activation_code,
)
from receipts.orders import TerminalClosed, TerminalUnknown
from receipts.publish_keys import publish_keys, revoke_key
from receipts.store import publishing
from runtime.clock import real_now
from runtime.database import Database, Role
from tests.factories import OPENED_AT
from tests.receipts.examples import GATEWAY_KEY, ROOT, ROOT_KEY
from tests.serving import at_once

TIN, SELLER = "37900846788", 37900846788
CALL = """
SELECT pos.activate_terminal(%(code)s, 'c', 'pem', %(key)s, %(key)s, 1, '\\x00', now(), 6263, now() + interval '1 day',
  1, 'shard')
"""


@pytest.fixture
def centre(database: Database) -> Database:
    """A centre that has published its keys and enrolled one seller."""
    with database.transaction(Role.JOBS) as connection:
        publish_keys(connection, clock, keys=[ROOT_KEY, GATEWAY_KEY], root=ROOT)
        add_seller(connection, clock, seller=NewSeller(TIN, "Дэлгүүр", "4711", "2501"))
    return database


def clock() -> Any:
    return OPENED_AT


def code(database: Database, **till: Any) -> MadeCode:
    with database.transaction(Role.JOBS) as connection:
        return make_activation_code(connection, real_now, till=NewTill(TIN, **till), draw=secrets.token_bytes)


def candidate(made: MadeCode, key: Ed25519PrivateKey | None = None) -> Candidate:
    keys = [(key or Ed25519PrivateKey.generate()), Ed25519PrivateKey.generate()]
    return Candidate(made.code, *(one.public_key().public_bytes_raw() for one in keys))


_clients = itertools.count(1)


def activate(database: Database, who: Candidate) -> Activated:
    """Activate as the gateway does: as its role, in one transaction."""
    certifier = Certifier(1, lambda _connection: ROOT, lambda: f"t-{next(_clients)}")
    with database.transaction(Role.GATEWAY) as connection:
        return activate_terminal(connection, clock, candidate=who, certifier=certifier)


def of_one_prefix(count: int) -> Iterator[Ed25519PrivateKey]:
    """Keys whose kids begin with the same two digits."""
    made = (Ed25519PrivateKey.from_private_bytes(number.to_bytes(32)) for number in itertools.count(1))
    alike = (key for key in made if prefix_of(kid_of(key.public_key().public_bytes_raw())) == "5a")
    return itertools.islice(alike, count)


class TestActivateTerminal:
    def test_makes_client_terminal_chain_and_certificate(self, centre: Database) -> None:
        made = code(centre, number=7, branch=3, district="2505")
        who = candidate(made)
        activated = activate(centre, who)
        assert (activated.seller, activated.terminal, activated.branch, activated.district) == (SELLER, 7, 3, "2505")
        with psycopg.connect(centre.url(Role.OWNER)) as connection:
            [terminal] = connection.execute(
                "SELECT mode, branch, district, epoch, enrolment, enrolled_at, client_id, closed_at FROM pos.terminals"
            ).fetchall()
            assert terminal == ("till", 3, "2505", 1, activated.enrolment, OPENED_AT, activated.client_id, None)
            [chain] = connection.execute("SELECT * FROM pos.chains").fetchall()
            assert chain == (SELLER, 7, 0, sha256(activated.enrolment), 0, business_day(OPENED_AT), 0, OPENED_AT)
            [used] = connection.execute("SELECT public_key, client_key, client_id FROM pos.activation_codes").fetchall()
            assert used == (who.public_key, who.client_key, activated.client_id)
        assert made.code.encode() not in repr(used).encode()

    def test_leaves_nothing_behind_a_refusal(self, centre: Database) -> None:
        made = code(centre)
        activate(centre, candidate(made))
        with pytest.raises(ActivationCodeUnknown):
            activate(centre, candidate(made))
        with psycopg.connect(centre.url(Role.OWNER)) as connection:
            counts = "SELECT (SELECT count(*) FROM pos.clients), (SELECT count(*) FROM pos.keys WHERE role = 'till')"
            assert connection.execute(counts).fetchone() == (1, 1)

    def test_loses_no_key_of_a_shard_that_many_sign_at_once(self, centre: Database) -> None:
        who = [candidate(code(centre), key) for key in of_one_prefix(6)]
        done = at_once(*(lambda one=one: activate(centre, one) for one in who))  # type: ignore[misc]
        assert not any(one.repeated for one in done)
        with centre.transaction(Role.OWNER) as connection:
            version, signed = publishing.find_shard(connection, "5a") or (0, "")
            listed = read_shard(signed, prefix="5a", head=publishing.list_head_keys(connection))
            broken = [one.invariant.code for one in check_receipts(connection, masters={1: bytes(32)}) if not one.holds]
        assert version == 6
        assert {key.kid for key in listed} == {one.certificate.kid for one in done}
        assert broken == []

    def test_lets_a_revocation_and_an_activation_of_one_shard_meet(self, centre: Database) -> None:
        keys = list(of_one_prefix(5))
        first = [activate(centre, candidate(code(centre), key)) for key in keys[:2]]

        def revoke(kid: bytes) -> None:
            with centre.transaction(Role.JOBS) as connection:
                revoke_key(connection, clock, kid=kid, root=ROOT)

        later = [candidate(code(centre), key) for key in keys[2:]]
        at_once(
            *(lambda one=one: revoke(one.certificate.kid) for one in first),  # type: ignore[misc]
            *(lambda one=one: activate(centre, one) for one in later),  # type: ignore[misc]
        )
        with centre.transaction(Role.OWNER) as connection:
            _, signed = publishing.find_shard(connection, "5a") or (0, "")
            listed = read_shard(signed, prefix="5a", head=publishing.list_head_keys(connection))
        assert sorted(key.revoked_at is None for key in listed) == [False, False, True, True, True]

    def test_leaves_the_head_alone(self, centre: Database) -> None:
        with centre.transaction(Role.OWNER) as connection:
            before = publishing.latest_key_list(connection)
        activated = activate(centre, candidate(code(centre)))
        with centre.transaction(Role.OWNER) as connection:
            assert publishing.latest_key_list(connection) == before
        assert len(read_key_list(activated.head)) == 2


class TestMakeActivationCode:
    def test_gives_the_lowest_number_that_is_free(self, centre: Database) -> None:
        numbers = [code(centre).terminal, code(centre, number=FIRST_NUMBER + 1).terminal, code(centre).terminal]
        assert numbers == [FIRST_NUMBER, FIRST_NUMBER + 1, FIRST_NUMBER + 2]

    def test_gives_no_number_twice_at_once(self, centre: Database) -> None:
        made = at_once(*[lambda: code(centre)] * 4)
        assert len({one.terminal for one in made}) == 4

    def test_refuses(self, centre: Database) -> None:
        activate(centre, candidate(code(centre, number=7)))
        with pytest.raises(TerminalExists):
            code(centre, number=7)
        with centre.transaction(Role.JOBS) as connection, pytest.raises(SellerUnknown):
            make_activation_code(connection, real_now, till=NewTill("27900846788"), draw=bytes)
        with psycopg.connect(centre.url(Role.OWNER), autocommit=True) as connection:
            connection.execute(
                "INSERT INTO pos.activation_codes (code_hash, seller, terminal, branch, district, made_at, expires_at)"
                " SELECT sha256(convert_to(n::text, 'UTF8')), %s, n, 1, '2501', now(), now()"
                " FROM unnest(ARRAY[10000001, 99999999]) AS n",
                (SELLER,),
            )
            connection.execute("UPDATE pos.activation_codes SET terminal = 99999999 WHERE terminal = 10000001")
        assert code(centre).terminal == FIRST_NUMBER

    def test_says_when_no_number_is_left(self, centre: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("receipts.make_activation_code.FIRST_NUMBER", 99_999_999)
        assert code(centre).terminal == 99_999_999
        with pytest.raises(TerminalNumbersExhausted):
            code(centre)


class TestEndTerminal:
    def test_a_loss_closes_the_till_revokes_its_key_and_silences_its_client(self, centre: Database) -> None:
        activated = activate(centre, candidate(code(centre, number=7)))
        revoked: list[bytes] = []
        with centre.transaction(Role.JOBS) as connection:
            declare_lost(connection, clock, seller_tin=TIN, number=7, revoke=revoked.append)
        assert revoked == [activated.certificate.kid]
        with psycopg.connect(centre.url(Role.OWNER)) as connection:
            [row] = connection.execute(
                "SELECT t.closed_at, c.revoked_at FROM pos.terminals t JOIN pos.clients c USING (client_id)"
            ).fetchall()
            assert row == (OPENED_AT, OPENED_AT)
        with centre.transaction(Role.JOBS) as connection, pytest.raises(TerminalClosed):
            declare_lost(connection, clock, seller_tin=TIN, number=7, revoke=revoked.append)
        with centre.transaction(Role.JOBS) as connection, pytest.raises(TerminalUnknown):
            declare_lost(connection, clock, seller_tin=TIN, number=8, revoke=revoked.append)

    def test_a_client_with_another_open_terminal_speaks_on(self, centre: Database) -> None:
        first, second = (activate(centre, candidate(code(centre))) for _ in range(2))
        with psycopg.connect(centre.url(Role.OWNER), autocommit=True) as owner:
            owner.execute("UPDATE pos.terminals SET client_id = %s", (first.client_id,))
            for terminal, expected in ((first.terminal, None), (second.terminal, OPENED_AT)):
                with centre.transaction(Role.JOBS) as connection:
                    declare_lost(connection, clock, seller_tin=TIN, number=terminal, revoke=lambda _kid: None)
                [(revoked_at,)] = owner.execute(
                    "SELECT revoked_at FROM pos.clients WHERE client_id = %s", (first.client_id,)
                ).fetchall()
                assert revoked_at == expected

    def test_a_suspended_till_is_reinstated_once(self, centre: Database) -> None:
        activate(centre, candidate(code(centre, number=7)))
        with centre.transaction(Role.JOBS) as connection, pytest.raises(NotSuspended):
            reinstate(connection, seller_tin=TIN, number=7)
        with psycopg.connect(centre.url(Role.GATEWAY), autocommit=True) as gateway:
            gateway.execute("UPDATE pos.terminals SET suspended_at = now(), suspended_for = 'fork'")
        with centre.transaction(Role.JOBS) as connection:
            assert reinstate(connection, seller_tin=TIN, number=7) == "fork"
        with psycopg.connect(centre.url(Role.OWNER)) as owner:
            assert owner.execute("SELECT suspended_at, suspended_for FROM pos.terminals").fetchall() == [(None, None)]


class TestRoleOfTheGateway:
    def refused(self, database: Database, statement: str, **values: Any) -> None:
        with (
            psycopg.connect(database.url(Role.GATEWAY), autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement, values)

    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT * FROM pos.activation_codes",
            "INSERT INTO pos.activation_codes DEFAULT VALUES",
            "UPDATE pos.activation_codes SET used_at = NULL",
            "INSERT INTO pos.terminals DEFAULT VALUES",
            "INSERT INTO pos.clients DEFAULT VALUES",
            "INSERT INTO pos.chains DEFAULT VALUES",
            "INSERT INTO pos.key_shards DEFAULT VALUES",
            "UPDATE pos.key_shards SET signed = ''",
            "INSERT INTO pos.seller_accounts DEFAULT VALUES",
            "UPDATE pos.sellers SET reg_no = '1234567'",
        ],
    )
    def test_enrols_nobody_by_itself(self, database: Database, statement: str) -> None:
        self.refused(database, statement)

    def test_enrols_nobody_without_a_code(self, centre: Database) -> None:
        made = code(centre)
        with psycopg.connect(centre.url(Role.OWNER)) as owner:
            [(hashed,)] = owner.execute("SELECT encode(code_hash, 'hex') FROM pos.activation_codes").fetchall()
        with psycopg.connect(centre.url(Role.GATEWAY), autocommit=True) as gateway:
            for guess in ("0" * 16, hashed, ""):
                assert gateway.execute(CALL, {"code": guess, "key": bytes(32)}).fetchone() == (False,)
                assert gateway.execute("SELECT * FROM pos.activation_of(%s)", (guess,)).fetchall() == []
            assert gateway.execute(CALL, {"code": made.code, "key": bytes(32)}).fetchone() == (True,)
            assert gateway.execute("SELECT terminal FROM pos.terminals").fetchall() == [(made.terminal,)]

    @pytest.mark.parametrize("role", [Role.CLAIMS, Role.OFFICER, Role.JOBS])
    def test_is_the_only_one_that_may_call(self, database: Database, role: Role) -> None:
        for statement in ("SELECT * FROM pos.activation_of('x')", CALL):
            with (
                psycopg.connect(database.url(role), autocommit=True) as connection,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                connection.execute(statement, {"code": "x", "key": bytes(32)} if "%" in statement else None)

    def test_stores_no_shard_over_a_newer_one(self, centre: Database) -> None:
        keys = list(of_one_prefix(2))
        activate(centre, candidate(code(centre), keys[0]))
        made, key = code(centre), keys[1].public_key().public_bytes_raw()
        with (
            psycopg.connect(centre.url(Role.GATEWAY), autocommit=True) as gateway,
            pytest.raises(psycopg.errors.SerializationFailure, match="meanwhile"),
        ):
            gateway.execute(CALL, {"code": made.code, "key": key})

    def test_uses_no_expired_code(self, centre: Database) -> None:
        with centre.transaction(Role.JOBS) as connection:
            made = make_activation_code(
                connection, lambda: real_now() - timedelta(days=7), till=NewTill(TIN), draw=bytes
            )
        with psycopg.connect(centre.url(Role.GATEWAY), autocommit=True) as gateway:
            assert gateway.execute(CALL, {"code": made.code, "key": bytes(32)}).fetchone() == (False,)
