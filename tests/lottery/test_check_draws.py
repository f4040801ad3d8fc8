"""Every planted corruption of a draw is found, and an honest draw has none."""

import pytest
from sqlalchemy import text

from lottery.check_draws import check_draws
from runtime.database import Role
from tests.factories import World
from tests.lottery.conftest import Draws, claims_of_thirty

pytestmark = pytest.mark.usefixtures("generous")


def corrupt(world: World, table: str, statement: str) -> None:
    """Do as its owner what no other role can and no trigger lets pass."""
    with world.database.transaction(Role.OWNER) as connection:
        for line in (
            f"ALTER TABLE {table} DISABLE TRIGGER USER",
            statement,
            f"ALTER TABLE {table} ENABLE TRIGGER USER",
        ):
            connection.execute(text(line))


def breaches(world: World) -> list[str]:
    with world.database.transaction(Role.JOBS) as connection:
        return [breach.invariant for breach in check_draws(connection)]


class TestCheckDraws:
    async def test_finds_nothing_wrong_with_an_honest_draw(self, world: World, draws: Draws) -> None:
        assert breaches(world) == []
        await claims_of_thirty(world)
        draws.close()
        assert breaches(world) == []
        draws.run()
        assert breaches(world) == []

    @pytest.mark.parametrize(
        ("table", "statement", "invariant"),
        [
            ("lottery.draws", "UPDATE lottery.draws SET rules = replace(rules, '25', '26')", "draw_rules"),
            (
                "lottery.entries",
                "UPDATE lottery.entries SET leaf = set_byte(leaf, 0, 1) WHERE position = 29",
                "draw_counts",
            ),
            (
                "lottery.entries",
                "UPDATE lottery.entries SET leaf = set_byte(leaf, 36, 255 - get_byte(leaf, 36)) WHERE position = 7",
                "draw_tree",
            ),
            ("lottery.entries", "DELETE FROM lottery.entries WHERE position = 0", "draw_counts"),
            (
                "lottery.transcripts",
                "UPDATE lottery.transcripts SET transcript = set_byte(transcript, 900, 48 + (get_byte(transcript, 900) + 1) % 10)",  # noqa: E501
                "draw_transcript",
            ),
            ("lottery.prizes", "UPDATE lottery.prizes SET amount_mongo = amount_mongo + 1", "draw_prizes"),
            ("lottery.prizes", "DELETE FROM lottery.prizes", "draw_prizes"),
            ("lottery.prizes", "INSERT INTO lottery.prizes SELECT month, 999, 3, 1 FROM lottery.draws", "draw_prizes"),
        ],
    )
    async def test_finds_what_was_corrupted(
        self, world: World, draws: Draws, table: str, statement: str, invariant: str
    ) -> None:
        await claims_of_thirty(world)
        draws.close()
        assert draws.run().prizes
        corrupt(world, table, statement)
        assert invariant in breaches(world)
