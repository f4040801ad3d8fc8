"""A till is activated over HTTP: once, by one, with keys that count from that moment on."""

import itertools
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from barimt.authority import EPOCH
from kernel.canonical import base64url, of_base64url
from pos_gateway.limits import ACTIVATIONS_PER_SECOND, WINDOW_S
from receipts.activation_code import GOOD_FOR
from receipts.key_list import prefix_of, read_key_list, read_shard
from receipts.keys import KeyRole, turnover_key
from receipts.qr import encode_text
from runtime.clock import real_now
from tests.activating import Applicant, activated, code_for, enrol_seller, post
from tests.answered import Json, created, faults, refused
from tests.independent import reader_v1
from tests.serving import OPENED_AT, Centre, at_once

WRONG_CODE = "0000-0000-0000-0000"


def key_file(centre: Centre) -> Json:
    """Head and shards as anybody fetches them."""
    head: Json = centre.http.get("/v1/keys").json()
    prefixes = [row[0] for row in centre.ask("SELECT prefix FROM pos.key_shards ORDER BY prefix")]
    shards = {prefix: centre.http.get(f"/v1/keys/tills/{prefix}").json()["signed"] for prefix in prefixes}
    return head | {"shards": shards}


class TestActivating:
    def test_answers_all_that_a_till_needs(self, shared_centre: Centre) -> None:
        tin = enrol_seller(shared_centre, city_tax_payer=True)
        applicant = Applicant()
        answer = created(applicant.ask(shared_centre, code_for(shared_centre, tin, number=20_000_007)))
        assert {name: answer[name] for name in ("seller_tin", "seller", "terminal", "branch", "district", "epoch")} == {
            "seller_tin": tin, "seller": f"{int(tin):012d}", "terminal": "20000007", "branch": "001",
            "district": "2501", "epoch": EPOCH,
        }  # fmt: skip
        assert (answer["vat_payer"], answer["city_tax_payer"], answer["test"]) == (True, True, False)
        master = shared_centre.authority.masters[EPOCH]
        sealing = turnover_key(master, seller=int(tin), terminal=20_000_007, epoch=EPOCH)
        assert of_base64url(answer["turnover_key"]) == sealing

    def test_certifies_the_key_for_two_years_under_the_root(self, shared_centre: Centre) -> None:
        till, answer = activated(shared_centre)
        head = read_key_list(answer["keys"])
        [root] = [key for key in head if key.role is KeyRole.ROOT]
        prefix = prefix_of(till.public.kid)
        assert answer["shard"]["prefix"] == prefix
        keys = read_shard(answer["shard"]["signed"], prefix=prefix, head=head, root_kid=root.kid)
        assert till.public in keys
        assert (till.public.seller, till.public.terminal) == (till.seller, till.terminal)
        assert till.public.not_before == OPENED_AT
        assert till.public.not_after == OPENED_AT + timedelta(days=730)
        assert all(key.role is not KeyRole.TILL for key in head)
        shown = shared_centre.http.get(f"/v1/keys/tills/{prefix}").json()
        assert answer["certificate"] in shown["keys"]
        assert shown["signed"] == answer["shard"]["signed"]

    def test_lets_the_till_get_tokens_and_see_how_it_stands(self, shared_centre: Centre) -> None:
        till, answer = activated(shared_centre)
        standing = till.till.http.get(f"/v1/terminals/{answer['terminal']}", headers=till.till.headers()).json()
        assert standing == {
            "terminal": answer["terminal"], "mode": "till", "counter": 0, "head_hash": till.head.previous_hash.hex(),
            "last_issued_at": "2017-03-01T01:00:00+00:00", "suspended_at": None, "suspended_for": None,
            "closed_at": None, "now": "2017-03-01T01:00:00+00:00", "late_issue_hours": 72,
        }  # fmt: skip
        link = till.start()
        assert [verdict["status"] for verdict in till.upload([link, till.sell()])] == [201, 201]
        standing = till.till.http.get(f"/v1/terminals/{answer['terminal']}", headers=till.till.headers()).json()
        assert (standing["counter"], standing["head_hash"]) == (2, till.head.previous_hash.hex())

    def test_makes_receipts_that_anyone_may_claim_at_once(self, shared_centre: Centre) -> None:
        person = shared_centre.add_person()
        before = activated(shared_centre)[0]
        before.start()
        assert person.claim(qr=encode_text(before.sell().cose)).status_code == 200  # the keys are known from now on
        till, _ = activated(shared_centre)
        till.start()
        sale = till.sell()
        claim = person.claim(qr=encode_text(sale.cose))
        assert (claim.status_code, claim.json()["state"]) == (200, "provisional")
        till.upload(till.links)
        assert person.await_state("final")

    def test_makes_receipts_that_an_independent_reader_verifies_offline(self, shared_centre: Centre) -> None:
        till, _ = activated(shared_centre)
        texts = [encode_text(link.cose) for link in (till.start(), till.sell())]
        published = key_file(shared_centre)
        keys = reader_v1.read_key_list(published)
        assert [reader_v1.verify(text, keys)["terminal"] for text in texts] == [till.terminal] * 2
        del published["shards"][prefix_of(till.public.kid)]
        with pytest.raises(reader_v1.Refused, match="unknown"):
            reader_v1.verify(texts[0], reader_v1.read_key_list(published))

    def test_takes_a_code_as_people_copy_it(self, shared_centre: Centre) -> None:
        code = code_for(shared_centre, enrol_seller(shared_centre))
        said = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
        assert Applicant().ask(shared_centre, said).status_code == 201

    def test_gives_the_seat_of_the_code_and_the_next_free_number(self, shared_centre: Centre) -> None:
        tin = enrol_seller(shared_centre)
        codes = [code_for(shared_centre, tin) for _ in range(3)]
        numbers = [created(Applicant().ask(shared_centre, code))["terminal"] for code in reversed(codes)]
        assert numbers == ["10000003", "10000002", "10000001"]


class TestAgain:
    def test_the_same_keys_get_the_same_answer(self, shared_centre: Centre) -> None:
        applicant, code = Applicant(), code_for(shared_centre, enrol_seller(shared_centre))
        first = created(applicant.ask(shared_centre, code))
        again = applicant.ask(shared_centre, code)
        assert again.status_code == 200
        stable = {name: value for name, value in first.items() if name != "shard"}
        assert {name: value for name, value in again.json().items() if name != "shard"} == stable
        assert (
            first["certificate"] in shared_centre.http.get(f"/v1/keys/tills/{first['shard']['prefix']}").json()["keys"]
        )
        [(terminals,)] = shared_centre.ask("SELECT count(*) FROM pos.terminals WHERE seller = %s", int(first["seller"]))
        assert terminals == 1

    def test_nobody_elses_keys_do(self, shared_centre: Centre) -> None:
        applicant, code = Applicant(), code_for(shared_centre, enrol_seller(shared_centre))
        created(applicant.ask(shared_centre, code))
        other = Applicant()
        unknown = refused(other.ask(shared_centre, WRONG_CODE), 403, "activation_code_unknown")
        for body in (
            other.body(code),
            other.body(code, public_key=applicant.body(code)["public_key"]),
            other.body(code, client_key=applicant.body(code)["client_key"]),
        ):
            assert refused(post(shared_centre, body), 403, "activation_code_unknown") == unknown

    def test_an_expired_code_is_as_unknown_as_any(self, shared_centre: Centre) -> None:
        tin = enrol_seller(shared_centre)
        old = code_for(shared_centre, tin, at=real_now() - GOOD_FOR - timedelta(seconds=1))
        unknown = refused(Applicant().ask(shared_centre, WRONG_CODE), 403, "activation_code_unknown")
        assert refused(Applicant().ask(shared_centre, old), 403, "activation_code_unknown") == unknown
        good = code_for(shared_centre, tin, at=real_now() - GOOD_FOR + timedelta(minutes=5))
        assert Applicant().ask(shared_centre, good).status_code == 201

    def test_a_newer_code_for_a_terminal_ends_the_older_one(self, shared_centre: Centre) -> None:
        tin = enrol_seller(shared_centre)
        old, new = (code_for(shared_centre, tin, number=7) for _ in range(2))
        refused(Applicant().ask(shared_centre, old), 403, "activation_code_unknown")
        assert Applicant().ask(shared_centre, new).status_code == 201


class TestAtOnce:
    def test_many_tills_with_one_code_become_one(self, shared_centre: Centre) -> None:
        code = code_for(shared_centre, enrol_seller(shared_centre))
        answers = at_once(*(partial(Applicant().ask, shared_centre, code) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403, 403]

    def test_one_till_that_asks_thrice_gets_one_answer(self, shared_centre: Centre) -> None:
        ask = partial(Applicant().ask, shared_centre, code_for(shared_centre, enrol_seller(shared_centre)))
        answers = at_once(ask, ask, ask)
        assert sorted(answer.status_code for answer in answers) == [200, 200, 201]
        assert len({answer.json()["client_id"] for answer in answers}) == 1


class TestRefusing:
    def test_names_every_fault(self, shared_centre: Centre) -> None:
        applicant = Applicant()
        assert faults(applicant.ask(shared_centre, "U" * 16, public_key="A" * 42)) == {
            ("ed25519_key_form", "/public_key"),
        }
        weak = base64url(bytes(32))
        assert faults(applicant.ask(shared_centre, "U" * 16, public_key=weak, client_key="_" * 43)) == {
            ("activation_code_form", "/code"), ("ed25519_key_form", "/public_key"), ("ed25519_key_form", "/client_key"),
        }  # fmt: skip
        assert faults(post(shared_centre, {"code": 1, "more": 2})) == {
            ("wrong_type", "/code"), ("unknown_field", "/more"), ("missing_field", "/public_key"),
            ("missing_field", "/client_key"),
        }  # fmt: skip
        assert faults(post(shared_centre, b"{")) == {("json_invalid", "")}

    def test_a_body_beyond_its_size(self, shared_centre: Centre) -> None:
        refused(post(shared_centre, b" " * (16 * 1024 + 1)), 413, "too_large")

    def test_a_key_that_signs_already(self, shared_centre: Centre) -> None:
        tin, applicant = enrol_seller(shared_centre), Applicant()
        created(applicant.ask(shared_centre, code_for(shared_centre, tin)))
        code = code_for(shared_centre, tin)
        refused(applicant.ask(shared_centre, code), 409, "public_key_taken")
        gateway = shared_centre.authority.published[0].public_key
        refused(Applicant().ask(shared_centre, code, public_key=base64url(gateway)), 409, "public_key_taken")
        assert Applicant().ask(shared_centre, code).status_code == 201

    def test_a_terminal_that_was_enrolled_meanwhile(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol(terminals=0)
        [(taken,)] = shared_centre.ask("SELECT coalesce(max(terminal), 0) + 1000 FROM pos.terminals")
        code = code_for(shared_centre, till.tin, number=taken)
        while int(shared_centre.add_terminal(till)) < taken:
            shared_centre._numbers = itertools.count(taken - 10_000_000)
        refused(Applicant().ask(shared_centre, code), 409, "terminal_exists")

    def test_whoever_guesses_is_slowed_down(self, centre: Centre) -> None:
        applicant, allowed = Applicant(), ACTIVATIONS_PER_SECOND * WINDOW_S
        with centre.connect() as http:
            answers = [
                http.post("/v1/terminals/activate", json=applicant.body(WRONG_CODE)) for _ in range(allowed + 10)
            ]
        assert {answer.status_code for answer in answers[:allowed]} == {403}
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) >= 1


class TestRootKey:
    def test_is_missed_in_words_and_used_when_it_is_brought(self, centre: Centre) -> None:
        applicant, code = Applicant(), code_for(centre, enrol_seller(centre))
        root = centre.authority.folder / "root.key"
        away = root.rename(root.with_name("elsewhere"))
        problem = refused(applicant.ask(centre, code), 503, "root_key_away")
        assert "BARIMT_ROOT_KEY" in problem["detail"]
        away.rename(root)
        created(applicant.ask(centre, code))
        root.unlink()
        assert applicant.ask(centre, code).status_code == 200  # nothing is signed for an answer that is given again
        refused(Applicant().ask(centre, WRONG_CODE), 403, "activation_code_unknown")

    @pytest.mark.parametrize("content", ["7" * 64, "no key"])
    def test_of_somebody_else_certifies_nothing(self, centre: Centre, content: str) -> None:
        root: Path = centre.authority.folder / "root.key"
        root.write_text(content)
        answer = Applicant().ask(centre, code_for(centre, enrol_seller(centre)))
        refused(answer, 503, "root_key_away")
        assert int(answer.headers["retry-after"]) > 60
        assert centre.ask("SELECT count(*) FROM pos.keys WHERE role = 'till'") == [(0,)]


class TestAccounts:
    def test_are_the_sellers_own(self, shared_centre: Centre) -> None:
        till, other = shared_centre.enrol(), shared_centre.enrol()
        shared_centre.ask(
            "INSERT INTO pos.seller_accounts (seller, account_no, account_name, bank_id, bank_name, iban)"
            " VALUES (%s, '4990037827', 'Дэлгүүр', 32, 'ХААН банк', '10001004990037827')",
            int(till.tin),
        )
        [account] = till.http.get(f"/v1/sellers/{till.tin}/bank-accounts", headers=till.headers()).json()
        assert account == {
            "id": account["id"], "tin": till.tin, "bankAccountNo": "4990037827", "bankAccountName": "Дэлгүүр",
            "bankId": 32, "bankName": "ХААН банк", "iBan": "10001004990037827",
        }  # fmt: skip
        assert other.http.get(f"/v1/sellers/{other.tin}/bank-accounts", headers=other.headers()).json() == []
        answer = other.http.get(f"/v1/sellers/{till.tin}/bank-accounts", headers=other.headers())
        refused(answer, 403, "wrong_seller")
        refused(shared_centre.http.get(f"/v1/sellers/{till.tin}/bank-accounts"), 401, "unauthenticated")


class TestStanding:
    def test_is_told_to_the_terminals_own_client_alone(self, shared_centre: Centre) -> None:
        till, other = shared_centre.enrol(), shared_centre.enrol()
        path = f"/v1/terminals/{till.terminals[0]}"
        assert till.http.get(path, headers=till.headers()).json()["mode"] == "gateway"
        refused(other.http.get(path, headers=other.headers()), 404, "terminal_unknown")
        beside = shared_centre.add_client(till.tin)
        refused(beside.http.get(path, headers=beside.headers()), 404, "terminal_unknown")
        assert faults(till.http.get("/v1/terminals/1", headers=till.headers())) == {("terminal_form", "/terminal")}

    def test_says_why_a_terminal_is_suspended(self, shared_centre: Centre) -> None:
        till, answer = activated(shared_centre)
        shared_centre.ask(
            "UPDATE pos.terminals SET suspended_at = '2017-03-01 01:00Z', suspended_for = 'fork'"
            " WHERE (seller, terminal) = (%s, %s)",
            till.seller, till.terminal,
        )  # fmt: skip
        standing = till.till.http.get(f"/v1/terminals/{answer['terminal']}", headers=till.till.headers()).json()
        assert (standing["suspended_at"], standing["suspended_for"]) == ("2017-03-01T01:00:00+00:00", "fork")


class TestShards:
    def test_are_named_by_two_digits(self, shared_centre: Centre) -> None:
        taken = {row[0] for row in shared_centre.ask("SELECT prefix FROM pos.key_shards")}
        free = next(f"{number:02x}" for number in range(256) if f"{number:02x}" not in taken)
        refused(shared_centre.http.get(f"/v1/keys/tills/{free}"), 404, "key_shard_unknown")
        for prefix in ("A0", "0", "000", "zz"):
            assert shared_centre.http.get(f"/v1/keys/tills/{prefix}").status_code == 400
