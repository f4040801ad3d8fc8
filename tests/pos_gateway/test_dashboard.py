"""The dashboard and the alerts ask for what is there: every name in them is exposed by a centre with some traffic."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving import Centre, created

DOCS = Path(__file__).parents[2] / "docs"
NAME = re.compile(r"\bbarimt_[a-z_]+\b")
SELECTOR = re.compile(r"\b(barimt_[a-z_]+)\{([^}]*)\}")
BY = re.compile(r"by \(([^)]*)\)")


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return found


def targets() -> list[dict[str, Any]]:
    return [target for panel in dashboard()["panels"] for target in panel.get("targets", ())]


def alerts() -> dict[str, str]:
    """Answer the alerts of the operator's page: name and expression."""
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    rules = re.findall(r"- alert: (\w+)[^\n]*\n +expr: (.*?)\n +for: \d+m", text, re.DOTALL)
    return {name: " ".join(expression.removeprefix(">-").split()) for name, expression in rules}


def expressions() -> list[str]:
    return [target["expr"] for target in targets()] + list(alerts().values())


@pytest.fixture(scope="module")
def labels(shared_centre: Centre) -> dict[str, set[str]]:
    """The labels of every sample that a centre exposes after some traffic, by the sample's name."""
    till = shared_centre.enrol()
    receipt = created(till.post(till.body()))
    till.void(receipt["id"])
    assert till.post({}).status_code == 400
    text = shared_centre.http.get("/metrics").text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


class TestDashboard:
    def test_asks_the_data_source_that_is_chosen(self) -> None:
        variables = dashboard()["templating"]["list"]
        assert [(variable["name"], variable["type"]) for variable in variables] == [("datasource", "datasource")]
        panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
        asked = {place["datasource"]["uid"] for place in (*panels, *targets())}
        assert asked == {"${datasource}"}

    def test_asks_first_whether_then_where(self) -> None:
        rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
        assert rows[:2] == ["Are tills waiting?", "Where?"]

    def test_no_panel_lies_upon_another(self) -> None:
        taken: set[tuple[int, int]] = set()
        for panel in dashboard()["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, panel["title"]
            taken |= cells
        numbers = [panel["id"] for panel in dashboard()["panels"]]
        assert len(set(numbers)) == len(numbers)


class TestNames:
    def test_all_are_exposed(self, labels: dict[str, set[str]]) -> None:
        asked = {name for expression in expressions() for name in NAME.findall(expression)}
        assert len(asked) > 15
        assert asked - labels.keys() == set()

    def test_all_have_the_labels_that_are_asked_for(self, labels: dict[str, set[str]]) -> None:
        for expression in expressions():
            exposed = {label for name in NAME.findall(expression) for label in labels[name]}
            grouped = {label.strip() for group in BY.findall(expression) for label in group.split(",")}
            assert grouped <= exposed, expression
            for name, matchers in SELECTOR.findall(expression):
                matched = {matcher.partition("=")[0].strip() for matcher in matchers.split(",") if matcher.strip()}
                assert matched <= labels[name], expression

    def test_the_operators_page_names_every_family(self, labels: dict[str, set[str]]) -> None:
        page = (DOCS / "operations.md").read_text(encoding="utf-8")
        families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in labels}
        assert {name for name in families if not re.search(rf"`{name}[{{`]", page)} == set()

    def test_there_are_five_alerts_with_brackets_that_close(self) -> None:
        assert len(alerts()) == 5
        for expression in expressions():
            for opened, closed in ("()", "{}", "[]"):
                assert expression.count(opened) == expression.count(closed), expression


class TestConventions:
    def test_of_prometheus(self, shared_centre: Centre, labels: dict[str, set[str]]) -> None:
        for family in text_string_to_metric_families(shared_centre.http.get("/metrics").text):
            assert re.fullmatch(r"barimt_[a-z]+(_[a-z]+)*", family.name)
            assert family.documentation.endswith(".")
            if family.type == "counter":
                assert {sample.name for sample in family.samples} <= {f"{family.name}_total"}
            if family.type == "histogram":
                assert family.name.endswith(("_seconds", "_receipts"))  # base units
