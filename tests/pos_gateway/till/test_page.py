"""The page: what it shows, that only it can change something, and that a real browser draws it."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from pos_gateway.till.installation import Installation
from pos_gateway.till.seat import Seat
from pos_gateway.till.states import TillState
from receipts.receipt import Nature
from tests.pos_gateway.posapi.bodies import OFFICIAL
from tests.pos_gateway.till.shop import Shop, open_shop
from tests.pos_gateway.till.stage_centre import StageCentre, on_stage
from tests.pos_gateway.till.tilling import Activations, Hands

WEB = files("pos_gateway.till") / "web"


@pytest.fixture
def seat(till: Installation, activations: Activations) -> Seat:
    """A shop that pays the capital city's tax, as the vendor's example does."""
    return till.add_seat(activations.activated(city_tax_payer=True, seller_name="<b>Дэлгүүр</b>"))


@pytest.fixture
async def centre(seat: Seat, hands: Hands) -> AsyncIterator[StageCentre]:
    async with on_stage(StageCentre(hands, seat.enrolment)) as staged:
        yield staged


@pytest.fixture
async def shop(till: Installation, centre: StageCentre, hands: Hands) -> AsyncIterator[Shop]:
    async with open_shop(till, hands.clock, url=centre.url) as opened:
        yield opened


class TestPage:
    @pytest.mark.parametrize("path", ["/", "/web"])
    async def test_is_found(self, shop: Shop, path: str) -> None:
        answer = await shop.http.get(path, follow_redirects=True)
        assert answer.url.path == "/web/"
        assert shop.service.form_token in answer.text

    async def test_runs_no_script_but_its_own(self, shop: Shop) -> None:
        answer = await shop.http.get("/web/")
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert re.findall(r"<script[^>]*>", answer.text) == ['<script type="module" src="/web/till.js">']
        assert "style=" not in answer.text
        assert "onclick" not in answer.text
        for name, kind in (("till.js", "text/javascript"), ("till.css", "text/css")):
            assert (await shop.http.get(f"/web/{name}")).headers["content-type"].startswith(kind)

    @pytest.mark.parametrize("name", ["index.html", "..%2ftill_dir.py", "queue.sqlite", "service.json"])
    async def test_gives_no_other_file(self, shop: Shop, name: str) -> None:
        assert (await shop.http.get(f"/web/{name}")).status_code == 404

    def test_has_every_word_in_both_languages(self) -> None:
        script = (WEB / "till.js").read_text(encoding="utf-8")
        tables = re.search(r"\n  mn: \{(.*?)\n  \},\n  en: \{(.*?)\n  \},", script, re.DOTALL)
        assert tables is not None
        name = re.compile(r"(?:^\s*|[{,]\s*)([A-Za-z_]+): (?=[\"\[{])", re.MULTILINE)
        names = [name.findall(words) for words in tables.groups()]
        assert names[0] == names[1]
        page = (WEB / "index.html").read_text(encoding="utf-8")
        assert set(re.findall(r'data-say="(\w+)"', page) + re.findall(r'\bsay\("(\w+)"', script)) <= set(names[0])
        assert {state.value for state in TillState} | {"NEW"} <= set(names[0])
        assert {nature.name for nature in Nature} - {"SALE"} <= set(names[0])


class TestStanding:
    async def test_is_what_the_page_shows(self, shop: Shop) -> None:
        await shop.sell()
        await shop.get("/rest/sendData")
        standing = await shop.get("/web/standing")
        assert (standing["state"], standing["waiting"]["receipts"], standing["root"]) == (
            "ONLINE", 0, "0001020304050607",
        )  # fmt: skip

    async def test_a_day_marks_what_is_void_and_what_is_identical(self, shop: Shop) -> None:
        first = await shop.sell()
        await shop.sell(billIdSuffix="01")
        await shop.sell(billIdSuffix="02")
        voided = await shop.form("void", {"id": first["id"]})
        assert voided.status_code == 200
        await shop.sell(billIdSuffix="02")
        day = await shop.get("/web/day")
        shown = [(one["nature"], one["void"], one["identical"], one["voidable"]) for one in day["receipts"]]
        assert shown == [
            ("SALE", False, True, True),
            ("VOID", False, False, False),
            ("SALE", False, True, True),
            ("SALE", False, False, True),
            ("SALE", True, False, False),
        ]

    async def test_what_is_listed_can_be_printed(self, shop: Shop) -> None:
        await shop.sell()
        (one,) = (await shop.get("/web/day"))["receipts"]
        assert one["printable"]
        printed = await shop.http.get(f"/rest/receipt/{one['id']}/print")
        assert printed.headers["content-type"] == "image/png"

    async def test_a_day_that_is_none_is_refused(self, shop: Shop) -> None:
        answer = await shop.http.get("/web/day", params={"date": "yesterday"})
        assert (answer.status_code, answer.json()["faults"][0]["code"]) == (400, "date_form")


class TestForms:
    @pytest.mark.parametrize("name", ["void", "send", "activate", "replace", "reload"])
    @pytest.mark.parametrize("token", ["", "guessed", "Ж"])
    async def test_want_the_token_of_the_page(self, shop: Shop, name: str, token: str) -> None:
        answer = await shop.http.post(f"/web/{name}", json={}, headers={"X-Till-Token": token.encode()})
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_form")

    @pytest.mark.parametrize("path", ["/web/", "/web/standing", "/web/day", "/web/till.js"])
    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "evil.example"},
            {"Host": "evil.example:7080"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ],
        ids=str,
    )
    async def test_another_page_reads_nothing(self, shop: Shop, path: str, headers: dict[str, str]) -> None:
        answer = await shop.http.get(path, headers=headers)
        assert answer.json()["faults"] == [{"code": "foreign_form"}]
        assert shop.service.form_token not in answer.text

    async def test_another_page_posts_nothing_even_with_the_token(self, shop: Shop) -> None:
        answer = await shop.form("send", {}, Origin="https://evil.example")
        assert answer.status_code == 403

    async def test_the_page_itself_may(self, shop: Shop) -> None:
        own = str(shop.http.base_url).rstrip("/")
        assert (await shop.form("send", {}, Origin=own)).json()["waiting"] == 0

    async def test_a_void_that_is_refused_says_why_in_both_languages(self, shop: Shop) -> None:
        answer = await shop.form("void", {"id": "0" * 33})
        assert answer.status_code == 404
        assert re.search("[а-я]", answer.json()["mn"])
        assert not re.search("[а-я]", answer.json()["en"])

    @pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"{", b"x" * 5000])
    async def test_nonsense_is_refused(self, shop: Shop, body: bytes) -> None:
        headers = {"X-Till-Token": shop.service.form_token}
        answer = await shop.http.post("/web/void", content=body, headers=headers)
        assert 400 <= answer.status_code < 500

    async def test_a_clock_that_is_doubted_is_confirmed(self, shop: Shop, hands: Hands) -> None:
        await shop.get("/rest/sendData")  # the centre has told the time, and does not again for minutes
        hands.now += timedelta(days=3)
        assert (await shop.get("/web/standing"))["clock_doubted"] is True
        refused = await shop.http.post("/rest/receipt", json=OFFICIAL)
        assert refused.json()["faults"][0]["code"] == "clock_far_ahead"
        assert (await shop.form("clock", {})).status_code == 200
        assert (await shop.get("/web/standing"))["clock_doubted"] is False
        await shop.sell()

    async def test_an_unknown_form_is_404(self, shop: Shop) -> None:
        assert (await shop.form("format", {})).status_code == 404

    async def test_activation_wants_a_centre_once(self, till: Installation, hands: Hands) -> None:
        async with open_shop(till, hands.clock) as opened:
            unset = await opened.form("activate", {"code": "7K2M-9QXA-04TB-W5ZE"})
            assert (unset.status_code, unset.json()["code"]) == (409, "centre_unset")
            insecure = await opened.form("activate", {"code": "7K2M", "centre": "http://centre.example"})
            assert insecure.status_code == 400

    async def test_an_activation_that_meets_nobody_says_so_and_settles_on_no_centre(
        self, till: Installation, hands: Hands
    ) -> None:
        async with open_shop(till, hands.clock) as opened:
            body = {"code": "7K2M-9QXA-04TB-W5ZE", "centre": "http://127.0.0.1:1"}
            answer = await opened.form("activate", body)
            assert (answer.status_code, answer.json()["code"]) == (502, "centre_unreachable")
            assert opened.service.centre is None


class TestBrowser:
    @pytest.mark.needs("chromium")
    async def test_draws_the_page_and_runs_nothing_that_somebody_wrote(self, shop: Shop, tmp_path: Path) -> None:
        await shop.sell()
        await shop.sell(billIdSuffix="01")
        await shop.get("/rest/sendData")
        browser = shutil.which("chromium")
        assert browser is not None
        process = await asyncio.create_subprocess_exec(
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path / 'browser'}", "--virtual-time-budget=5000", "--dump-dom",
            str(shop.http.base_url).rstrip("/") + "/web/",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        drawn = (await asyncio.wait_for(process.communicate(), 120))[0].decode()
        assert '<section id="state" class="state ONLINE"' in drawn
        assert "Холбогдсон" in drawn
        assert "&lt;b&gt;Дэлгүүр&lt;/b&gt;" in drawn
        assert drawn.count("ижил баримт</span>") == 2
