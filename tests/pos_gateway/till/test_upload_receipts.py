"""What waits reaches the centre in order and once, whatever happens on the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import apsw
import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from pos_gateway.till import ask_centre
from pos_gateway.till.ask_centre import AskCentre, open_http
from pos_gateway.till.backoff import LONGEST_S
from pos_gateway.till.installation import Installation
from pos_gateway.till.refusals import SuspendedByCentre, SuspendedForFork
from pos_gateway.till.seat import Seat
from pos_gateway.till.states import TillState
from pos_gateway.till.upload_receipts import LINGER_S, POLL_S, Uploader, kept_link
from runtime.clock import real_now
from tests.pos_gateway.till.stage_centre import StageCentre, on_stage
from tests.pos_gateway.till.tilling import Activations, Hands, sale, sell

PROBLEM = {"code": "unauthenticated", "detail": "who?"}


@pytest.fixture
async def centre(seat: Seat, hands: Hands) -> AsyncIterator[StageCentre]:
    async with on_stage(StageCentre(hands, seat.enrolment)) as staged:
        yield staged


@pytest.fixture
async def uploader(till: Installation, centre: StageCentre, hands: Hands) -> AsyncIterator[Uploader]:
    async with open_http(centre.url) as http:
        ask = AskCentre(http, till.dir.client_key, real_clock=real_now)
        yield Uploader(till, ask, clock=hands.clock, elapsed_s=hands.elapsed_s, jitter=lambda: 0.5)


def state(uploader: Uploader, till: Installation, seat: Seat) -> TillState:
    return uploader.link_of(the(till, seat)).state


def the(till: Installation, seat: Seat) -> Seat:
    return next(one for one in till.seats if one.chain == seat.chain)


async def sell_some(till: Installation, seat: Seat, count: int = 1, consumer_no: int | None = None) -> None:
    for _ in range(count):
        await sell(till, seat, sale(consumer_no=consumer_no))


class TestStep:
    async def test_uploads_in_order_and_once(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        await sell_some(till, seat, 5)
        assert state(uploader, till, seat) is TillState.OFFLINE
        assert await uploader.step() == POLL_S
        assert (centre.counter, till.backlog(seat).count) == (6, 0)
        assert state(uploader, till, seat) is TillState.ONLINE
        assert uploader.link_of(seat).sent_at is not None

    async def test_asks_how_it_stands_and_then_sends(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        await uploader.step()
        assert centre.asked == ["/v1/oauth/token", "/v1/terminals/20000001", "/v1/receipts/signed"]

    async def test_does_nothing_before_it_is_due(self, uploader: Uploader, centre: StageCentre, hands: Hands) -> None:
        wait = await uploader.step()
        asked = len(centre.asked)
        hands.forward(seconds=wait - 1)
        assert await uploader.step() == 1
        assert len(centre.asked) == asked
        hands.forward(seconds=1)
        await uploader.step()
        assert centre.asked[asked:] == ["/v1/terminals/20000001"]

    async def test_a_sale_is_sent_within_a_second(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        await uploader.step()
        uploader.issued(await sell(till, seat, sale()))
        assert await uploader.step() == LINGER_S
        hands.forward(seconds=LINGER_S)
        await uploader.step()
        assert centre.counter == 2

    async def test_goes_on_in_bounded_batches(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        await sell_some(till, seat, 599)
        assert await uploader.step() == 0
        assert (centre.counter, state(uploader, till, seat)) == (250, TillState.CATCHING_UP)
        await uploader.step()
        await uploader.step()
        assert (centre.counter, centre.batches) == (600, [250, 250, 100])
        assert state(uploader, till, seat) is TillState.ONLINE

    async def test_goes_on_where_it_was_broken_off(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        await sell_some(till, seat, 299)
        centre.breaks_after = 7
        assert await uploader.step() == pytest.approx(0.75)
        assert (centre.counter, till.backlog(seat).count) == (7, 293)
        assert state(uploader, till, seat) is TillState.OFFLINE
        for _ in range(20):
            hands.forward(seconds=1)
            await uploader.step()
        assert centre.counter == 147, "what was progress is no failure in a row"
        centre.breaks_after = None
        for _ in range(2):
            hands.forward(seconds=1)
            await uploader.step()
        assert (centre.counter, till.backlog(seat).count) == (300, 0)

    async def test_sends_again_what_got_no_verdict(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        await sell_some(till, seat, 3)
        centre.breaks_after = 0
        await uploader.step()
        lines = await till.waiting(seat, lines_max=2, bytes_max=10**6)
        centre.links += [line.receipt_hash for line in lines]
        centre.breaks_after = None
        hands.forward(seconds=LONGEST_S)
        await uploader.step()
        assert (len(centre.links), len(set(centre.links)), till.backlog(seat).count) == (4, 4, 0)

    async def test_two_that_upload_the_same_do_not_hinder_each_other(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        await sell_some(till, seat, 299)
        async with open_http(centre.url) as http:
            ask = AskCentre(http, till.dir.client_key, real_clock=real_now)
            beside = Uploader(till, ask, clock=hands.clock, elapsed_s=hands.elapsed_s, jitter=lambda: 0.5)
            for _ in range(3):
                await asyncio.gather(uploader.step(), beside.step())
            for one in (uploader, beside):
                assert (one.link_of(seat).error, one.link_of(seat).state) == (None, TillState.ONLINE)
        assert (centre.counter, till.backlog(seat).count, till.check()) == (300, 0, [])

    async def test_serves_every_seat(
        self, uploader: Uploader, till: Installation, seat: Seat, activations: Activations, hands: Hands
    ) -> None:
        other = till.add_seat(activations.activated("61200064714", 20000002))
        async with on_stage(StageCentre(hands, other.enrolment)) as unrelated:
            assert unrelated.counter == 0
        await uploader.step()
        await uploader.step()
        assert till.backlog(seat).count == 0
        assert till.backlog(other).count == 1, "the stage knows one chain: this one's predecessor is missing"
        error = uploader.link_of(other).error
        assert error is not None
        assert (error.code, state(uploader, till, other)) == ("predecessor_missing", TillState.SUSPENDED)


class TestAway:
    async def test_waits_longer_each_time_and_tells_why(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        centre.gone = True
        waits = []
        for _ in range(9):
            waits.append(await uploader.step())
            hands.forward(seconds=waits[-1])
        assert waits == [0.75, 1.5, 3, 6, 12, 24, 48, 90, 90]
        link = uploader.link_of(seat)
        assert link.error is not None
        assert (link.state, link.failures, link.error.code) == (TillState.OFFLINE, 9, "centre_unreachable")

    async def test_comes_back_by_itself(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        centre.gone = True
        hands.forward(seconds=await uploader.step())
        centre.gone = False
        assert await uploader.step() == POLL_S
        assert (uploader.link_of(seat).error, state(uploader, till, seat)) == (None, TillState.ONLINE)

    @pytest.mark.parametrize(("minutes", "codes"), [(9, []), (10, ["till_outage"])])
    async def test_an_outage_that_somebody_may_ask_about_is_told_of_when_it_ends(
        self, uploader: Uploader, till: Installation, centre: StageCentre, hands: Hands, minutes: int, codes: list[str]
    ) -> None:
        await uploader.step()
        hands.forward(seconds=POLL_S)
        centre.gone = True
        await uploader.step()
        hands.forward(minutes=minutes)
        centre.gone = False
        await uploader.step()
        assert [notice.code for notice in till.notices()] == codes
        assert [notice.detail for notice in till.notices()] == ["2026-11-27 09:05 - 2026-11-27 09:15"][: len(codes)]

    async def test_a_sale_does_not_hasten_what_waits_for_the_centre(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        centre.gone = True
        wait = await uploader.step()
        uploader.issued(await sell(till, seat, sale()))
        assert await uploader.step() == wait

    async def test_is_away_for_all_seats_at_once(
        self, uploader: Uploader, till: Installation, seat: Seat, activations: Activations, centre: StageCentre
    ) -> None:
        other = till.add_seat(activations.activated("61200064714", 20000002))
        centre.gone = True
        assert await uploader.step() > 0
        assert uploader.link_of(seat).failures == uploader.link_of(other).failures == 1
        assert uploader.link_of(other).state is TillState.OFFLINE

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (HTMLResponse("<h1>Please log in to the Wi-Fi</h1>"), "centre_strange"),
            (HTMLResponse("no", status_code=404), "centre_strange"),
            (Response(status_code=307, headers={"Location": "/elsewhere"}), "centre_strange"),
            (JSONResponse({"code": "internal", "detail": "i123"}, status_code=500), "centre_broken"),
            (Response(b'{"terminal":"20000001"}'), "centre_strange"),
        ],
        ids=["portal", "another service", "redirection", "broken", "another form"],
    )
    async def test_what_does_not_speak_as_the_centre_is_no_centre(
        self, uploader: Uploader, seat: Seat, centre: StageCentre, answer: Response, code: str
    ) -> None:
        centre.answers["/v1/terminals/20000001"] = answer
        await uploader.step()
        link = uploader.link_of(seat)
        assert link.error is not None
        assert (link.state, link.error.code) == (TillState.OFFLINE, code)

    async def test_silence_is_told_from_absence(
        self, till: Installation, seat: Seat, centre: StageCentre, hands: Hands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ask_centre, "ANSWER_S", 0.1)
        centre.silent = True
        async with open_http(centre.url) as http:
            ask = AskCentre(http, till.dir.client_key, real_clock=real_now)
            uploader = Uploader(till, ask, clock=hands.clock, elapsed_s=hands.elapsed_s, jitter=lambda: 0.5)
            await uploader.step()
        error = uploader.link_of(seat).error
        assert error is not None
        assert error.code == "centre_silent"

    async def test_verdicts_of_other_receipts_settle_nothing(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        stored = {"id": "0", "findings": [], "fork": False, "suspended": False}
        centre.answers["/v1/receipts/signed"] = JSONResponse(
            {"line": 1, "hash": "00" * 32, "status": 201, "receipt": stored}
        )
        await uploader.step()
        assert till.backlog(seat).count == 1
        assert uploader.link_of(seat).error is not None

    async def test_an_upload_without_verdicts_is_no_success(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        centre.answers["/v1/receipts/signed"] = Response(b"")
        await uploader.step()
        error = uploader.link_of(seat).error
        assert error is not None
        assert (error.code, till.backlog(seat).count) == ("centre_strange", 1)


class TestBusy:
    async def test_a_busy_centre_is_asked_when_it_said(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        centre.answers["/v1/receipts/signed"] = JSONResponse(
            {"code": "pool_full", "detail": "later"}, status_code=503, headers={"Retry-After": "40"}
        )
        assert await uploader.step() == pytest.approx(45)
        link = uploader.link_of(seat)
        assert link.error is not None
        assert (link.state, link.error.code) == (TillState.CATCHING_UP, "centre_busy")


class TestTokens:
    async def test_one_that_is_not_believed_is_renewed_once(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        await uploader.step()
        hands.forward(seconds=POLL_S)
        centre.answers["/v1/terminals/20000001"] = JSONResponse(PROBLEM, status_code=401)
        await uploader.step()
        assert centre.tokens == 2
        assert state(uploader, till, seat) is TillState.SUSPENDED

    async def test_a_client_that_is_not_believed_issues_nothing_until_it_is(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        centre.answers["/v1/oauth/token"] = JSONResponse({"error": "invalid_client"}, status_code=401)
        await uploader.step()
        with pytest.raises(SuspendedByCentre):
            await sell(till, seat, sale())
        centre.answers.clear()
        hands.forward(seconds=1)
        await uploader.step()
        assert state(uploader, till, seat) is TillState.ONLINE
        await sell(till, the(till, seat), sale())


class TestFork:
    async def test_a_centre_that_is_ahead_suspends_the_till(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        await uploader.step()
        centre.links.append(b"x" * 32)
        await uploader.send_now(within_s=5)
        assert state(uploader, till, seat) is TillState.SUSPENDED
        with pytest.raises(SuspendedForFork):
            await sell(till, seat, sale())
        assert [notice.code for notice in till.notices()] == ["suspended_fork"]
        assert "2 links" in till.notices()[0].detail

    async def test_another_last_link_suspends_the_till(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        await uploader.step()
        centre.links[-1] = b"x" * 32
        await uploader.send_now(within_s=5)
        assert state(uploader, till, seat) is TillState.SUSPENDED

    async def test_a_till_put_back_uploads_its_branch_as_evidence(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        await uploader.step()
        await sell_some(till, seat, 3)
        centre.links.append(b"x" * 32)  # what the till has forgotten
        await uploader.send_now(within_s=5)
        assert (centre.counter, len(centre.forks), till.backlog(seat).count) == (2, 3, 0)
        assert state(uploader, till, seat) is TillState.SUSPENDED
        await uploader.send_now(within_s=5)
        assert state(uploader, till, seat) is TillState.SUSPENDED, "whatever the centre says of it"


class TestTampered:
    async def test_what_cannot_be_sent_is_not_tried_again_and_again(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        await uploader.step()
        await sell_some(till, seat)
        with contextlib.closing(apsw.Connection(str(till.dir.queue))) as outside:
            outside.execute("UPDATE heads SET turnover_mongo = 1")
        assert await asyncio.wait_for(uploader.send_now(within_s=60), 10) == 1
        assert await uploader.step() == POLL_S
        assert state(uploader, till, seat) is TillState.SUSPENDED


class TestLostByTheCentre:
    async def test_what_the_centre_lost_is_sent_again(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        await sell_some(till, seat, 9)
        await uploader.step()
        kept = centre.links[:4]
        centre.links = list(kept)
        await sell_some(till, seat, 1)
        hands.forward(seconds=POLL_S)
        await uploader.send_now(within_s=5)
        assert (centre.counter, centre.links[:4]) == (11, kept)
        assert (till.backlog(seat).count, till.backlog(seat).total_mongo) == (0, 0)
        assert state(uploader, till, seat) is TillState.ONLINE
        assert [(notice.code, notice.detail) for notice in till.notices()] == [("centre_behind", "6")]
        assert till.check() == []

    async def test_of_what_was_dropped_since_nothing_can_be_sent(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        await sell_some(till, seat, 3)
        await uploader.step()
        hands.forward(days=100)
        await sell_some(till, seat, 1)
        await uploader.send_now(within_s=5)
        assert await till.prune() == 4
        centre.links = centre.links[:1]
        await uploader.send_now(within_s=5)
        error = uploader.link_of(seat).error
        assert error is not None
        assert (error.code, till.backlog(seat).count) == ("predecessor_missing", 1)


class TestSuspension:
    async def test_the_centre_suspends_and_reinstates(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        centre.standing = {"suspended_at": hands.now.isoformat(), "suspended_for": "declared_lost"}
        await uploader.step()
        assert state(uploader, till, seat) is TillState.SUSPENDED
        with pytest.raises(SuspendedByCentre):
            await sell(till, seat, sale())
        assert till.backlog(seat).count == 0, "it uploads all the same"
        centre.standing = {}
        hands.forward(seconds=POLL_S)
        await uploader.step()
        assert state(uploader, till, seat) is TillState.ONLINE

    async def test_a_key_that_is_refused_suspends_until_it_is_taken(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre, hands: Hands
    ) -> None:
        centre.refuses[0] = (403, "forged")
        for _ in range(2):
            await uploader.step()
            hands.forward(seconds=LONGEST_S)
            assert state(uploader, till, seat) is TillState.SUSPENDED
        centre.refuses.clear()
        await uploader.step()
        hands.forward(seconds=POLL_S)
        await uploader.step()
        assert (centre.counter, state(uploader, till, seat)) == (1, TillState.ONLINE)

    async def test_a_line_that_is_refused_stays_and_is_told(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        await sell_some(till, seat, 3)
        centre.refuses[2] = (400, "document_form")
        await uploader.step()
        error = uploader.link_of(seat).error
        assert error is not None
        assert (centre.counter, till.backlog(seat).count, error.code) == (2, 2, "document_form")
        assert state(uploader, till, seat) is TillState.CATCHING_UP

    async def test_a_certificate_that_is_over_suspends(
        self, uploader: Uploader, till: Installation, seat: Seat, hands: Hands
    ) -> None:
        await uploader.step()
        hands.now = seat.not_after
        assert state(uploader, till, seat) is TillState.ONLINE
        hands.forward(seconds=1)
        assert state(uploader, till, seat) is TillState.SUSPENDED


class TestEasy:
    async def test_the_centres_word_is_waited_for(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        keeping = asyncio.create_task(uploader.keep_uploading())
        for easy in (True, False):
            centre.easy = easy
            issued = await sell(till, seat, sale(consumer_no=10038071))
            assert await uploader.easy(issued) is easy
        keeping.cancel()
        assert centre.consumers == ["10038071", "10038071"]

    async def test_is_not_waited_for_longer_than_allowed(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        keeping = asyncio.create_task(uploader.keep_uploading())
        centre.silent = True
        issued = await sell(till, seat, sale(consumer_no=10038071))
        assert await uploader.easy(issued, within_s=0.05) is False
        keeping.cancel()

    async def test_is_not_waited_for_while_the_centre_is_away(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        centre.gone = True
        await uploader.step()
        issued = await sell(till, seat, sale(consumer_no=10038071))
        assert await asyncio.wait_for(uploader.easy(issued, within_s=60), 1) is False

    async def test_is_false_at_once_where_the_centre_goes_away_meanwhile(
        self, uploader: Uploader, till: Installation, seat: Seat, centre: StageCentre
    ) -> None:
        centre.gone = True
        issued = await sell(till, seat, sale(consumer_no=10038071))
        waiting = asyncio.create_task(uploader.easy(issued, within_s=60))
        await asyncio.sleep(0)
        await uploader.step()
        assert await asyncio.wait_for(waiting, 1) is False


class TestKept:
    async def test_the_last_contact_survives_a_restart(
        self, uploader: Uploader, till: Installation, seat: Seat, hands: Hands
    ) -> None:
        await uploader.step()
        last = hands.now
        hands.forward(hours=5)
        kept = kept_link(till, seat, hands.now)
        assert (kept.state, kept.since, kept.contact_at) == (TillState.OFFLINE, last, last)
