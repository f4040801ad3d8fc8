"""A till with a real queue meets the real centre: activation, claims, replacement, certificates, forks."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from pos_gateway.till.activate_till import ReplacesNothing, SeatTaken, activate_till, replace_till
from pos_gateway.till.ask_centre import AskCentre, CentreRefused, open_http
from pos_gateway.till.centre_file import CentreFile
from pos_gateway.till.certification import ActivationUntrusted
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.outcomes import Issued
from pos_gateway.till.overview import Overview
from pos_gateway.till.refusals import CertificateExpired, QueueTampered, SuspendedByCentre, SuspendedForFork
from pos_gateway.till.seat import Seat
from pos_gateway.till.states import TillState
from pos_gateway.till.till_service import look_over
from pos_gateway.till.upload_receipts import Uploader
from pos_gateway.till.warn_in_time import warn_in_time
from receipts.end_terminal import declare_lost, reinstate
from receipts.orders import TerminalClosed
from runtime.clock import real_now
from runtime.database import Role
from tests.activating import code_for, enrol_seller
from tests.pos_gateway.till.tilling import sale, sell
from tests.serving import Centre

NOBODYS_ROOT = bytes(8)


class Shop:
    """A till in this process, with everything that it does by itself done when the test says so."""

    def __init__(self, till: Installation, centre: Centre, ask: AskCentre) -> None:
        self.till, self.centre, self.ask = till, centre, ask
        self.uploader = Uploader(till, ask, clock=centre.clock)

    @property
    def seat(self) -> Seat:
        """The newest seat."""
        return self.till.seats[-1]

    @property
    def state(self) -> TillState:
        return self.uploader.link_of(self.seat).state

    async def activate(self, tin: str, **given: bytes) -> Seat:
        code = code_for(self.centre, tin)
        return (await activate_till(self.till, self.ask, code=code, clock=self.centre.clock, **given)).seat

    async def sell(self, total_mongo: int = 560_000) -> Issued:
        return await sell(self.till, self.seat, sale(total_mongo, tin=self.seat.tin))

    async def upload(self) -> int:
        return await self.uploader.send_now(within_s=30)

    def overview(self) -> Overview:
        return look_over(self.till, self.uploader, CentreFile.of(self.till.dir), self.centre.clock, "1")

    def stored(self) -> list[tuple[int, bytes]]:
        """Counter and hash of what the centre has of the newest seat's chain."""
        rows = self.centre.ask(
            "SELECT counter, receipt_hash FROM pos.receipts WHERE (seller, terminal) = (%s, %s) ORDER BY counter",
            *self.seat.chain,
        )
        return [(counter, bytes(receipt_hash)) for counter, receipt_hash in rows]


@asynccontextmanager
async def opened(data_dir: Path, centre: Centre) -> AsyncIterator[Shop]:
    """Open a till in a data directory, as its service does."""
    with open_installation(data_dir, centre.clock) as till:
        async with open_http(centre.url) as http:
            yield Shop(till, centre, AskCentre(http, till.dir.client_key, real_clock=real_now))


@pytest.fixture
async def shop(tmp_path: Path, centre: Centre) -> AsyncIterator[Shop]:
    async with opened(tmp_path / "till", centre) as one:
        yield one


class TestActivation:
    async def test_makes_a_seat_whose_chain_the_centre_takes(self, shop: Shop, centre: Centre) -> None:
        tin = enrol_seller(centre)
        seat = await shop.activate(tin)
        issued = [await shop.sell() for _ in range(3)]
        assert await shop.upload() == 0
        assert (shop.state, seat.tin) == (TillState.ONLINE, tin)
        assert [counter for counter, _ in shop.stored()] == [0, 1, 2, 3]
        assert [receipt_hash for _, receipt_hash in shop.stored()][1:] == [one.receipt_hash for one in issued]
        assert shop.till.check() == []

    async def test_leaves_no_key_that_others_may_read_and_none_that_is_not_needed(
        self, shop: Shop, centre: Centre
    ) -> None:
        await shop.activate(enrol_seller(centre))
        keys = sorted(shop.till.dir.keys.iterdir())
        assert [path.name.partition(".")[2] or path.name for path in keys] == ["client.pem", "json", "pem", "key"]
        assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}

    async def test_whose_answer_was_not_believed_is_asked_again_with_the_same_keys(
        self, shop: Shop, centre: Centre
    ) -> None:
        code = code_for(centre, enrol_seller(centre))
        with pytest.raises(ActivationUntrusted):
            await activate_till(shop.till, shop.ask, code=code, clock=centre.clock, root_kid=NOBODYS_ROOT)
        assert (shop.till.seats, CentreFile.of(shop.till.dir).root_kid) == ((), None)
        done = await activate_till(shop.till, shop.ask, code=code, clock=centre.clock)
        assert CentreFile.of(shop.till.dir).root_kid == done.root_kid
        assert centre.ask("SELECT count(*) FROM pos.terminals") == [(1,)]

    async def test_repeated_changes_nothing(self, shop: Shop, centre: Centre) -> None:
        code = code_for(centre, enrol_seller(centre))
        first = await activate_till(shop.till, shop.ask, code=code, clock=centre.clock)
        again = await activate_till(shop.till, shop.ask, code=code.lower(), clock=centre.clock)
        assert (again, shop.till.seats) == (first, (first.seat,))

    async def test_holds_to_the_root_that_it_has_seen_first(self, shop: Shop, centre: Centre) -> None:
        await shop.activate(enrol_seller(centre))
        CentreFile.of(shop.till.dir).keeping(url=centre.url, root_kid=NOBODYS_ROOT)
        with pytest.raises(ActivationUntrusted):
            await shop.activate(enrol_seller(centre))

    async def test_with_a_wrong_code_changes_nothing(self, shop: Shop, centre: Centre) -> None:
        with pytest.raises(CentreRefused) as caught:
            await activate_till(shop.till, shop.ask, code="0000-0000-0000-0000", clock=centre.clock)
        assert (caught.value.status, caught.value.code) == (403, "activation_code_unknown")
        assert shop.till.seats == ()

    async def test_of_a_second_seller_gets_a_seat_of_its_own(self, shop: Shop, centre: Centre) -> None:
        for _ in range(2):
            await shop.activate(enrol_seller(centre))
            await shop.sell()
        assert await shop.upload() == 0
        assert {view.link.state for view in shop.overview().views} == {TillState.ONLINE}

    async def test_of_a_seller_that_has_a_seat_is_refused(self, shop: Shop, centre: Centre) -> None:
        tin = enrol_seller(centre)
        seat = await shop.activate(tin)
        with pytest.raises(SeatTaken) as caught:
            await shop.activate(tin)
        assert caught.value.values["terminal"] == f"{seat.terminal:08d}"
        assert shop.till.seats == (seat,)


class TestClaims:
    async def test_of_a_receipt_that_was_not_uploaded_is_provisional_and_then_final(
        self, shop: Shop, centre: Centre
    ) -> None:
        await shop.activate(enrol_seller(centre))
        issued, person = await shop.sell(), centre.add_person()
        assert person.claim(qr=issued.qr).json()["state"] == "provisional"
        assert await shop.upload() == 0
        claim = person.await_state("final")
        assert claim["receipt_id"] == str(issued.id)


class TestReplacement:
    async def test_takes_the_old_place_in_what_is_shown(self, shop: Shop, centre: Centre) -> None:
        first, second = [await shop.activate(enrol_seller(centre)) for _ in range(2)]
        code = code_for(centre, first.tin)
        await replace_till(shop.till, shop.ask, code=code, clock=centre.clock, upload=shop.upload)
        shown = look_over(shop.till, None, CentreFile.of(shop.till.dir), centre.clock, "3.0").open
        assert [view.seat.tin for view in shown] == [first.tin, second.tin]
        assert shown[0].seat.terminal != first.terminal

    async def test_ends_the_old_chain_and_begins_a_new_one(self, shop: Shop, centre: Centre) -> None:
        tin = enrol_seller(centre)
        old = await shop.activate(tin)
        sold = await sell(shop.till, old, sale(tin=tin), key="one")
        code = code_for(centre, tin)
        done, waiting = await replace_till(shop.till, shop.ask, code=code, clock=centre.clock, upload=shop.upload)
        assert (done.replaced and done.replaced.chain, waiting) == (old.chain, 0)
        (new,) = [seat for seat in shop.till.seats if seat.closed_at is None]
        again = await sell(shop.till, new, sale(tin=tin), key="one")
        assert (again.id, again.repeated) == (sold.id, True)
        with pytest.raises(TerminalClosed):
            await sell(shop.till, old, sale(tin=tin))
        await shop.sell()
        assert await shop.upload() == 0
        closed = centre.ask("SELECT terminal FROM pos.terminals WHERE closed_at IS NOT NULL")
        assert closed == [(old.terminal,)]
        assert [counter for counter, _ in shop.stored()] == [0, 1]
        assert shop.till.check() == []

    async def test_with_a_wrong_code_closes_nothing(self, shop: Shop, centre: Centre) -> None:
        await shop.activate(enrol_seller(centre))
        with pytest.raises(CentreRefused):
            await replace_till(shop.till, shop.ask, code="0000-0000-0000-0000", clock=centre.clock, upload=shop.upload)
        await shop.sell()

    async def test_of_nothing_is_refused(self, shop: Shop, centre: Centre) -> None:
        code = code_for(centre, enrol_seller(centre))
        with pytest.raises(ReplacesNothing):
            await replace_till(shop.till, shop.ask, code=code, clock=centre.clock, upload=shop.upload)
        assert (await activate_till(shop.till, shop.ask, code=code, clock=centre.clock)).seat in shop.till.seats

    async def test_of_a_till_that_was_tampered_with_leaves_the_old_chain_without_an_end(
        self, shop: Shop, centre: Centre
    ) -> None:
        tin = enrol_seller(centre)
        old = await shop.activate(tin)
        await shop.sell()
        with contextlib.closing(apsw.Connection(str(shop.till.dir.queue))) as outside:
            outside.execute("UPDATE heads SET turnover_mongo = 1")
        with pytest.raises(QueueTampered):
            await shop.sell()
        code = code_for(centre, tin)
        done, waiting = await replace_till(shop.till, shop.ask, code=code, clock=centre.clock, upload=shop.upload)
        assert (done.replaced and done.replaced.chain, waiting) == (old.chain, 2)
        assert {notice.code for notice in shop.till.notices()} == {"chain_abandoned", "suspended_tampered"}
        await shop.sell()
        assert shop.stored() == []
        await shop.upload()
        assert len(shop.stored()) == 2

    async def test_broken_off_after_the_closing_link_is_finished_by_the_same_code(
        self, shop: Shop, centre: Centre
    ) -> None:
        tin = enrol_seller(centre)
        old = await shop.activate(tin)
        code = code_for(centre, tin)

        async def broken_off() -> int:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await replace_till(shop.till, shop.ask, code=code, clock=centre.clock, upload=broken_off)
        assert shop.till.seat_of(tin) is None
        done, _ = await replace_till(shop.till, shop.ask, code=code, clock=centre.clock, upload=shop.upload)
        assert (done.replaced and done.replaced.chain) == old.chain
        await shop.sell()


class TestCertificate:
    async def test_near_its_end_is_warned_of_and_then_ends_the_till(self, shop: Shop, centre: Centre) -> None:
        tin = enrol_seller(centre)
        seat = await shop.activate(tin)
        codes = []
        for before in (timedelta(days=31), timedelta(days=30), timedelta(days=7), timedelta(seconds=-1)):
            centre.set_clock(seat.not_after - before)
            await shop.upload()
            codes.append([warned.code.value for warned in shop.overview().views[0].warnings])
            await warn_in_time(shop.till, shop.overview())
        assert codes == [[], ["certificate_expires_30d"], ["certificate_expires_7d"], ["certificate_expired"]]
        given = [notice.code for notice in reversed(shop.till.notices())]
        assert given == ["certificate_expires_30d", "certificate_expires_7d", "certificate_expired"]
        assert shop.state is TillState.SUSPENDED
        with pytest.raises(CertificateExpired):
            await shop.sell()
        code = code_for(centre, tin)
        _, waiting = await replace_till(shop.till, shop.ask, code=code, clock=centre.clock, upload=shop.upload)
        assert waiting == 0
        await shop.sell()
        assert (await shop.upload(), shop.state) == (0, TillState.ONLINE)


class TestSuspension:
    async def test_of_a_till_that_was_declared_lost_ends_its_sales(self, shop: Shop, centre: Centre) -> None:
        tin = enrol_seller(centre)
        seat = await shop.activate(tin)
        await shop.upload()
        with centre.database.transaction(Role.JOBS) as connection:
            declare_lost(connection, centre.clock, seller_tin=tin, number=seat.terminal, revoke=lambda _: None)
        await shop.upload()
        assert shop.state is TillState.SUSPENDED
        with pytest.raises(SuspendedByCentre):
            await shop.sell()

    async def test_that_an_officer_ends_lets_the_till_go_on(self, shop: Shop, centre: Centre) -> None:
        tin = enrol_seller(centre)
        seat = await shop.activate(tin)
        await shop.upload()
        centre.ask(
            "UPDATE pos.terminals SET suspended_at = now(), suspended_for = 'fork' WHERE terminal = %s", seat.terminal
        )
        await shop.upload()
        with pytest.raises(SuspendedByCentre):
            await shop.sell()
        with centre.database.transaction(Role.JOBS) as connection:
            reinstate(connection, seller_tin=tin, number=seat.terminal)
        await shop.upload()
        assert shop.state is TillState.ONLINE
        await shop.sell()
        assert (await shop.upload(), len(shop.stored())) == (0, 2)


class TestFork:
    async def test_a_data_directory_that_was_put_back_suspends_and_nothing_is_lost(
        self, tmp_path: Path, centre: Centre
    ) -> None:
        tin = enrol_seller(centre)
        async with opened(tmp_path / "till", centre) as shop:
            await shop.activate(tin)
            await shop.sell()
            await shop.upload()
        shutil.copytree(tmp_path / "till", tmp_path / "backup")
        async with opened(tmp_path / "till", centre) as shop:
            for _ in range(2):
                await shop.sell()
            await shop.upload()
            whole = shop.stored()
        async with opened(tmp_path / "backup", centre) as shop:
            sold = [await shop.sell(100_000 + at) for at in range(3)]  # the centre is away: nobody can know yet
            assert await shop.upload() == 0
            assert shop.state is TillState.SUSPENDED
            with pytest.raises(SuspendedForFork):
                await shop.sell()
            assert shop.stored() == whole
            forks = {bytes(row[0]) for row in centre.ask("SELECT receipt_hash FROM pos.forks")}
            assert forks == {one.receipt_hash for one in sold}
            code = code_for(centre, tin)
            await replace_till(shop.till, shop.ask, code=code, clock=centre.clock, upload=shop.upload)
            await shop.sell()
            assert (await shop.upload(), shop.state) == (0, TillState.ONLINE)

    async def test_one_that_meets_the_centre_first_issues_nothing_more(self, tmp_path: Path, centre: Centre) -> None:
        async with opened(tmp_path / "till", centre) as shop:
            await shop.activate(enrol_seller(centre))
        shutil.copytree(tmp_path / "till", tmp_path / "backup")
        async with opened(tmp_path / "till", centre) as shop:
            await shop.sell()
            await shop.upload()
        async with opened(tmp_path / "backup", centre) as shop:
            await shop.upload()
            with pytest.raises(SuspendedForFork):
                await shop.sell()
            assert "the centre has 2 links" in shop.till.notices()[0].detail
