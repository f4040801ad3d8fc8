"""`POST /v1/receipts/signed`: links of tills are stored exactly once, whatever way they come, and forks are kept."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from random import Random  # noqa: TID251 - seeded

import httpx2
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.refusal import Unavailable
from pos_gateway.accept_uploads import WAITING_MAX, Uploads
from pos_gateway.directory import Directory
from receipts import qr
from receipts.chain import ChainKey, Head, Link
from receipts.keys import Signer
from receipts.receipt import Nature
from receipts.signing_keys import SigningKeys
from receipts.store import enrolling
from runtime.database import Role
from tests.answered import faults, refused
from tests.changing import replace
from tests.serving import OPENED_AT, Centre, at_once, wait_for
from tests.signing import SigningTill, add_signing_till, broken, findings, line_of, revoke, sale, statuses

OTHER = 5_500_00
"""What a copy of a till rings up: something else than the till."""


@pytest.fixture
def till(shared_centre: Centre) -> Iterator[SigningTill]:
    """A till that has signed its start link."""
    made = add_signing_till(shared_centre)
    made.start()
    yield made
    shared_centre.set_clock(OPENED_AT)


def suspension(till: SigningTill) -> tuple[bool, str | None]:
    [(suspended_at, why)] = till.centre.ask(
        "SELECT suspended_at, suspended_for FROM pos.terminals WHERE (seller, terminal) = (%s, %s)",
        till.seller,
        till.terminal,
    )
    return suspended_at is not None, why


def forks(till: SigningTill) -> set[bytes]:
    rows = till.centre.ask("SELECT receipt_hash FROM pos.forks WHERE seller = %s", till.seller)
    return {digest for (digest,) in rows}


def as_stored(links: list[Link]) -> list[tuple[int, bytes]]:
    return [(link.counter, link.receipt_hash) for link in links]


class TestUploading:
    def test_stores_a_chain_in_order(self, till: SigningTill) -> None:
        till.sell_many(5)
        verdicts = till.upload(till.links)
        assert statuses(verdicts) == [201] * 6
        assert findings(verdicts) == [[]] * 6
        assert [verdict["line"] for verdict in verdicts] == [1, 2, 3, 4, 5, 6]
        assert [verdict["hash"] for verdict in verdicts] == [link.receipt_hash.hex() for link in till.links]
        assert [verdict["receipt"]["id"] for verdict in verdicts] == [str(link.id) for link in till.links]
        assert till.stored() == as_stored(till.links)

    def test_answers_the_same_bytes_again(self, till: SigningTill) -> None:
        till.sell_many(3)
        till.upload(till.links[:2])
        assert statuses(till.upload(till.links)) == [200, 200, 201, 201]
        assert statuses(till.upload(till.links)) == [200] * 4
        assert till.stored() == as_stored(till.links)

    def test_stores_a_line_that_comes_twice_in_one_body_once(self, till: SigningTill) -> None:
        assert statuses(till.upload([*till.links, *till.links])) == [201, 200]

    def test_waits_for_the_predecessor(self, till: SigningTill) -> None:
        till.sell_many(4)
        [early] = till.upload(till.links[3:4])
        assert (early["status"], early["problem"]["code"], early["problem"]["expected"]) == (
            409, "predecessor_missing", 0,
        )  # fmt: skip
        till.upload(till.links[:2])
        [early] = till.upload(till.links[4:])
        assert early["problem"]["expected"] == 2
        assert statuses(till.upload(till.links)) == [200, 200, 201, 201, 201]

    def test_takes_what_of_a_shuffled_body_is_in_order(self, till: SigningTill) -> None:
        till.sell_many(3)
        first, second, third, fourth = till.links
        assert statuses(till.upload([first, third, second, fourth])) == [201, 409, 201, 409]
        assert statuses(till.upload([third, fourth])) == [201, 201]

    def test_takes_a_thousand_lines_and_no_more(self, till: SigningTill) -> None:
        till.sell_many(1000)
        refused(till.post([line_of(link) for link in till.links]), 400, "malformed")
        assert statuses(till.upload(till.links[:1000])) == [201] * 1000
        assert len(till.stored()) == 1000

    def test_takes_many_tills_of_one_client_in_one_body(self, till: SigningTill) -> None:
        other = add_signing_till(till.centre, till.till)
        other.start()
        pairs = [link for pair in zip(till.sell_many(3), other.sell_many(3), strict=True) for link in pair]
        assert statuses(till.upload([till.links[0], other.links[0], *pairs])) == [201] * 8
        assert till.stored() == as_stored(till.links)
        assert other.stored() == as_stored(other.links)

    def test_is_found_by_the_till_like_any_receipt(self, till: SigningTill) -> None:
        sold = till.sell(11_000_00)
        till.upload(till.links)
        found = till.till.get(f"/{sold.id}").json()
        assert (found["qr"], found["total_mongo"], found["counter"]) == (qr.encode_text(sold.cose), 11_000_00, 1)

    def test_makes_months_that_nobody_has_made(self, till: SigningTill) -> None:
        since = till.centre.now.replace(month=7)
        till.sell(at=since)
        assert statuses(till.upload(till.links)) == [201, 201]
        till.centre.set_clock(since)
        assert len(till.stored()) == 2


class TestRefusing:
    def test_refuses_a_signature_that_does_not_fit(self, till: SigningTill) -> None:
        link = till.links[0]
        forged = replace(link, cose=link.cose[:-1] + bytes([link.cose[-1] ^ 1]))
        [verdict] = till.upload([forged])
        assert (verdict["status"], verdict["problem"]["code"]) == (403, "forged")
        assert till.stored() == []

    def test_refuses_a_key_that_nobody_certified(self, till: SigningTill) -> None:
        stranger = Signer(Ed25519PrivateKey.generate(), by_till=True)
        thief = replace(till, key=ChainKey(stranger, till.key.turnover_key), links=[])
        [verdict] = till.upload([thief.sell()])
        assert (verdict["status"], verdict["problem"]["code"]) == (403, "forged")

    def test_refuses_the_key_of_another_terminal(self, till: SigningTill) -> None:
        other = add_signing_till(till.centre, till.till)
        thief = replace(till, key=other.key, links=[])
        assert statuses(till.upload([thief.sell()])) == [403]

    def test_refuses_what_another_sellers_till_signed(self, till: SigningTill) -> None:
        other = add_signing_till(till.centre)
        [verdict] = till.upload([other.start()])
        assert (verdict["status"], verdict["problem"]["code"]) == (403, "wrong_signer")

    def test_refuses_what_another_client_of_the_seller_signed(self, till: SigningTill) -> None:
        other = add_signing_till(till.centre, till.centre.add_client(till.tin, terminals=0))
        [verdict] = till.upload([other.start()])
        assert (verdict["status"], verdict["problem"]["code"]) == (403, "wrong_signer")
        assert statuses(other.upload(other.links)) == [201]

    def test_refuses_what_the_centre_signs_itself(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        sold = till.sell()
        body = json.dumps({"qr": sold["qr"], "document": "oQAB"}).encode()
        answer = till.http.post("/v1/receipts/signed", content=body, headers=till.headers())
        [verdict] = [json.loads(line) for line in answer.content.splitlines()]
        assert (verdict["status"], verdict["problem"]["code"]) == (403, "wrong_signer")

    def test_takes_from_a_revoked_key_only_what_was_stored_before(self, till: SigningTill) -> None:
        till.sell_many(2)
        till.upload(till.links[:2])
        till.centre.set_clock(OPENED_AT + timedelta(seconds=1))
        revoke(till)
        verdicts = till.upload(till.links)
        assert statuses(verdicts) == [200, 200, 409]
        assert verdicts[2]["problem"]["code"] == "key_revoked"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"qr": "MB1:"}, "qr_form"),
            ({"qr": None}, "missing_field"),
            ({"document": "???"}, "document_form"),
            ({"document": "oQAB"}, "document_form"),
            ({"document": "a"}, "document_form"),
            ({"private": {"card": "4242"}}, "unknown_field"),
            ({"private": {"consumer_no": "1"}}, "consumer_no_form"),
        ],
    )
    def test_names_what_is_malformed(self, till: SigningTill, changes: dict[str, object], code: str) -> None:
        line = {name: value for name, value in (line_of(till.sell()) | changes).items() if value is not None}
        [verdict] = till.till_upload([line])
        assert (verdict["status"], verdict["problem"]["code"]) == (400, "malformed")
        assert [fault["code"] for fault in verdict["problem"]["faults"]] == [code]

    def test_calls_a_link_out_of_its_ranges_malformed(self, till: SigningTill) -> None:
        link = till.sign(sale(till, 1_000_00, vat_mongo=2_000_00))
        [verdict] = till.upload([link])
        assert [fault["code"] for fault in verdict["problem"]["faults"]] == ["qr_form"]

    def test_goes_on_after_a_line_that_is_none(self, till: SigningTill) -> None:
        verdicts = till.till_upload([b"{", line_of(till.links[0]), b"[]"])
        assert statuses(verdicts) == [400, 201, 400]
        assert verdicts[0]["hash"] is None

    def test_wants_a_token(self, till: SigningTill) -> None:
        answer = till.till.http.post("/v1/receipts/signed", content=b"{}")
        refused(answer, 401, "unauthenticated")

    def test_wants_lines(self, till: SigningTill) -> None:
        assert faults(till.post([b"\n"])) == {("batch_lines", "")}


class TestForking:
    def test_keeps_both_branches_and_suspends_the_terminal(self, till: SigningTill) -> None:
        till.sell_many(2)
        backup = till.copy()
        first, second = till.sell_many(3), backup.sell_many(2, first_mongo=OTHER)
        till.upload(till.links)
        verdicts = backup.upload(backup.links)
        assert statuses(verdicts) == [200, 200, 200, 201, 201]
        assert [verdict["receipt"]["fork"] for verdict in verdicts] == [False] * 3 + [True] * 2
        assert findings(verdicts)[3:] == [["fork"], ["fork"]]
        assert verdicts[-1]["receipt"]["suspended"]
        assert till.stored() == as_stored(till.links)
        assert forks(till) == {link.receipt_hash for link in second}
        assert suspension(till) == (True, "fork")
        assert len(first) == 3

    def test_answers_a_fork_again(self, till: SigningTill) -> None:
        backup = till.copy()
        till.sell()
        till.upload(till.links)
        backup.sell_many(2, first_mongo=OTHER)
        assert statuses(backup.upload(backup.links)) == [200, 201, 201]
        again = backup.upload(backup.links)
        assert statuses(again) == [200, 200, 200]
        assert findings(again) == [[], ["fork"], ["fork"]]
        assert [verdict["receipt"]["fork"] for verdict in again] == [False, True, True]

    def test_waits_for_the_predecessor_in_a_branch_too(self, till: SigningTill) -> None:
        backup = till.copy()
        till.sell_many(5)
        till.upload(till.links)
        backup.sell_many(3, first_mongo=OTHER)
        [early] = backup.upload(backup.links[3:])
        assert (early["status"], early["problem"]["expected"]) == (409, 2)
        assert statuses(backup.upload(backup.links[1:3])) == [201, 201]
        assert statuses(backup.upload(backup.links[3:])) == [201]

    def test_goes_on_with_both_branches_of_a_suspended_terminal(self, till: SigningTill) -> None:
        backup = till.copy()
        till.sell()
        till.upload(till.links)
        backup.sell(OTHER)
        backup.upload(backup.links)
        later, branch = till.sell_many(2), backup.sell_many(2, first_mongo=OTHER)
        verdicts = till.upload(later)
        assert statuses(verdicts) == [201, 201]
        assert [verdict["receipt"]["suspended"] for verdict in verdicts] == [True, True]
        assert statuses(backup.upload(branch)) == [201, 201]
        assert till.stored() == as_stored(till.links)

    def test_finds_the_place_of_a_branch_in_a_long_chain(self, till: SigningTill) -> None:
        """Also where a till has stated an earlier day, so that its counters do not rise with its numbers."""
        till.sell_many(300)
        backups = [replace(till, head=head, links=[]) for head in self.heads(till)]
        till.upload(till.links)
        for at, backup in enumerate(backups):
            [verdict] = backup.upload([backup.sell(OTHER + at)])
            assert (verdict["status"], verdict["receipt"]["fork"]) == (201, True)
        yesterday = OPENED_AT - timedelta(days=1)
        till.head = replace(till.head, last_issued_at=yesterday)
        till.sell(at=yesterday)
        till.sell_many(3)
        till.upload(till.links[-4:])
        [verdict] = till.upload([replace(till, head=next(self.heads(till, 302)), links=[]).sell(OTHER)])
        assert (verdict["status"], verdict["receipt"]["fork"]) == (201, True)

    def heads(self, till: SigningTill, *counters: int) -> Iterator[Head]:
        """Where the chain stood before the links with these counters."""
        for counter in counters or (1, 2, 50, 151, 299, 300):
            before = till.links[counter - 1]
            yield Head(
                till.seller, till.terminal, counter, before.receipt_hash, before.turnover_mongo, before.id.day,
                before.id.number + 1 + len(before.part_ids), before.issued_at,
            )  # fmt: skip

    def test_knows_the_predecessor_by_what_is_sent_again_with_it(self, till: SigningTill) -> None:
        backup = till.copy()
        till.sell_many(5)
        till.upload(till.links)
        backup.sell(OTHER)
        assert statuses(backup.upload(backup.links)) == [200, 201]

    def test_keeps_a_third_branch_and_one_of_a_branch(self, till: SigningTill) -> None:
        copies = [till.copy() for _ in range(3)]
        for number, copied in enumerate(copies):
            copied.sell(1_100_00 + number)
        branch = copies[2].copy()
        branch.sell(9_900_00)
        copies[2].sell(8_800_00)
        for copied in (*copies, branch):
            copied.upload(copied.links)
        assert len(till.stored()) == 2
        assert len(forks(till)) == 4

    def test_keeps_a_second_start(self, till: SigningTill) -> None:
        fresh = replace(till, head=replace(till.head, counter=0, turnover_mongo=0), links=[])
        enrolment = till.centre.ask("SELECT sha256(enrolment) FROM pos.terminals WHERE terminal = %s", till.terminal)
        fresh.head = replace(fresh.head, previous_hash=enrolment[0][0])
        till.upload(till.links)
        fresh.start()
        [verdict] = fresh.upload(fresh.links)
        assert (verdict["status"], verdict["receipt"]["fork"]) == (201, True)

    def test_keeps_an_id_that_was_given_apart_and_what_builds_on_it(self, till: SigningTill) -> None:
        sold = till.sell()
        till.head = replace(till.head, next_number=sold.id.number)
        twice, after = till.sell(2_200_00), till.sell(3_300_00)
        assert twice.id == sold.id
        verdicts = till.upload(till.links)
        assert statuses(verdicts) == [201] * 4
        assert [verdict["receipt"]["fork"] for verdict in verdicts] == [False, False, True, True]
        assert forks(till) == {twice.receipt_hash, after.receipt_hash}

    def test_finds_a_fork_within_one_body(self, till: SigningTill) -> None:
        backup = till.copy()
        lines = [*till.links, till.sell(), backup.sell(5_500_00), till.sell()]
        verdicts = till.upload(lines)
        assert [verdict["receipt"]["fork"] for verdict in verdicts] == [False, False, True, False]

    def test_is_shown_to_the_operator(self, till: SigningTill) -> None:
        backup = till.copy()
        till.sell()
        till.upload(till.links)
        backup.sell_many(2, first_mongo=OTHER)
        backup.upload(backup.links)
        with till.centre.database.transaction(Role.JOBS) as connection:
            [row] = enrolling.list_terminals(connection, till.seller)
        assert (row["forks"], row["suspended_for"], row["counter"]) == (2, "fork", 2)


class TestClosing:
    def test_closes_the_terminal_and_stores_what_comes_after(self, till: SigningTill) -> None:
        till.close()
        late = till.sell()
        verdicts = till.upload(till.links)
        assert findings(verdicts) == [[], [], ["after_closing"]]
        [(closed,)] = till.centre.ask("SELECT closed_at FROM pos.terminals WHERE terminal = %s", till.terminal)
        assert closed == till.centre.now
        assert late.kind.nature is Nature.SALE
        till.sell()
        assert findings(till.upload(till.links[-1:])) == [["after_closing"]]


class TestInterrupted:
    def test_ends_with_every_link_once_wherever_the_connection_breaks(self, till: SigningTill) -> None:
        till.sell_many(600)
        body = b"\n".join(json.dumps(line_of(link)).encode() for link in till.links)
        for read in (0, 1, 30_000):
            with (
                httpx2.Client(base_url=till.centre.url, timeout=60) as http,
                http.stream("POST", "/v1/receipts/signed", content=body, headers=till.till.headers()) as answer,
            ):
                if read:
                    next(answer.iter_raw(read))
        verdicts = till.upload(till.links)
        assert set(statuses(verdicts)) <= {200, 201}
        assert till.stored() == as_stored(till.links)

    def test_ends_with_every_link_once_when_two_connections_upload_together(self, till: SigningTill) -> None:
        till.sell_many(300)
        others = [replace(till, till=replace(till.till, http=till.centre.connect())) for _ in range(3)]
        answers = at_once(*[lambda one=one: one.upload(till.links) for one in others])
        told = [statuses(verdicts) for verdicts in answers]
        assert all(max(status) <= 201 for status in zip(*told, strict=True))
        assert [list(status).count(201) for status in zip(*told, strict=True)] == [1] * len(till.links)
        assert till.stored() == as_stored(till.links)

    def test_ends_with_both_branches_when_they_are_uploaded_together(self, till: SigningTill) -> None:
        backup = till.copy()
        till.sell_many(40)
        backup.sell_many(40, first_mongo=OTHER)
        backup.till = replace(till.till, http=till.centre.connect())
        answers = at_once(lambda: till.upload(till.links), lambda: backup.upload(backup.links))
        assert all(status <= 201 for verdicts in answers for status in statuses(verdicts))
        stored = {digest for _, digest in till.stored()}
        first, second = ({link.receipt_hash for link in one.links[1:]} for one in (till, backup))
        assert stored - {till.links[0].receipt_hash} in (first, second)
        assert forks(till) in (first, second)
        assert forks(till).isdisjoint(stored)

    def test_ends_with_every_link_once_after_ten_thousand_random_deliveries(self, shared_centre: Centre) -> None:
        chance, delivered = Random(4), 0
        shops = [self.shop(shared_centre) for _ in range(3)]
        while delivered < 10_000:
            shop, body = chance.choice(shops), list[Link]()
            for till in chance.sample(shop, chance.choice([1, 1, 2, 3])):
                at = chance.randrange(len(till.links))
                body += till.links[at : at + chance.choice([1, 5, 40])]
            if chance.random() < 0.2:
                chance.shuffle(body)
            assert {verdict["status"] for verdict in shop[0].upload(body)} <= {200, 201, 409}
            delivered += len(body)
        for shop in shops:
            for till in shop:
                assert set(statuses(till.upload(till.links))) <= {200, 201}
            till, _branch, other = shop
            signed = {link.receipt_hash for one in shop for link in one.links}
            stored = [digest for one in (till, other) for _, digest in one.stored()]
            assert sorted(stored + list(forks(till))) == sorted(signed)
            assert (suspension(till)[0], suspension(other)[0]) == (True, False)
            assert [counter for counter, _ in till.stored()] == list(range(len(till.stored())))

    def shop(self, centre: Centre) -> list[SigningTill]:
        """A client with two terminals, the first of which was put back from a backup."""
        till = add_signing_till(centre)
        other = add_signing_till(centre, till.till)
        for one in (till, other):
            one.start()
            one.sell_many(60)
        branch = till.copy()
        till.sell_many(40)
        branch.sell_many(30, first_mongo=OTHER)
        return [till, branch, other]


class TestUploads:
    async def test_refuse_at_once_what_would_only_wait(self) -> None:
        uploads = Uploads(None, Directory(None), clock=lambda: OPENED_AT, signing=SigningKeys({}, None))
        with ExitStack() as stack:
            for _ in range(WAITING_MAX):
                uploads.require_room()
                stack.enter_context(uploads.under_way())
            with pytest.raises(Unavailable, match="pool_full"):
                uploads.require_room()
        uploads.require_room()
        await uploads.close()


@contextmanager
def uploading(till: SigningTill, count: int) -> Iterator[list[int]]:
    """Upload all over again, until the block ends."""
    told: list[int] = []
    done = threading.Event()

    def run() -> None:
        with httpx2.Client(base_url=till.centre.url, timeout=60) as http:
            uploader = replace(till, till=replace(till.till, http=http))
            for at in range(0, count, 20):
                if done.is_set():
                    return
                answer = uploader.post([line_of(link) for link in till.links[at : at + 20]])
                verdicts = [json.loads(line) for line in answer.content.splitlines()]
                told.extend(statuses(verdicts) if answer.status_code == 200 else [answer.status_code] * 20)

    thread = threading.Thread(target=run)
    thread.start()
    yield told
    done.set()
    thread.join()


class TestDatabaseAway:
    def test_says_nothing_false_while_connections_are_cut(self, till: SigningTill, admin: psycopg.Connection) -> None:
        till.sell_many(399)
        assert till.till.token
        with uploading(till, 400) as told:
            for _ in range(10):
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'barimt_gateway'"
                    " AND datname = %s",
                    [till.centre.database_name],
                )
                time.sleep(0.05)
            wait_for(lambda: len(told), lambda count: count == 400, 30)
        assert set(told) <= {200, 201, 409, 503, 504}
        till.upload(till.links)
        assert till.stored() == as_stored(till.links)


def test_all_that_was_taken_holds_when_it_is_checked(shared_centre: Centre) -> None:
    assert broken(shared_centre) == {}
