"""What was looked up is believed for its time, renewed before that is over, and no longer."""

import asyncio

import pytest
from structlog.testing import capture_logs

from kernel.refusal import Unavailable
from runtime.remembered import RENEWALS_MAX, Remembered

TIME_S, RENEWED_S = 60.0, 45.0


class Book:
    """Answers names with what stands in it, and remembers who asked."""

    def __init__(self, **values: int) -> None:
        self.values = values
        self.asked: list[str] = []
        self.now_s = 0.0
        self.failure: Exception | None = None
        self.remembered = Remembered[str, int](
            lambda name, _: self.look_up(name), remembered_s=TIME_S, most=3, elapsed_s=lambda: self.now_s
        )

    async def look_up(self, name: str) -> None:
        asked_at_s = self.now_s
        self.asked.append(name)
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        if name in self.values:
            self.remembered.put(name, self.values[name], asked_at_s)
        else:
            self.remembered.forget(name)


async def others_have_turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class TestRemembered:
    async def test_is_believed_until_its_time_is_over(self) -> None:
        book = Book(a=1)
        assert book.remembered.get("a") is None
        book.remembered.put("a", 1, 0.0)
        assert book.remembered.get("a") == 1
        book.now_s = TIME_S
        assert book.remembered.get("a") is None

    async def test_is_renewed_once_before_and_nobody_waits(self) -> None:
        book = Book(a=2)
        book.remembered.put("a", 1, 0.0)
        book.now_s = RENEWED_S - 0.1
        assert book.remembered.get("a") == 1
        await others_have_turns()
        assert book.asked == []
        book.now_s = RENEWED_S
        assert [book.remembered.get("a") for _ in range(1000)] == [1] * 1000
        await others_have_turns()
        assert (book.asked, book.remembered.get("a")) == (["a"], 2)
        book.now_s = RENEWED_S + TIME_S - 0.1
        assert book.remembered.get("a") == 2

    async def test_is_gone_where_the_renewal_finds_nothing(self) -> None:
        book = Book()
        book.remembered.put("a", 1, 0.0)
        book.now_s = RENEWED_S
        assert book.remembered.get("a") == 1
        await others_have_turns()
        assert book.remembered.get("a") is None

    @pytest.mark.parametrize("failure", [Unavailable("database"), ValueError("unforeseen")])
    async def test_stays_as_long_as_before_where_the_renewal_fails(self, failure: Exception) -> None:
        book = Book(a=2)
        book.failure = failure
        book.remembered.put("a", 1, 0.0)
        book.now_s = RENEWED_S
        with capture_logs() as logs:
            for tries in (1, 2):
                assert book.remembered.get("a") == 1
                await others_have_turns()
                assert len(book.asked) == tries
        assert [entry["event"] for entry in logs] == ["incident"] * (0 if isinstance(failure, Unavailable) else 2)
        book.now_s = TIME_S
        assert book.remembered.get("a") is None

    async def test_forgets_what_was_used_longest_ago(self) -> None:
        book = Book()
        for name in "abcad":
            if book.remembered.get(name) is None:
                book.remembered.put(name, 1, 0.0)
        assert [name for name in "abcd" if book.remembered.get(name)] == ["a", "c", "d"]

    async def test_renews_so_many_at_a_time(self) -> None:
        asked: list[int] = []
        go_on = asyncio.Event()

        async def look_up(name: int, _: int) -> None:
            asked.append(name)
            await go_on.wait()
            remembered.put(name, 2, 1.0)

        remembered = Remembered[int, int](look_up, remembered_s=1.0, most=1000, elapsed_s=lambda: now_s)
        now_s, names = 0.75, range(RENEWALS_MAX + 5)
        for name in names:
            remembered.put(name, 1, 0.0)
        assert [remembered.get(name) for name in names] == [1] * len(names)
        await others_have_turns()
        assert len(asked) == RENEWALS_MAX
        go_on.set()
        await others_have_turns()
        for name in names:
            remembered.get(name)
        await others_have_turns()
        assert sorted(asked) == [*names]
