"""`check_receipts` finds every damage that somebody with all rights on the database could do, and names it."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, text

from receipts.chain_invariants import LINK_INVARIANTS
from receipts.check_receipts import QUERIES, check_receipts
from receipts.invariant import PLACES_MAX, Invariant, Tally
from receipts.publish_keys import revoke_key
from runtime import store
from runtime.database import LOGINS, Database, Role
from tests.factories import OPENED_AT
from tests.receipts.checked_world import MASTERS, ROOT, CheckedWorld, Insider, make_world
from tests.receipts.link_damages import DAMAGES, Damage, hash_edited
from tests.receipts.signed_damages import COMPOUND
from tests.receipts.table_damages import claim_void_for_nothing, held_for_ever

OF_WALK = {"fork_bytes", "heads", "key_list", "predecessors", "held_bytes"}


@pytest.fixture(scope="module")
def checked(
    server_url: URL, admin: psycopg.Connection, template: str, run_passwords: Mapping[str, str]
) -> Iterator[tuple[CheckedWorld, Engine]]:
    """The world, in a database of this module's own, and an engine of the superuser."""
    name = f"barimt_checked_{secrets.token_hex(6)}"
    store.make_database(admin, name, owner=Role.OWNER.login, template=template)
    store.close_database(admin, name, guests=LOGINS)
    url = server_url.set(database=name)
    with contextlib.closing(Database(url, run_passwords)) as database:
        world = make_world(database)
    engine = create_engine(url)
    yield world, engine
    engine.dispose()
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def insider(checked: tuple[CheckedWorld, Engine]) -> Iterator[Insider]:
    """Somebody who does as they like, with triggers off, until it is all rolled back."""
    world, engine = checked
    with engine.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        yield Insider(connection, world)
        connection.rollback()


def broken(connection: Connection) -> dict[str, tuple[str, ...]]:
    return {one.invariant.code: one.places for one in check_receipts(connection, masters=MASTERS) if not one.holds}


class TestCheckReceipts:
    def test_holds_for_what_the_verbs_have_made_and_looks_at_each_thing(self, insider: Insider) -> None:
        done = check_receipts(insider.connection, masters=MASTERS)
        assert [one.invariant.code for one in done if not one.holds] == []
        assert [one.invariant.code for one in done if one.looked_at == 0] == []
        links = insider.connection.execute(text("SELECT count(*) FROM pos.receipts")).scalar_one()
        assert {one.looked_at for one in done[: len(LINK_INVARIANTS)]} == {links}

    @pytest.mark.parametrize(("code", "does"), DAMAGES, ids=[f"{code}-{does.__name__}" for code, does in DAMAGES])
    def test_finds_the_one_thing_that_is_broken_and_where(self, insider: Insider, code: str, does: Damage) -> None:
        places = does(insider)
        assert broken(insider.connection) == {code: (places,) if isinstance(places, str) else places}

    @pytest.mark.parametrize(("codes", "does"), COMPOUND, ids=[does.__name__ for _, does in COMPOUND])
    def test_finds_all_that_is_broken(self, insider: Insider, codes: set[str], does: Damage) -> None:
        does(insider)
        assert set(broken(insider.connection)) == codes

    def test_has_a_damage_for_every_invariant(self) -> None:
        codes = {asked.invariant.code for asked in LINK_INVARIANTS} | {asked.code for asked in QUERIES} | OF_WALK
        assert {code for code, _ in DAMAGES} == codes

    def test_finds_any_flipped_byte_of_a_receipt(self, insider: Insider) -> None:
        for at in range(0, 144, 5):
            with insider.connection.begin_nested() as attempt:
                place = insider.change(
                    insider.at.claimed, "cose = set_byte(cose, :at, get_byte(cose, :at) # 128)", at=at
                )
                assert broken(insider.connection) == {"signatures": (place,)}, at
                attempt.rollback()

    def test_finds_any_flipped_byte_of_a_document(self, insider: Insider) -> None:
        for at in range(0, len(insider.at.sale.document), 9):
            with insider.connection.begin_nested() as attempt:
                place = insider.change(
                    insider.at.sale, "document = set_byte(document, :at, get_byte(document, :at) # 1)", at=at
                )
                assert broken(insider.connection) == {"document_digests": (place,)}, at
                attempt.rollback()

    def test_names_several_damages_together(self, insider: Insider) -> None:
        hash_edited(insider)
        held_for_ever(insider)
        assert set(broken(insider.connection)) == {"receipt_hashes", "held_reported"}

    def test_counts_all_and_names_some(self, insider: Insider) -> None:
        insider.run(
            "INSERT INTO pos.idempotency SELECT seller, client_id, 'key ' || at, received_month, content_hash,"
            " terminal, day, 90000 + at FROM pos.idempotency, generate_series(1, 25) at WHERE number = :number",
            number=insider.at.last.number,
        )
        [found] = [one for one in check_receipts(insider.connection, masters=MASTERS) if not one.holds]
        assert (found.invariant.code, found.broken, len(found.places)) == ("keys_of_receipts", 25, PLACES_MAX)

    def test_passes_over_what_waits_in_the_outbox(self, insider: Insider) -> None:
        claim_void_for_nothing(insider)
        held_for_ever(insider)
        for receipt in (insider.at.claimed, insider.at.reported):
            insider.run(
                "INSERT INTO pos.outbox (seller, root_terminal, root_day, root_number, event, created_at)"
                " VALUES (:seller, :terminal, :day, :number, 'void', now())",
                **dict(zip(("seller", "terminal", "day", "number"), receipt.key, strict=True)),
            )
        assert broken(insider.connection) == {}

    @pytest.mark.parametrize(("first", "end"), [("2017-03-02", None), ("2016-01-01", "2017-03-01")])
    def test_lets_those_claim_who_are_a_sellers_people_on_other_days(
        self, insider: Insider, first: str, end: str | None
    ) -> None:
        insider.run(
            "INSERT INTO private.seller_people VALUES (:seller, :consumer, 'owner', :first, :end)",
            seller=insider.at.shop.seller, consumer=insider.at.consumers[0], first=first, end=end,
        )  # fmt: skip
        assert broken(insider.connection) == {}

    def test_lets_those_claim_whose_part_was_corrected_away(self, insider: Insider) -> None:
        insider.run(
            "INSERT INTO private.seller_people VALUES (:seller, :consumer, 'owner', '2017-03-01', NULL)",
            seller=insider.at.other.seller, consumer=insider.at.consumers[1],
        )  # fmt: skip
        assert broken(insider.connection) == {}

    def test_opens_a_tills_turnover_by_the_epoch_of_its_certificate(self, insider: Insider) -> None:
        insider.run("UPDATE pos.terminals SET epoch = 2 WHERE mode = 'till'")
        assert broken(insider.connection) == {}

    def test_believes_revoked_keys_for_what_was_stored_before(self, insider: Insider) -> None:
        world = insider.at.world
        for kid in (world.chain_key(1, 1, 1).signer.kid, insider.at.till.key.signer.kid):
            revoke_key(insider.connection, lambda: OPENED_AT + timedelta(seconds=1), kid=kid, root=ROOT)
        assert broken(insider.connection) == {}

    def test_misses_a_revocation_that_the_shard_does_not_tell(self, insider: Insider) -> None:
        kid = insider.at.till.key.signer.kid
        insider.run("UPDATE pos.keys SET revoked_at = :at WHERE kid = :kid", kid=kid, at=OPENED_AT + timedelta(days=9))
        assert broken(insider.connection) == {"key_list": (kid.hex(),)}

    def test_believes_no_revoked_key_for_what_was_stored_after(self, insider: Insider) -> None:
        kid = insider.at.world.chain_key(1, 1, 1).signer.kid
        revoke_key(insider.connection, lambda: OPENED_AT, kid=kid, root=ROOT)
        assert set(broken(insider.connection)) == {"signatures"}

    def test_opens_nothing_without_a_secret(self, insider: Insider) -> None:
        done = check_receipts(insider.connection, masters={})
        assert [one.invariant.code for one in done if not one.holds] == ["sealed_turnovers", "fork_bytes"]

    def test_opens_nothing_to_what_is_stored_with_another_secret(self, insider: Insider) -> None:
        done = check_receipts(insider.connection, masters={1: bytes(32)})
        assert [one.invariant.code for one in done if not one.holds] == ["sealed_turnovers", "heads", "fork_bytes"]

    def test_tells_how_far_it_is(self, insider: Insider, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("receipts.check_receipts.WATCHED_EVERY", 6)
        told: list[int] = []
        done = check_receipts(insider.connection, masters=MASTERS, watch=told.append)
        links = done[0].looked_at
        assert told == [*range(6, links, 6), links]

    def test_holds_for_an_empty_database(self, database: Database) -> None:
        with database.transaction(Role.OWNER) as connection:
            done = check_receipts(connection, masters={})
        assert {(one.holds, one.looked_at) for one in done} == {(True, 0)}


class TestTally:
    def test_counts_on_when_it_has_named_enough(self) -> None:
        tally = Tally(Invariant("code", "Sentence."))
        tally.held()
        for at in range(PLACES_MAX + 1):
            tally.broke(str(at))
        assert (tally.checked.looked_at, tally.checked.broken) == (PLACES_MAX + 2, PLACES_MAX + 1)
        assert tally.checked.places == tuple(map(str, range(PLACES_MAX)))
        assert not tally.checked.holds
