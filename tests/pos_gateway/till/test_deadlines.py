"""What a shopkeeper is warned of, and when."""

from datetime import UTC, datetime, timedelta

import pytest

from pos_gateway.till.deadlines import WarningCode, deadline_of, warnings_in_force

NOON = datetime(2017, 3, 4, 4, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class TestDeadline:
    def test_counts_from_the_oldest_that_waits(self) -> None:
        assert deadline_of(NOON, late_issue_hours=72) == NOON + timedelta(days=3)

    def test_is_none_where_nothing_waits(self) -> None:
        assert deadline_of(None, late_issue_hours=72) is None


class TestWarnings:
    @pytest.mark.parametrize(
        ("before", "code"),
        [
            (timedelta(hours=24) + SECOND, None),
            (timedelta(hours=24), WarningCode.DEADLINE_24H),
            (timedelta(hours=6) + SECOND, WarningCode.DEADLINE_24H),
            (timedelta(hours=6), WarningCode.DEADLINE_6H),
            (SECOND, WarningCode.DEADLINE_6H),
            (timedelta(), WarningCode.DEADLINE_PASSED),
            (timedelta(days=-9), WarningCode.DEADLINE_PASSED),
        ],
    )
    def test_of_the_deadline_the_gravest_is_in_force(self, before: timedelta, code: WarningCode | None) -> None:
        found = warnings_in_force(NOON - before, deadline=NOON, not_after=None)
        assert [(warned.code, warned.at) for warned in found] == ([] if code is None else [(code, NOON)])

    @pytest.mark.parametrize(
        ("before", "code"),
        [
            (timedelta(days=30) + SECOND, None),
            (timedelta(days=30), WarningCode.CERTIFICATE_30D),
            (timedelta(days=7) + SECOND, WarningCode.CERTIFICATE_30D),
            (timedelta(days=7), WarningCode.CERTIFICATE_7D),
            (timedelta(), WarningCode.CERTIFICATE_7D),
            (-SECOND, WarningCode.CERTIFICATE_EXPIRED),
        ],
    )
    def test_of_the_certificate_the_gravest_is_in_force(self, before: timedelta, code: WarningCode | None) -> None:
        found = warnings_in_force(NOON - before, deadline=None, not_after=NOON)
        assert [warned.code for warned in found] == ([] if code is None else [code])

    def test_both_may_be_in_force(self) -> None:
        found = warnings_in_force(NOON, deadline=NOON, not_after=NOON + SECOND)
        assert [warned.code for warned in found] == [WarningCode.DEADLINE_PASSED, WarningCode.CERTIFICATE_7D]
