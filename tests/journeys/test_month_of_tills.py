"""Tills live for days: every receipt reaches the centre exactly once, and every warning is given.

BARIMT_MONTH=20x30 lets twenty tills live for thirty days (`make torture`); a few live for a week here.
"""

import os
from datetime import UTC
from pathlib import Path

from kernel.clock import parse_instant
from receipts.check_receipts import check_receipts
from runtime.database import Role
from tests.journeys.month_of_tills import live, missing_or_doubled, switched_off, warnings_due
from tests.serving import Centre

TILLS, DAYS = map(int, os.environ.get("BARIMT_MONTH", "4x8").split("x"))
SEED = int(os.environ.get("BARIMT_MONTH_SEED", "1"))


async def test_a_month_of_tills(centre: Centre, tmp_path: Path) -> None:
    with switched_off(await live(centre, tmp_path, tills=TILLS, days=DAYS, seed=SEED)) as lived:
        for till in lived.tills:
            assert till.sold, f"seed {SEED}"
            assert missing_or_doubled(centre, till) == [], f"seed {SEED}"
            assert till.till.check() == [] or till.fate.put_back is not None
        steady = [till for till in lived.tills if till.fate.put_back is None]
        for till in steady:
            given = {
                (notice.code, parse_instant(notice.detail, "").astimezone(UTC)): notice.at
                for notice in till.till.notices(most=10_000)
                if notice.code.startswith("deadline")
            }
            due = warnings_due(centre, till)
            late = [warning for warning, by in due.items() if warning not in given or given[warning] > by]
            assert late == [], f"seed {SEED}"
        assert any(warnings_due(centre, till) for till in steady)
        put_back = [till for till in lived.tills if till.fate.put_back is not None]
        assert any(till.replaced for till in put_back)
        assert centre.ask("SELECT count(*) FROM pos.forks")[0][0] > 0
    with centre.database.transaction(Role.OWNER) as connection:
        found = check_receipts(connection, masters=centre.authority.masters)
    assert [one.invariant.code for one in found if not one.holds] == []
    print(f"{lived.sold} receipts of {TILLS} tills in {DAYS} days, all there")  # noqa: T201 - for the long form
