"""The report's plots as SVG, drawn without a browser (altair, vl-convert). Frame in, picture out."""

from typing import Any

import altair as alt
import polars as pl
import vl_convert

from analytics.frames import Evidence
from kernel.money import MONGO_PER_TUGRIK

WIDTH, HEIGHT = 420, 300
ACCUSED_MAX = 12
LEVELS = ("finding", "note", "plausible")
COLOURS = ("#c0392b", "#e0a030", "#7f8c9b")
_MILLION = 1_000_000 * MONGO_PER_TUGRIK
_LEVEL = alt.Color("level:N", title=None, scale=alt.Scale(domain=list(LEVELS), range=list(COLOURS)))
_SELLER = [alt.Tooltip("name:N"), alt.Tooltip("tin:N")]


Drawing = Any
"""A chart of altair, whose own types do not survive its operators."""


def svg(chart: Drawing) -> str:
    """Draw a chart."""
    return str(vl_convert.vegalite_to_svg(chart.to_dict()))


def plots(evidence: Evidence) -> dict[str, str]:
    """Answer every plot of the report by its name, as SVG."""
    sellers = _sellers(evidence)
    drawn = {
        "declared_against_receipts": declared_against_receipts(sellers),
        "deviation": deviation(sellers),
        "own_history": own_history(sellers),
        "daily": daily(evidence.daily),
        "hours": hours(evidence.hourly),
    }
    accused = evidence.scores.filter(pl.col("level") == "finding").head(ACCUSED_MAX)
    if not accused.is_empty():
        drawn["accused"] = accused_history(evidence.history, accused)
    return {name: svg(chart) for name, chart in drawn.items()}


def _sellers(evidence: Evidence) -> pl.DataFrame:
    """One row a seller with receipts or a declaration: amounts in millions of MNT, deviation and change in per cent."""
    declared, shown = pl.col("declared_net_mongo"), pl.col("net_mongo")
    before = pl.col("previous_declared_net_mongo")
    return (
        evidence.facts.join(evidence.scores.select("seller", "level"), on="seller", how="left", maintain_order="left")
        .filter((pl.col("receipts") > 0) & declared.is_not_null())
        .with_columns(
            level=pl.col("level").fill_null("plausible"),
            declared=declared / _MILLION,
            shown=shown / _MILLION,
            deviation=pl.when(shown > 0).then((declared / shown - 1) * 100).clip(-60, 60).round(2),
            change=pl.when((before > 0) & (declared > 0)).then((declared / before - 1) * 100).clip(-100, 200).round(2),
        )
        .select("name", "tin", "sector", "level", "declared", "shown", "deviation", "change", "receipts")
    )


def declared_against_receipts(sellers: pl.DataFrame) -> Drawing:
    """Declared revenue against the receipts', one point a seller; honest ones lie on the line."""
    both = sellers.filter((pl.col("shown") > 0) & (pl.col("declared") > 0))
    low = both.select(pl.min_horizontal("shown", "declared").min()).item() or 1.0
    high = both.select(pl.max_horizontal("shown", "declared").max()).item() or 10.0
    scale = alt.Scale(type="log", domain=[low * 0.8, high * 1.25])
    points = (
        alt.Chart(both)
        .mark_circle(size=46, opacity=0.8)
        .encode(
            x=alt.X("shown:Q", title="net revenue by receipts, million MNT", scale=scale),
            y=alt.Y("declared:Q", title="declared net revenue, million MNT", scale=scale),
            color=_LEVEL,
            tooltip=_SELLER,
        )
    )
    ends = pl.DataFrame({"shown": [low * 0.8, high * 1.25], "declared": [low * 0.8, high * 1.25]})
    line = alt.Chart(ends).mark_line(color="#2c3e50", strokeDash=[4, 3]).encode(x="shown:Q", y="declared:Q")
    return (line + points).properties(width=WIDTH, height=HEIGHT)


def deviation(sellers: pl.DataFrame) -> Drawing:
    """How far declarations lie from the receipts: a hill of honest noise, and what stands apart from it."""
    return (
        alt.Chart(sellers.filter(pl.col("deviation").is_not_null()))
        .mark_bar()
        .encode(
            x=alt.X("deviation:Q", bin=alt.Bin(step=1), title="declared against receipts, per cent"),
            y=alt.Y("count():Q", title="sellers"),
            color=_LEVEL,
        )
        .properties(width=WIDTH, height=HEIGHT)
    )


def own_history(sellers: pl.DataFrame) -> Drawing:
    """This month's declaration against the seller's own months before, by sector."""
    return (
        alt.Chart(sellers.filter(pl.col("change").is_not_null()))
        .mark_circle(opacity=0.7)
        .encode(
            x=alt.X("change:Q", title="change against own median month, per cent"),
            y=alt.Y("sector:N", title="sector (ISIC Rev. 4)"),
            yOffset=alt.YOffset("level:N", sort=list(LEVELS)),
            size=alt.Size("receipts:Q", title="receipts", scale=alt.Scale(range=[15, 260])),
            color=_LEVEL,
            tooltip=_SELLER,
        )
        .properties(width=WIDTH, height=HEIGHT)
    )


def daily(days: pl.DataFrame) -> Drawing:
    """Net revenue of all sellers by day."""
    total = days.group_by("date").agg(net=pl.col("net_mongo").sum() / _MILLION).sort("date")
    return (
        alt.Chart(total)
        .mark_area(color="#34729c", opacity=0.75, line=True)
        .encode(
            x=alt.X("date:T", title=None, axis=alt.Axis(format="%d.%m.")),
            y=alt.Y("net:Q", title="net revenue a day, million MNT"),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )


def hours(hourly: pl.DataFrame) -> Drawing:
    """When receipts are issued: weekday by hour, Ulaanbaatar time."""
    total = hourly.group_by("weekday", "hour").agg(pl.col("receipts").sum()).sort("weekday", "hour")
    names = {1: "Mon", 2: "Tue", 3: "Wed", 4: "Thu", 5: "Fri", 6: "Sat", 7: "Sun"}
    named = total.with_columns(day=pl.col("weekday").replace_strict(names, return_dtype=pl.String))
    return (
        alt.Chart(named)
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="hour"),
            y=alt.Y("day:O", title=None, sort=list(names.values())),
            color=alt.Color("receipts:Q", title="receipts", scale=alt.Scale(scheme="teals")),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )


def accused_history(history: pl.DataFrame, accused: pl.DataFrame) -> Drawing:
    """The accused sellers' months: what they declared, and what their receipts show."""
    rows = (
        history.join(accused.select("seller", "name", "score"), on="seller", how="inner", maintain_order="left")
        .unpivot(["declared_net_mongo", "receipts_net_mongo"], index=["name", "month"], variable_name="figure")
        .filter(pl.col("value").is_not_null())
        .with_columns(
            net=pl.col("value") / _MILLION,
            figure=pl.col("figure").replace_strict(
                {"declared_net_mongo": "declared", "receipts_net_mongo": "receipts"}, return_dtype=pl.String
            ),
        )
    )
    bars = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("month:O", title=None),
            xOffset="figure:N",
            y=alt.Y("net:Q", title="million MNT"),
            color=alt.Color("figure:N", title=None, scale=alt.Scale(range=["#c0392b", "#34729c"])),
        )
        .properties(width=200, height=130)
    )
    order = accused["name"].to_list()
    return bars.facet(facet=alt.Facet("name:N", title=None, sort=order), columns=4).resolve_scale(y="independent")
