import json
from dataclasses import replace

import polars as pl
import pytest

from analytics.assessment import assess
from analytics.frames import FINDINGS, SCORES
from analytics.rules.declared_below_receipts import declared_below_receipts
from analytics.score import corroborated, findings_json
from tests.analytics.lakes import Town, honest_town


@pytest.fixture
def town() -> Town:
    """An honest town with one shop that declares too little and one that posts too little."""
    town = honest_town()
    town.add_shop(share=0.7)
    hider = town.add_shop(receipts=120)
    town.resell(hider, count=40)
    town.redeclare(hider, 40 * 100_00)
    town.sight(next(iter(town.sectors)), 99, 0, total_mongo=1, stored="none")
    return town


def two_rules(*levels: str) -> pl.DataFrame:
    town = honest_town()
    town.add_shop(share=0.7)
    lake = town.lake()
    one = declared_below_receipts(assess(lake).facts, lake)
    rules = ("own_history", "sector_peers")
    rows = [
        one.with_columns(rule=pl.lit(rule), level=pl.lit(level), score=pl.lit(150 if level == "finding" else 80))
        for rule, level in zip(rules, levels, strict=False)
    ]
    return pl.concat(rows).cast(FINDINGS)


class TestCorroborated:
    def test_lets_history_and_peers_accuse_together(self):
        assert corroborated(two_rules("finding", "finding"))["level"].to_list() == ["finding", "finding"]

    @pytest.mark.parametrize("levels", [("finding", "note"), ("note", "finding"), ("finding",)])
    def test_makes_a_note_of_what_one_alone_sees(self, levels):
        judged = corroborated(two_rules(*levels))
        assert set(judged["level"]) == {"note"}
        assert judged["score"].max() == 99

    def test_leaves_the_other_rules_alone(self):
        found = two_rules("finding").with_columns(rule=pl.lit("declared_below_receipts"))
        assert corroborated(found)["level"].to_list() == ["finding"]


class TestAssess:
    def test_finds_both_kinds_and_nobody_else(self, town):
        evidence = assess(town.lake())
        accused = evidence.findings.filter(pl.col("level") == "finding")
        assert sorted(zip(accused["seller"], accused["rule"], strict=True)) == [
            (37_900_000_031, "declared_below_receipts"),
            (37_900_000_032, "own_history"),
            (37_900_000_032, "sector_peers"),
        ]

    def test_puts_accusations_first_and_the_strongest_before(self, town):
        findings = assess(town.lake()).findings
        order = list(zip((findings["level"] != "finding").to_list(), (-findings["score"]).to_list(), strict=True))
        assert order == sorted(order)

    def test_gives_each_seller_one_line(self, town):
        evidence = assess(town.lake())
        assert evidence.scores.schema == SCORES
        assert evidence.scores["seller"].is_unique().all()
        lines = {row["seller"]: row for row in evidence.scores.rows(named=True)}
        assert sorted(lines[37_900_000_032]["rules"]) == ["own_history", "sector_peers"]
        strongest = evidence.findings.filter(pl.col("seller") == 37_900_000_032).row(0, named=True)
        assert lines[37_900_000_032]["reason_en"] == strongest["reason_en"]

    def test_answers_every_frame_for_an_empty_lake(self):
        evidence = assess(Town().lake())
        assert evidence.findings.schema == FINDINGS
        assert all(frame.is_empty() for frame in (evidence.facts, evidence.daily, evidence.history, evidence.scores))


class TestFindingsJson:
    def test_is_the_same_bytes_whatever_the_order_of_the_rows(self, town):
        lake = town.lake()
        shuffled = replace(
            lake,
            parts=lake.parts.collect().sample(fraction=1, shuffle=True, seed=7).lazy(),
            links=lake.links.collect().reverse().lazy(),
            sellers=lake.sellers.collect().sample(fraction=1, shuffle=True, seed=8).lazy(),
            declarations=lake.declarations.collect().reverse().lazy(),
        )
        assert findings_json(assess(shuffled).findings) == findings_json(assess(lake).findings)

    def test_holds_integers_and_texts_only(self, town):
        written = json.loads(findings_json(assess(town.lake()).findings), parse_float=pytest.fail)
        assert {row["rule"] for row in written["findings"]} >= {"declared_below_receipts", "own_history"}
        assert [row["rule"] for row in written["notes"]] == ["sightings_unreported"]
        assert "level" not in written["findings"][0]

    def test_of_nothing_is_two_empty_lists(self):
        assert findings_json(pl.DataFrame(schema=FINDINGS)) == b'{"findings":[],"notes":[]}'
