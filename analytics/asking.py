"""What every question of an officer has: a month, a purpose and a case; and where its answer comes from."""

from typing import Annotated

from fastapi import Query, Request

from analytics.purpose import CASE_MAX, PURPOSE_MAX
from kernel.clock import Clock
from runtime.database import Database

PurposeText = Annotated[str, Query(max_length=PURPOSE_MAX, description="Why, in words")]
CaseText = Annotated[str, Query(max_length=CASE_MAX, description="The case's number")]
MonthText = Annotated[str, Query(max_length=7, examples=["2017-03"])]


def database_of(request: Request) -> Database:
    """Answer the database that the composition root hung on the app."""
    database = request.app.state.database
    assert isinstance(database, Database)
    return database


def clock_of(request: Request) -> Clock:
    """Answer business time, as the composition root hung it on the app."""
    clock: Clock = request.app.state.clock
    return clock
