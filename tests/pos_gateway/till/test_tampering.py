"""Whoever edits the queue is found out: when it is opened, and before anything of it is uploaded."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.outcomes import Verdict
from pos_gateway.till.refusals import QueueTampered, SeatSuspended, SuspendedForTampering
from pos_gateway.till.rows import ROW_COLUMNS
from pos_gateway.till.seat import Seat
from pos_gateway.till.store.connecting import QueueUnusable
from pos_gateway.till.till_dir import TillDirUnusable
from receipts.receipt import Nature
from tests.pos_gateway.till.tilling import Activations, Hands, sale, sell

SETTLED, LAST = 3, 8
"""Links 0 to 2 are with the centre, 3 to 8 wait."""
Edit = Callable[[apsw.Connection], object]


@pytest.fixture
def folder(tmp_path: Path, hands: Hands, activations: Activations) -> Path:
    """A queue with a bit of everything, closed."""

    async def fill(till: Installation) -> None:
        seat = till.add_seat(activations.activated())
        till.add_seat(activations.activated("61200064714", 20000002))
        first = await sell(till, seat, digest=b"1" * 32, request=b"{}", key="k")
        await sell(till, seat, sale(100, nature=Nature.CORRECTION, corrects=first.id))
        lines = await till.waiting(seat, lines_max=9, bytes_max=10**9)
        assert await till.settle(seat, [Verdict(line.seq, line.receipt_hash, 201) for line in lines]) == SETTLED
        for number in range(5):
            await sell(till, seat, sale(consumer_no=10038071), digest=bytes([number]) * 32, request=b"{}")
        await sell(till, seat, sale(700))
        await till.remember("merchant/1", b"{}")

    with opened(tmp_path, hands) as till:
        asyncio.run(fill(till))
    return tmp_path


@contextlib.contextmanager
def opened(folder: Path, hands: Hands) -> Iterator[Installation]:
    with open_installation(folder / "till", hands.clock, elapsed_s=hands.elapsed_s) as till:
        yield till


def edit(folder: Path, change: Edit) -> None:
    """Edit the database as anybody could."""
    connection = apsw.Connection(str(folder / "till" / "queue.sqlite"))
    change(connection)
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()


def sql(*statements: str) -> Edit:
    def change(connection: apsw.Connection) -> None:
        for statement in statements:
            before = connection.total_changes()
            connection.execute(statement)
            assert connection.total_changes() > before or statement.startswith(("CREATE", "DROP")), statement

    return change


def shop(till: Installation) -> Seat:
    seat = till.seat_of("37900846788")
    assert seat is not None
    return seat


def codes(till: Installation) -> set[str]:
    return {fault.code for fault in till.faults}


def run(awaited: object) -> object:
    async def wait() -> object:
        return await awaited  # type: ignore[misc]

    return asyncio.run(wait())


def cut_back_to(before: Path) -> Edit:
    def change(connection: apsw.Connection) -> None:
        connection.execute(f"ATTACH '{before}' AS old")
        connection.execute("INSERT OR REPLACE INTO main.heads SELECT * FROM old.heads")
        connection.execute(f"DELETE FROM main.receipts WHERE counter > {LAST}")
        connection.execute("DELETE FROM main.owed WHERE seq NOT IN (SELECT seq FROM old.owed)")
        connection.execute("DETACH old")

    return change


OTHER = {"INTEGER": "{0} + 1", "TEXT": "coalesce({0}, '') || '1'", "BLOB": "randomblob(32)"}
TEXTS = {"root_id", "previous_id", "part_sellers", "payments"}
BLOBS = {"cose", "receipt_hash", "document", "request", "body_digest", "consumer_seal", "seal"}


def kind_of(name: str) -> str:
    return "TEXT" if name in TEXTS else "BLOB" if name in BLOBS else "INTEGER"


class TestARow:
    @pytest.mark.parametrize("name", ROW_COLUMNS)
    @pytest.mark.parametrize("counter", [0, 1, 5, LAST - 1])
    def test_that_was_edited_is_found(self, folder: Path, hands: Hands, name: str, counter: int) -> None:
        if name == "consumer_no" and counter < SETTLED:
            change = f"UPDATE receipts SET consumer_no = 1 WHERE counter = {counter} AND terminal = 20000001"
        else:
            other = OTHER[kind_of(name)].format(name)
            moved = "" if name not in {"seq", "counter", "number"} else " + 1000"
            change = f"UPDATE receipts SET {name} = {other}{moved} WHERE counter = {counter} AND terminal = 20000001"
        edit(folder, sql(change))
        with opened(folder, hands) as till:
            assert till.faults
            assert shop(till).suspended_for == "suspended_tampered"

    @pytest.mark.parametrize("counter", range(LAST + 1))
    def test_that_was_deleted_is_found(self, folder: Path, hands: Hands, counter: int) -> None:
        edit(folder, sql(f"DELETE FROM receipts WHERE counter = {counter} AND terminal = 20000001"))
        with opened(folder, hands) as till:
            assert "row_missing" in codes(till)

    def test_that_was_added_is_found(self, folder: Path, hands: Hands) -> None:
        names = ", ".join(ROW_COLUMNS)
        changed = names.replace("seq", "seq + 100").replace("counter", f"{LAST + 1}").replace("number", "number + 100")
        changed = changed.replace("previous_id", "NULL")
        edit(folder, sql(f"INSERT INTO receipts({names}) SELECT {changed} FROM receipts"
                         f" WHERE counter = {LAST} AND terminal = 20000001"))  # fmt: skip
        with opened(folder, hands) as till:
            assert codes(till) == {"row_too_many"}

    def test_that_was_swapped_with_another_is_found(self, folder: Path, hands: Hands) -> None:
        names = [name for name in ROW_COLUMNS if name not in {"seq", "counter"}]
        listed = ", ".join(names)
        edit(folder, sql(
            "DROP INDEX ids", "DROP INDEX successors",
            f"CREATE TEMP TABLE kept AS SELECT counter, {listed} FROM receipts WHERE terminal = 20000001",
            *(f"UPDATE receipts SET ({listed}) = (SELECT {listed} FROM temp.kept WHERE counter = {other})"
              f" WHERE counter = {counter} AND terminal = 20000001" for counter, other in ((4, 5), (5, 4))),
        ))  # fmt: skip
        with opened(folder, hands) as till:
            assert [fault.place.split()[-1] for fault in till.faults if fault.code == "row_seal"] == ["4", "5", "6"]

    def test_that_was_replaced_by_a_copy_of_another_is_found(self, folder: Path, hands: Hands) -> None:
        names = [name for name in ROW_COLUMNS if name not in {"seq", "counter", "number", "previous_id"}]
        listed = ", ".join(names)
        edit(folder, sql(f"UPDATE receipts SET ({listed}) = (SELECT {listed} FROM receipts WHERE counter = 4"
                         " AND terminal = 20000001) WHERE counter = 5 AND terminal = 20000001"))  # fmt: skip
        with opened(folder, hands) as till:
            assert "row_seal" in codes(till)


HEAD_COLUMNS = ("counter", "previous_hash", "turnover_mongo", "day", "next_number", "last_issued_at", "last_seal",
                "settled", "waiting_total_mongo", "kept_from", "anchor", "seal")  # fmt: skip


class TestWhatChanges:
    @pytest.mark.parametrize("name", HEAD_COLUMNS)
    def test_an_edited_head_is_found(self, folder: Path, hands: Hands, name: str) -> None:
        other = "randomblob(32)" if name in {"previous_hash", "last_seal", "anchor", "seal"} else f"{name} + 1"
        edit(folder, sql(f"UPDATE heads SET {name} = {other} WHERE terminal = 20000001"))
        with opened(folder, hands) as till:
            assert "head_seal" in codes(till)

    @pytest.mark.parametrize(
        "name", ["tin", "name", "branch", "district", "client_id", "token_url", "enrolment", "not_after", "test",
                 "vat_payer", "city_tax_payer", "suspended_at", "suspended_for", "closed_at", "seal"],
    )  # fmt: skip
    def test_an_edited_seat_is_found_and_issues_nothing(self, folder: Path, hands: Hands, name: str) -> None:
        other = {"enrolment": "randomblob(9)", "seal": "randomblob(32)", "suspended_for": "'x'"}.get(name)
        other = other or (
            "1 - " + name if name in {"test", "vat_payer", "city_tax_payer"} else f"coalesce({name}, 7) || 1"
        )
        edit(folder, sql(f"UPDATE seats SET {name} = {other} WHERE terminal = 20000001"))
        with opened(folder, hands) as till:
            assert codes(till) == {"seat_seal"}
            assert till.seat_of("37900846788") is None
            assert till.seat_of("61200064714") is not None

    @pytest.mark.parametrize("table", ["heads", "seats"])
    def test_a_deleted_one_is_found(self, folder: Path, hands: Hands, table: str) -> None:
        edit(folder, sql(f"DELETE FROM {table} WHERE terminal = 20000001"))
        with opened(folder, hands) as till:
            assert codes(till) & {"head_missing", "seat_missing"}

    def test_an_old_head_with_its_rows_cut_off_is_found_by_the_witness(self, folder: Path, hands: Hands) -> None:
        database, before = folder / "till" / "queue.sqlite", folder / "before.sqlite"
        shutil.copy(database, before)
        with opened(folder, hands) as till:
            run(sell(till, shop(till)))
        edit(folder, cut_back_to(before))
        with opened(folder, hands) as till:
            assert codes(till) == {"rolled_back"}

    def test_links_that_are_falsely_marked_as_uploaded_are_found(self, folder: Path, hands: Hands) -> None:
        edit(folder, sql("INSERT INTO uploads SELECT seq, 201, '', 0, NULL, issued_at, randomblob(32) FROM receipts"
                         " WHERE counter = 3 AND terminal = 20000001"))  # fmt: skip
        with opened(folder, hands) as till:
            assert codes(till) == {"upload_seal", "upload_too_many"}

    def test_the_mark_of_another_link_is_not_good(self, folder: Path, hands: Hands) -> None:
        names = "status, findings, fork, easy, at, seal"
        edit(folder, sql(f"UPDATE uploads SET ({names}) = (SELECT {names} FROM uploads WHERE seq = 3) WHERE seq = 4"))
        with opened(folder, hands) as till:
            assert "upload_seal" in codes(till)

    @pytest.mark.parametrize("name", ["status", "findings", "fork", "easy", "at", "seal"])
    def test_an_edited_mark_is_found(self, folder: Path, hands: Hands, name: str) -> None:
        other = {"findings": "'x'", "seal": "randomblob(32)"}.get(name, f"coalesce({name}, 0) + 1")
        edit(folder, sql(f"UPDATE uploads SET {name} = {other} WHERE seq = 4"))
        with opened(folder, hands) as till:
            assert codes(till) == {"upload_seal"}

    def test_a_deleted_mark_is_found(self, folder: Path, hands: Hands) -> None:
        edit(folder, sql("DELETE FROM uploads WHERE seq = 4"))
        with opened(folder, hands) as till:
            assert codes(till) == {"upload_missing"}

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ("UPDATE idempotency SET seq = seq + 1", "key_seal"),
            ("UPDATE owed SET digest = randomblob(32)", "owed_seal"),
            ("UPDATE remembered SET body = randomblob(2)", "remembered_seal"),
            ("UPDATE marks SET value = '9999999999'", "mark_seal"),
        ],
    )
    def test_what_only_helps_is_not_believed_and_suspends_nothing(
        self, folder: Path, hands: Hands, change: str, code: str
    ) -> None:
        edit(folder, sql(change))
        with opened(folder, hands) as till:
            assert codes(till) == {code}
            assert shop(till).suspended_for is None
            assert till.remembered("merchant/1") is None or code != "remembered_seal"
            assert {notice.code for notice in till.notices()} == {"queue_entry_dropped"}


class TestTheWhole:
    def test_put_back_from_a_copy_is_found(self, folder: Path, hands: Hands) -> None:
        database, before = folder / "till" / "queue.sqlite", folder / "before.sqlite"
        shutil.copy(database, before)
        with opened(folder, hands) as till:
            run(sell(till, shop(till)))
        shutil.copy(before, database)
        with opened(folder, hands) as till:
            assert codes(till) == {"rolled_back"}
            with pytest.raises(SuspendedForTampering):
                run(sell(till, shop(till)))

    def test_put_back_and_sold_on_elsewhere_is_found(self, folder: Path, hands: Hands) -> None:
        database, witness = folder / "till" / "queue.sqlite", folder / "till" / "witness.json"
        shutil.copy(database, folder / "before.sqlite")
        shutil.copy(witness, folder / "before.json")
        with opened(folder, hands) as till:
            run(sell(till, shop(till)))
        known = witness.read_bytes()
        shutil.copy(folder / "before.sqlite", database)
        shutil.copy(folder / "before.json", witness)
        with opened(folder, hands) as till:
            run(sell(till, shop(till), sale(999)))
        witness.write_bytes(known)
        with opened(folder, hands) as till:
            assert codes(till) == {"rolled_back"}

    @pytest.mark.parametrize("content", [None, b"", b"{}", b'{"version":1,"chains":[],"seal":"00"}'])
    def test_without_its_witness_is_found(self, folder: Path, hands: Hands, content: bytes | None) -> None:
        witness = folder / "till" / "witness.json"
        witness.unlink() if content is None else witness.write_bytes(content)
        with opened(folder, hands) as till:
            assert codes(till) == {"witness_missing" if content is None else "witness_seal"}
            assert shop(till).suspended_for

    def test_taken_away_is_found(self, folder: Path, hands: Hands) -> None:
        (folder / "till" / "queue.sqlite").unlink()
        with opened(folder, hands) as till:
            assert codes(till) == {"rolled_back"}

    def test_without_its_secret_is_not_opened(self, folder: Path, hands: Hands) -> None:
        (folder / "till" / "keys" / "queue.key").unlink()
        with pytest.raises(TillDirUnusable), opened(folder, hands):
            pass

    def test_with_damaged_pages_is_found(self, folder: Path, hands: Hands) -> None:
        database = folder / "till" / "queue.sqlite"
        octets = bytearray(database.read_bytes())
        for at in range(4096 * 2, len(octets), 4096):
            octets[at : at + 64] = bytes(64)
        database.write_bytes(octets)
        with pytest.raises(QueueUnusable), opened(folder, hands):
            pass

    def test_untouched_has_no_fault(self, folder: Path, hands: Hands) -> None:
        with opened(folder, hands) as till:
            assert till.faults == ()


class TestReplacing:
    @pytest.mark.parametrize(
        "change",
        ["UPDATE heads SET counter = 99", "UPDATE seats SET name = 'x'", "DELETE FROM receipts WHERE counter = 8"],
    )
    def test_gives_a_tampered_chain_a_successor(
        self, folder: Path, hands: Hands, activations: Activations, change: str
    ) -> None:
        edit(folder, sql(change.replace(" WHERE", " WHERE terminal = 20000001 AND") if "WHERE" in change
                         else f"{change} WHERE terminal = 20000001"))  # fmt: skip
        for _ in range(2):
            activated = activations.activated(terminal=20000077, at=hands.now)
            with opened(folder, hands) as till:
                old = till.seat_of("37900846788")
                if old is not None and old.terminal == 20000001:
                    run(till.close_chain(old))
                seat = till.add_seat(activated)
                run(sell(till, seat))
                run(till.prune())


class TestWhileItRuns:
    def test_an_edited_row_is_found_before_its_upload(self, folder: Path, hands: Hands) -> None:
        with opened(folder, hands) as till:
            edit(folder, sql("UPDATE receipts SET total_mongo = 1 WHERE counter = 5 AND terminal = 20000001"))
            lines = run(till.waiting(shop(till), lines_max=9, bytes_max=10**9))
            assert [line.counter for line in lines] == [3, 4, 5, 6, 7, 8], "its link is genuine"
            assert codes(till) == {"row_seal"}
            with pytest.raises(SeatSuspended):
                run(sell(till, shop(till)))

    @pytest.mark.parametrize("name", ["cose", "document", "receipt_hash"])
    def test_a_row_that_is_no_longer_genuine_is_not_uploaded(self, folder: Path, hands: Hands, name: str) -> None:
        with opened(folder, hands) as till:
            edit(folder, sql(f"UPDATE receipts SET {name} = randomblob(144) WHERE counter = 5 AND terminal = 20000001"))
            lines = run(till.waiting(shop(till), lines_max=9, bytes_max=10**9))
            assert [line.counter for line in lines] == [3, 4]
            assert codes(till) == {"row_seal"}

    @pytest.mark.parametrize("counter", [SETTLED, 5, LAST])
    def test_a_deleted_row_ends_the_upload(self, folder: Path, hands: Hands, counter: int) -> None:
        with opened(folder, hands) as till:
            edit(folder, sql(f"DELETE FROM receipts WHERE counter = {counter} AND terminal = 20000001"))
            lines = run(till.waiting(shop(till), lines_max=9, bytes_max=10**9))
            assert [line.counter for line in lines] == list(range(SETTLED, counter))
            assert codes(till) == {"row_missing"}

    def test_another_consumer_is_not_credited(self, folder: Path, hands: Hands) -> None:
        with opened(folder, hands) as till:
            edit(folder, sql("UPDATE receipts SET consumer_no = 10000001 WHERE counter = 5 AND terminal = 20000001"))
            lines = run(till.waiting(shop(till), lines_max=9, bytes_max=10**9))
            assert [b"consumer_no" in (line.private or b"") for line in lines] == [True, True, False, True, True, False]
            assert codes(till) == {"consumer_seal"}

    def test_an_edited_head_issues_nothing(self, folder: Path, hands: Hands) -> None:
        with opened(folder, hands) as till:
            edit(folder, sql("UPDATE heads SET next_number = 99 WHERE terminal = 20000001"))
            with pytest.raises(QueueTampered):
                run(sell(till, shop(till)))
            assert shop(till).suspended_for == "suspended_tampered"
            assert till.backlog(shop(till)).count == LAST + 1 - SETTLED

    def test_the_others_go_on_selling(self, folder: Path, hands: Hands) -> None:
        edit(folder, sql("DELETE FROM receipts WHERE counter = 4 AND terminal = 20000001"))
        with opened(folder, hands) as till:
            other = till.seat_of("61200064714")
            assert other is not None
            run(sell(till, other, sale(tin="61200064714")))
