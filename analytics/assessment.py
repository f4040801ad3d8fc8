"""The whole of a month's plausibility as one pure step: the lake in, the evidence out."""

from analytics.facts import seller_month_facts
from analytics.frames import Evidence, Lake
from analytics.profiles import daily_sales, hourly_sales, month_history
from analytics.score import findings_of, scores_of


def assess(lake: Lake) -> Evidence:
    """Work out the facts, ask the rules, and put together what a report shows. Same lake, same evidence."""
    facts = seller_month_facts(lake).collect()
    findings = findings_of(facts, lake)
    return Evidence(
        month=lake.month,
        as_of=lake.as_of,
        facts=facts,
        daily=daily_sales(lake).collect(),
        hourly=hourly_sales(lake).collect(),
        history=month_history(lake).collect(),
        findings=findings,
        scores=scores_of(facts, findings),
    )
