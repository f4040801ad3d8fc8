"""Business time is real, or what a file says; real time is never moved."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.clock import ClockFileUnusable, business_clock, real_now

MARCH = datetime(2017, 3, 1, 1, 30, tzinfo=UTC)
APRIL = datetime(2017, 4, 1, 1, 30, tzinfo=UTC)


@pytest.fixture
def clock_file(tmp_path: Path) -> Path:
    path = tmp_path / "clock"
    path.write_text("2017-03-01T09:30:00+08:00\n")
    return path


class TestBusinessClock:
    def test_is_real_time_without_a_file(self) -> None:
        now = business_clock(None)()
        assert now.tzinfo is UTC
        assert now.microsecond == 0
        assert abs(real_now() - now) < timedelta(seconds=5)

    def test_stands_where_the_file_says(self, clock_file: Path) -> None:
        assert business_clock(clock_file)() == MARCH

    def test_follows_the_file(self, clock_file: Path) -> None:
        clock = business_clock(clock_file)
        clock_file.write_text("2017-04-01T09:30:00+08:00\n")
        assert clock() == APRIL

    def test_follows_a_second_write_within_one_tick_of_the_file_system(self, clock_file: Path) -> None:
        clock = business_clock(clock_file)
        clock()
        status = clock_file.stat()
        clock_file.write_text("2017-04-01T09:30:00+08:00\n")
        os.utime(clock_file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert clock() == APRIL

    def test_reads_a_file_that_has_settled_only_when_it_changed(self, clock_file: Path) -> None:
        os.utime(clock_file, ns=(1, 1))
        clock = business_clock(clock_file)
        clock()
        clock_file.write_text("2017-04-01T09:30:00+08:00\n")
        os.utime(clock_file, ns=(1, 1))
        assert clock() == MARCH
        os.utime(clock_file, ns=(2, 2))
        assert clock() == APRIL

    @pytest.mark.parametrize("text", ["", "2017-04-0", "2017-04-01T09:30:00", "soon", "ц"])
    def test_keeps_the_last_good_instant(self, clock_file: Path, text: str) -> None:
        clock = business_clock(clock_file)
        clock_file.write_text(text)
        assert clock() == MARCH

    def test_keeps_the_last_good_instant_when_the_file_goes(self, clock_file: Path) -> None:
        clock = business_clock(clock_file)
        clock_file.unlink()
        assert clock() == MARCH

    @pytest.mark.parametrize("text", [None, "", "yesterday"])
    def test_refuses_to_start_without_an_instant(self, tmp_path: Path, text: str | None) -> None:
        path = tmp_path / "clock"
        if text is not None:
            path.write_text(text)
        with pytest.raises(ClockFileUnusable, match="RFC 3339"):
            business_clock(path)


class TestRealNow:
    def test_is_aware(self) -> None:
        assert real_now().utcoffset() == timedelta(0)
