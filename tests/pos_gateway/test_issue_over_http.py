"""A till's day over real sockets: singles, batches, retries, voids, corrections, look-ups."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from kernel.money import MONGO_MAX
from receipts.key_list import read_key_list
from receipts.keys import keyring_of
from receipts.verification import verify_text
from tests.receipts.printed_samples import read_by_zbar
from tests.serving import OPENED_AT, Centre, created, faults, part, refused


class TestSingle:
    def test_is_answered_with_a_receipt_that_verifies(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        receipt = till.sell(11_000_00, reference="a-1")
        assert set(receipt) == {
            "id", "issued_at", "lottery", "qr", "total_mongo", "vat_mongo", "city_tax_mongo", "hash", "parts",
        }  # fmt: skip
        assert (receipt["total_mongo"], receipt["vat_mongo"]) == (11_000_00, 1_000_00)
        assert receipt["id"][:12] == f"{int(till.tin):012d}"
        assert receipt["parts"][0]["seller_tin"] == till.tin
        keys = keyring_of(read_key_list(shared_centre.http.get("/v1/keys").json()["signed"]))
        verified = verify_text(receipt["qr"], keys)
        assert str(verified.payload.id) == receipt["id"]
        assert verified.receipt_hash.hex() == receipt["hash"]

    def test_the_same_key_and_content_get_the_first_answer(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        body = till.body(reference="x")
        first = till.post(body, "k")
        again = till.post(dict(reversed(body.items())), "k")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.content == again.content

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"reference": "y"}, "/reference"),
            ({"parts": [part(5)]}, "/parts/0/total_mongo"),
            ({"payments": [{"method": "CASH", "amount_mongo": 11_000_00}]}, "/payments"),
            ({"consumer_no": "11000000"}, "/consumer_no"),
            ({"district": "2501"}, "/district"),
        ],
    )
    def test_a_key_with_other_content_is_refused(
        self, shared_centre: Centre, changes: dict[str, Any], field: str
    ) -> None:
        till = shared_centre.enrol()
        created(till.post(till.body(), "k"))
        problem = refused(till.post(till.body(**changes), "k"), 422, "key_reused")
        assert field in problem["detail"]

    def test_the_same_key_in_flight_makes_one_receipt(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        body, _ = till.body(), till.token
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda _: till.post(body, "same"), range(48)))
        assert {answer.status_code for answer in answers} <= {200, 201}
        assert len({answer.content for answer in answers}) == 1
        sold = "SELECT count(*) FROM pos.receipts WHERE seller = %s AND kind & 15 = 0"
        assert shared_centre.ask(sold, int(till.tin)) == [(1,)]

    def test_a_terminal_that_is_not_the_clients_is_refused(self, shared_centre: Centre) -> None:
        one, two = shared_centre.enrol(), shared_centre.enrol()
        refused(one.post(one.body(terminal=two.terminals[0])), 404, "terminal_unknown")
        refused(one.post(one.body(seller_tin=two.tin)), 403, "wrong_seller")

    def test_a_till_that_signs_itself_is_refused(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol(mode="till")
        refused(till.post(till.body(terminal=till.terminals[0])), 403, "wrong_signer")

    def test_limits_of_time(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        for age, code in ((timedelta(hours=73), "too_late"), (-timedelta(minutes=2), "clock_ahead")):
            refused(till.post(till.body(sold_at=(OPENED_AT - age).isoformat())), 409, code)
        late = till.sell(sold_at=(OPENED_AT - timedelta(hours=72)).isoformat())
        assert late["issued_at"] == "2017-03-01T09:00:00+08:00"  # never before the chain's start
        assert (
            till.sell(sold_at=(OPENED_AT + timedelta(seconds=60)).isoformat())["issued_at"][:16] == "2017-03-01T09:01"
        )

    def test_limits_of_money(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        assert till.sell(0)["vat_mongo"] == 0
        assert till.sell(1)["total_mongo"] == 1
        assert till.sell(MONGO_MAX)["total_mongo"] == MONGO_MAX
        assert ("out_of_range", "/parts/0/total_mongo") in faults(till.post(till.body(MONGO_MAX + 1)))

    def test_midnight_is_ulaanbaatars(self, centre: Centre) -> None:
        till = centre.enrol()
        centre.set_clock(OPENED_AT.replace(hour=15, minute=59, second=59))
        before = till.sell()
        centre.set_clock(OPENED_AT.replace(hour=16))
        after = till.sell()
        assert int(after["id"][15:20]) == int(before["id"][15:20]) + 1
        assert after["id"][20:25] == "00000"

    def test_faults_are_said_in_the_language_asked_for(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        said = {language: till.post({}, **{"Accept-Language": language}).json()["detail"] for language in ("mn", "en")}
        assert said["mn"] != said["en"]
        assert any("а" <= letter <= "я" for letter in said["mn"])

    def test_a_bundle_of_several_merchants_and_tax_types(self, shared_centre: Centre) -> None:
        till, lessee = shared_centre.enrol(), shared_centre.enrol(vat_payer=False)
        parts = [part(110_000), part(5_000, "VAT_FREE"), part(110_000, seller_tin=lessee.tin)]
        parts[1]["lines"][0]["tax_product"] = "447"
        receipt = till.sell(parts=parts)
        assert [one["vat_mongo"] for one in receipt["parts"]] == [10_000, 0, 0]
        assert receipt["parts"][2]["id"][:12] == f"{int(lessee.tin):012d}"


class TestBatch:
    def test_a_thousand_at_once_in_order(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol(terminals=3)
        lines = [{"key": f"b{at}", "receipt": till.body(100 + at)} for at in range(1000)]
        verdicts = till.batch(lines)
        assert [verdict["line"] for verdict in verdicts] == list(range(1, 1001))
        assert [verdict["receipt"]["total_mongo"] for verdict in verdicts] == [100 + at for at in range(1000)]
        assert {verdict["status"] for verdict in verdicts} == {201}
        again = till.batch(lines)
        assert [one["receipt"] for one in again] == [one["receipt"] for one in verdicts]
        assert {verdict["status"] for verdict in again} == {200}

    def test_a_broken_line_touches_no_other(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        good = till.body()
        verdicts = till.batch(
            [
                {"key": "g1", "receipt": good},
                b"{not json",
                {"key": "g2"},
                {"key": "", "receipt": good},
                {"key": "g3", "receipt": {**good, "seller_tin": "37900000000"}},
                {"key": "g1", "receipt": {**good, "reference": "other"}},
                b'{"key": "big", "receipt": "' + b"x" * 300_000 + b'"}',
                {"key": "g4", "receipt": good},
            ]
        )
        assert [verdict["status"] for verdict in verdicts] == [201, 400, 400, 400, 403, 422, 413, 201]
        assert verdicts[1]["problem"]["code"] == "malformed"
        assert verdicts[1]["key"] is None

    @pytest.mark.parametrize("count", [0, 1001])
    def test_limits_of_lines(self, shared_centre: Centre, count: int) -> None:
        till = shared_centre.enrol()
        assert faults(till.post_lines([b"{}"] * count)) == {("batch_lines", "")}

    def test_a_body_beyond_its_limit_is_refused(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        refused(till.post_lines([b"x" * (8 * 1024 * 1024 + 1)]), 413, "too_large")
        refused(till.post(b"[" + b" " * 262_144), 413, "too_large")


class TestVoidAndCorrection:
    def test_a_void_is_a_link_of_its_own_and_is_answered_once(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        receipt = till.sell()
        first, again = till.void(receipt["id"]), till.void(receipt["id"])
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.content == again.content
        assert first.json()["total_mongo"] == -11_000_00
        refused(till.void(receipt["id"], key="another"), 409, "already_void")
        refused(till.void(receipt["id"], "another reason"), 409, "already_void")
        refused(till.post(till.body(corrects=receipt["id"])), 409, "already_void")

    def test_corrections_form_a_line(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        root = till.sell()
        second = till.sell(5_000_00, corrects=root["id"])
        third = till.sell(4_000_00, corrects=second["id"])
        assert root["lottery"] == second["lottery"] == third["lottery"]
        problem = refused(till.post(till.body(corrects=root["id"])), 409, "not_latest")
        assert third["id"] in problem["detail"]
        shown = till.get(f"/{third['id']}").json()
        assert (shown["root_id"], shown["previous_id"]) == (root["id"], second["id"])
        assert created(till.void(third["id"]))["total_mongo"] == -4_000_00

    def test_nobody_touches_another_sellers_receipt(self, shared_centre: Centre) -> None:
        one, two = shared_centre.enrol(), shared_centre.enrol()
        receipt = one.sell()
        refused(two.void(receipt["id"]), 404, "unknown_receipt")
        refused(two.post(two.body(corrects=receipt["id"])), 404, "unknown_receipt")
        refused(two.get(f"/{receipt['id']}"), 404, "unknown_receipt")
        other_branch = receipt["id"][:12] + "999" + receipt["id"][15:]
        refused(one.void(other_branch), 404, "unknown_receipt")
        refused(one.void(receipt["parts"][0]["id"]), 404, "unknown_receipt")

    def test_an_invoice_is_paid(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        invoice = till.sell(type="B2C_INVOICE")
        paid = till.sell(pays_invoice=invoice["id"])
        assert (invoice["lottery"], bool(paid["lottery"])) == (None, True)
        refused(till.post(till.body(pays_invoice=paid["id"])), 404, "invoice_unknown")


class TestClaims:
    def test_money_comes_at_once_and_goes_with_the_void(self, centre: Centre) -> None:
        till, person, other = centre.enrol(), centre.add_person(), centre.add_person()
        receipt = till.sell()
        claim = person.claim(qr=receipt["qr"]).json()
        assert (claim["state"], claim["credit_mongo"], claim["lottery"]) == ("final", 200_00, receipt["lottery"])
        assert person.claim(receipt_id=receipt["id"], lottery=receipt["lottery"]).json() == claim
        refused(other.claim(qr=receipt["qr"]), 409, "already_claimed")
        assert person.get("/balance")["available_mongo"] == 200_00
        created(till.void(receipt["id"]))
        person.await_state("void")
        assert person.get("/balance")["available_mongo"] == 0

    def test_a_consumers_number_at_the_till_claims_for_him(self, centre: Centre) -> None:
        till, person = centre.enrol(), centre.add_person()
        receipt = till.sell(consumer_no=person.login_no)
        [claim] = person.await_claims(1)
        assert claim["receipt_id"] == receipt["id"]

    @pytest.mark.parametrize("total", [0])
    def test_what_cost_nothing_is_not_claimable(self, shared_centre: Centre, total: int) -> None:
        till, person = shared_centre.enrol(), shared_centre.add_person()
        refused(person.claim(qr=till.sell(total)["qr"]), 409, "not_claimable")

    def test_refusals_have_their_codes(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        person, owner = shared_centre.add_person(), shared_centre.add_person(owner_of=till)
        receipt = till.sell()
        refused(owner.claim(qr=receipt["qr"]), 403, "own_seller")
        refused(person.claim(qr=receipt["qr"][:-3] + "000"), 403, "forged")
        refused(person.claim(receipt_id=receipt["id"], lottery="ZZ 00000000"), 404, "unknown_receipt")
        business = till.sell(type="B2B_RECEIPT", buyer_tin="37900846788")
        refused(person.claim(qr=business["qr"]), 409, "business_receipt")
        void = created(till.void(receipt["id"]))
        refused(person.claim(qr=void["qr"]), 409, "receipt_void")

    def test_guessing_by_hand_is_slowed_down(self, shared_centre: Centre) -> None:
        person = shared_centre.add_person()
        answers = [person.claim(receipt_id="0" * 33, lottery="AB 00000000").status_code for _ in range(12)]
        assert answers == [404] * 10 + [429] * 2


class TestLookUps:
    def test_was_my_sale_issued(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        receipt = created(till.post(till.body(reference="r-7"), "k-7"))
        for query in ({"key": "k-7"}, {"reference": "r-7"}):
            [found] = till.get("", **query).json()["receipts"]
            assert found["id"] == receipt["id"]
        assert till.get("", key="k-8").json() == {"receipts": []}
        assert faults(till.get("")) == {("missing_field", "/key")}

    def test_a_day_with_its_totals(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        receipt = till.sell()
        created(till.void(receipt["id"]))
        day = till.get("", terminal=till.terminals[0], date="2017-03-01").json()
        totals = {one["nature"]: (one["receipts"], one["total_mongo"]) for one in day["totals"]}
        assert totals == {"START": (1, 0), "SALE": (1, 11_000_00), "VOID": (1, -11_000_00)}
        assert len(day["receipts"]) == 3

    def test_the_qr_as_picture_and_drawing(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        receipt = till.sell()
        assert till.get(f"/{receipt['id']}/qr.png").content.startswith(b"\x89PNG")
        assert b"<svg" in till.get(f"/{receipt['id']}/qr.svg").content

    @pytest.mark.parametrize(("query", "dots"), [({}, 576), ({"width": "80"}, 576), ({"width": "58"}, 384)])
    def test_the_receipt_on_paper(self, shared_centre: Centre, query: dict[str, str], dots: int) -> None:
        till = shared_centre.enrol()
        receipt = till.sell()
        picture = Image.open(io.BytesIO(till.get(f"/{receipt['id']}/receipt.png", **query).content))
        assert picture.width == dots
        assert read_by_zbar(picture) == [receipt["qr"]]

    def test_the_paper_of_what_was_taken_back(self, shared_centre: Centre) -> None:
        """It is not what it was: marked, and without a lottery number."""
        till = shared_centre.enrol()
        receipt = till.sell()
        before = till.get(f"/{receipt['id']}/receipt.png").content
        void = created(till.void(receipt["id"]))
        after = till.get(f"/{receipt['id']}/receipt.png").content
        assert after != before
        assert read_by_zbar(Image.open(io.BytesIO(after))) == [receipt["qr"]]
        picture = Image.open(io.BytesIO(till.get(f"/{void['id']}/receipt.png").content))
        assert read_by_zbar(picture) == [void["qr"]]

    def test_no_paper_of_a_start_a_stranger_or_another_width(self, shared_centre: Centre) -> None:
        till, stranger = shared_centre.enrol(), shared_centre.enrol()
        receipt = till.sell()
        day = till.get("", terminal=till.terminals[0], date="2017-03-01").json()
        [start] = [one["id"] for one in day["receipts"] if one["nature"] == "START"]
        assert till.get(f"/{start}/receipt.png").status_code == 404
        assert stranger.get(f"/{receipt['id']}/receipt.png").status_code == 404
        assert till.get(f"/{receipt['id']}/receipt.png", width="57").status_code == 400


class TestTokens:
    @pytest.mark.parametrize(
        "changes",
        [{"aud": "https://example.org/"}, {"exp": 1}, {"jti": None}, {"iss": "somebody"}, {"sub": "client-0"}],
    )
    def test_a_bad_assertion_gets_no_token(self, shared_centre: Centre, changes: dict[str, Any]) -> None:
        till = shared_centre.enrol()
        answer = till.ask_token(till.sign(till.claims(**changes)))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    def test_an_assertion_is_good_once(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        assertion = till.sign(till.claims())
        assert [till.ask_token(assertion).status_code for _ in range(2)] == [200, 401]

    def test_another_clients_key_gets_no_token(self, shared_centre: Centre) -> None:
        one, two = shared_centre.enrol(), shared_centre.enrol()
        one.key = two.key
        assert one.ask_token(one.sign(one.claims())).status_code == 401

    @pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x.y.z", "Basic YTpi", "Bearer " + "a" * 9000])
    def test_nobody_issues_without_a_token(self, shared_centre: Centre, authorization: str) -> None:
        till = shared_centre.enrol()
        refused(till.post(till.body(), Authorization=authorization), 401, "unauthenticated")
