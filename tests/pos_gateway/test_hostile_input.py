"""Whatever a stranger sends is accepted or refused in words; nothing is a 500, and nothing of it is lost on the way."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Centre, Till, faults, part

NOT_JSON = {"json_invalid", "too_deep"}
ODD = [
    b'{"type":"\\ud800"}',
    b'{"seller_tin":"\\udfff\\ud800"}',
    b'{"parts":[{"lines":[{"name":"\\ud800","quantity":"1","unit":"x","total_mongo":1}]}]}',
    b"\xff",
    b"1e400",
    b'{"parts":[{"total_mongo":1e400}]}',
    b'{"parts":[{"total_mongo":' + b"9" * 5000 + b"}]}",
    b'{"parts":[{"total_mongo":false}]}',
    b"NaN",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'""',
    b"null",
    b'{"type":null}',
    b"",
]
PATHS = [
    "/v1/receipts/%00",
    "/v1/receipts/" + "٣" * 33,
    "/v1/receipts/../x",
    "/v1/receipts/" + "9" * 33,
    "/v1/receipts?key=%00",
    "/v1/receipts?key=" + "a" * 5000,
    "/v1/receipts?reference=%00",
    "/v1/receipts?terminal=1&date=x",
    "/v1/receipts?terminal=10000001&date=9999-12-31",
    "/v1/receipts?terminal=10000001&date=0001-01-01",
    "/v1/receipts?terminal=10000001&date=2017-03-01&after=99999999999999999999",
    "/v1/draws/%00",
    "/v1/draws/2017-03/transcript",
    "/v1/findings?month=x",
    "/v1/sellers/1/receipts?month=2017-03",
    "/v1/me",
    "/v1/me/claims?before=-1",
    "/v1/me/entries/0/proof",
    "/problems/x",
    "/" + "a" * 5000,
]


def named(till: Till, name: str) -> dict[str, Any]:
    """A sale of something with that name."""
    line = {"name": name, "quantity": "1", "unit": "ш", "total_mongo": 100}
    return till.body(parts=[part(100, lines=[line])])


class TestJson:
    def test_every_case_is_refused_for_what_it_is(self, shared_centre: Centre, shared_data: Path) -> None:
        till = shared_centre.enrol()
        files = sorted((shared_data / "malicious" / "json").iterdir())
        assert len(files) == 283
        for at, file in enumerate(files):
            found = {code for code, _ in faults(till.post(file.read_bytes(), f"json-{at}"))}
            assert (found <= NOT_JSON) or not file.name.startswith("n_"), file.name

    def test_every_case_as_a_line_gets_its_verdict(self, shared_centre: Centre, shared_data: Path) -> None:
        till = shared_centre.enrol()
        cases = [file.read_bytes().replace(b"\n", b" ") for file in (shared_data / "malicious" / "json").iterdir()]
        lines = [case for case in cases if case.strip()]
        good = {"key": "good", "receipt": till.body()}
        verdicts = till.batch([*lines, good])
        assert [verdict["status"] for verdict in verdicts] == [400] * len(lines) + [201]

    @pytest.mark.parametrize("body", ODD, ids=lambda body: body[:24].decode("latin-1"))
    def test_odd_bodies_are_malformed(self, shared_centre: Centre, body: bytes) -> None:
        assert faults(shared_centre.enrol().post(body))


class TestText:
    def test_naughty_strings_are_sold_or_refused(self, shared_centre: Centre, shared_data: Path) -> None:
        till = shared_centre.enrol()
        strings = json.loads((shared_data / "malicious" / "blns.json").read_bytes())
        assert len(strings) > 500
        for text in strings:
            for body in (
                named(till, text),
                till.body(reference=text),
                till.body(sold_at=text),
                till.body(corrects=text),
                till.body(district=text),
                {**till.body(), text: 1},
            ):
                assert till.post(body).status_code in {201, 400}, text

    @pytest.mark.parametrize("name", ["a", "ү" * 255, "😀", "\u202e", "a\u0001b", "=1+1", "<script>", "\ud7ff\ue000"])
    def test_a_name_may_be_any_text(self, shared_centre: Centre, name: str) -> None:
        till = shared_centre.enrol()
        assert till.post(named(till, name)).status_code == 201

    @pytest.mark.parametrize(("name", "code"), [("", "too_short"), ("ү" * 256, "too_long")])
    def test_a_name_has_its_limits(self, shared_centre: Centre, name: str, code: str) -> None:
        till = shared_centre.enrol()
        assert (code, "/parts/0/lines/0/name") in faults(till.post(named(till, name)))


class TestEverythingElse:
    @pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
    def test_no_path_breaks_the_centre(self, shared_centre: Centre, path: str) -> None:
        till = shared_centre.enrol()
        for headers in (till.headers(), shared_centre.add_person().headers, {}):
            assert shared_centre.http.get(path, headers=headers).status_code < 500

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Idempotency-Key", "é".encode()),
            ("Idempotency-Key", b"a" * 129),
            ("Idempotency-Key", b""),
            ("Accept-Language", b"\xff"),
            ("Content-Encoding", b"gzip"),
            ("Content-Type", b"text/plain"),
            ("Authorization", b"Bearer \xff"),
        ],
    )
    def test_no_header_breaks_the_centre(self, shared_centre: Centre, name: str, value: bytes) -> None:
        till = shared_centre.enrol()
        usual = [(key.encode(), text.encode()) for key, text in till.headers("k").items() if key != name]
        content = json.dumps(till.body()).encode()
        answer = shared_centre.http.post("/v1/receipts", content=content, headers=[*usual, (name.encode(), value)])
        assert answer.status_code < 500

    def test_claims_of_naughty_strings_are_refused(self, shared_centre: Centre, shared_data: Path) -> None:
        person = shared_centre.add_person()
        for text in json.loads((shared_data / "malicious" / "blns.json").read_bytes()):
            answer = person.claim(qr=text)
            assert answer.status_code in {400, 403}, text
