"""The cases as data: whole, pointing nowhere into the dark, and each with its reason."""

import json
import re
from collections import Counter

import msgspec
import pytest

from pos_gateway.conformance.case import Case, Check, Source, Value, Watch
from pos_gateway.conformance.catalogue import catalogue
from pos_gateway.conformance.checks import CHECKS, JUDGES_STATUS
from pos_gateway.conformance.judge import describe
from pos_gateway.conformance.watches import LOOKS

CASES, WATCHES = catalogue().cases, catalogue().watches
ENTRIES: tuple[Case | Watch, ...] = (*CASES, *WATCHES)
NAMES = [entry.name for entry in ENTRIES]
NEEDS = {"second", "second_seat", "city_tax", "strict_merchants", "keys"}


class TestCatalogue:
    def test_has_at_least_sixty_good_and_bad_ones_over_all_five_calls(self) -> None:
        assert len(CASES) >= 60
        asked = Counter(case.call.partition("?")[0] for case in CASES)
        assert asked["POST /rest/receipt"] > 60
        assert asked["DELETE /rest/receipt"] >= 6
        assert {"GET /rest/info", "GET /rest/sendData", "GET /rest/bankAccounts"} <= set(asked)
        assert sum("refused" in msgspec.json.encode(case).decode() for case in CASES) >= 30

    def test_names_each_once_in_words_joined_by_hyphens(self) -> None:
        assert [name for name, count in Counter(NAMES).items() if count > 1] == []
        assert [name for name in NAMES if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name)] == []

    def test_gives_each_a_reason_and_a_sentence(self) -> None:
        assert [
            entry.name for entry in ENTRIES if len(entry.about) < 14 or len(entry.reason) < 8 or "above" in entry.reason
        ] == []

    def test_rests_on_what_is_there(self) -> None:
        assert [(entry.name, name) for entry in ENTRIES for name in entry.rests_on if name not in NAMES] == []

    def test_nothing_that_counts_rests_on_what_only_barimt_promises(self) -> None:
        ours = {entry.name for entry in ENTRIES if entry.ours}
        assert [entry.name for entry in ENTRIES if not entry.ours and ours & set(entry.rests_on)] == []

    def test_nothing_rests_on_itself_by_way_of_others(self) -> None:
        below = {entry.name: set(entry.rests_on) for entry in ENTRIES}

        def reached(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
            return {name} | {far for near in below[name] - seen for far in reached(near, seen | {name})}

        assert [name for name in NAMES for near in below[name] if name in reached(near)] == []

    def test_needs_what_the_kit_knows_of(self) -> None:
        assert {need for case in CASES for need in case.needs} == NEEDS

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_each_step_is_one_request_that_can_be_made(self, case: Case) -> None:
        before: set[str] = set()
        for step in case.steps:
            assert sum(way is not None for way in (step.post, step.delete, step.ask, step.again)) == 1
            assert step.post is None or step.post in catalogue().bodies
            assert step.again is None or step.again in before
            text = json.dumps(step.set)
            assert set(re.findall(r"\$(?:id|date):(\w+)", text)) <= before
            for expectation in step.expect:
                if isinstance(expectation, Value) and (earlier := expectation.same_as or expectation.differs_from):
                    assert earlier.partition(".")[0] in before
                if isinstance(expectation, Check):
                    assert expectation.name in CHECKS
            assert describe(step)
            before |= {step.name} if step.name else set()

    def test_watches_have_their_functions_and_are_fed(self) -> None:
        assert set(LOOKS) == {watch.name for watch in WATCHES}
        known = {case.name for case in CASES}
        assert [watch.name for watch in WATCHES if not watch.feeds or not set(watch.feeds) <= known] == []

    def test_every_check_is_asked_for(self) -> None:
        asked = {each.name for case in CASES for step in case.steps for each in step.expect if isinstance(each, Check)}
        assert set(CHECKS) == asked
        assert asked >= JUDGES_STATUS

    def test_says_whence_each_is_known(self) -> None:
        counted = Counter(entry.source for entry in ENTRIES)
        assert set(counted) == set(Source)
        assert counted[Source.BARIMT] < len(ENTRIES) / 5

    def test_chooses_by_the_beginning_of_names_and_feeds_watches(self) -> None:
        cases, wanted = catalogue().chosen(["void-", "qr-is-text"])
        assert "void-holds" in wanted
        assert "qr-is-text" in wanted
        assert "sale" not in wanted
        assert {case.name for case in cases} == {name for name in wanted if name != "qr-is-text"} | {"sale"}
        with pytest.raises(KeyError):
            catalogue().chosen(["nothing-of-the-kind"])
