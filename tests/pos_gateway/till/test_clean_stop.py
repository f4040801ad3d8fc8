"""A till that was stopped in peace owes nobody an answer who has it."""

from pathlib import Path

from pos_gateway.till.installation import open_installation
from tests.pos_gateway.till.serving_till import bread, served_till
from tests.pos_gateway.till.tilling import Activations, Hands


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
