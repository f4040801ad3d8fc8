"""What a till owes when it stops and when it starts: answers that may not have been read."""

import asyncio
from pathlib import Path

from pos_gateway.till.installation import open_installation
from tests.pos_gateway.till.serving_till import bread, served_till
from tests.pos_gateway.till.tilling import Activations, Hands, sale, sell


class TestACleanStop:
    def test_leaves_nothing_owed_that_was_read(self, tmp_path: Path, hands: Hands, activations: Activations) -> None:
        activated = activations.activated(city_tax_payer=True)
        ids = []
        for _ in range(3):
            with open_installation(tmp_path / "till", hands.clock, elapsed_s=hands.elapsed_s) as till:
                till.add_seat(activated)
                with served_till(till) as service:
                    ids.append(service.post(bread()).json()["id"])
        assert len(set(ids)) == 3


class TestAStart:
    def test_looks_for_what_is_owed_before_the_first_customer(
        self, tmp_path: Path, hands: Hands, activations: Activations
    ) -> None:
        with open_installation(tmp_path / "till", hands.clock, elapsed_s=hands.elapsed_s) as till:
            seat = till.add_seat(activations.activated(city_tax_payer=True))
            before = asyncio.run(sell(till, seat, sale(), digest=till.body_digest(bread(1))))
            with served_till(till) as service:
                beside = asyncio.run(sell(till, seat, sale(), digest=till.body_digest(bread(2))))
                ids = [service.post(bread(number)).json()["id"] for number in (1, 2)]
        assert ids[0] == str(before.id)
        assert ids[1] != str(beside.id)
