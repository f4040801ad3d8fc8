"""How a command's foreseen failures are worded for whoever typed it. Needs the base install only."""

import sys

from rich.console import Console
from rich.markup import escape

from kernel.refusal import Malformed, Refusal, Unavailable
from runtime.unusable import Unusable


def foreseen() -> tuple[type[Exception], ...]:
    """Answer the exceptions that are said in words: asked for when one was raised, since only what was imported till
    then can have been raised.
    """
    database = sys.modules.get("sqlalchemy.exc")
    kinds = (Unusable, Malformed, Refusal, Unavailable)
    return kinds if database is None else (*kinds, database.DBAPIError)


def say(failure: Exception, console: Console) -> None:
    """Print what failed, where, and what was expected."""
    if isinstance(failure, Malformed | Refusal | Unavailable):
        lines = _problem(failure)
    elif isinstance(failure, Unusable):
        lines = [str(failure)]
    else:
        lines = [f"The database refused: {str(getattr(failure, 'orig', failure)).splitlines()[0]}"]
    console.print(f"[red]✗[/red] {escape(lines[0])}", highlight=False, soft_wrap=True)
    for line in lines[1:]:
        console.print(escape(line), highlight=False, soft_wrap=True)


def _problem(failure: Malformed | Refusal | Unavailable) -> list[str]:
    from runtime.http_errors import problem_of  # noqa: PLC0415 - the web framework, only when something is wrong
    from runtime.messages import Language  # noqa: PLC0415 - as above

    problem = problem_of(failure, Language.ENGLISH).body
    faults = problem.get("faults", [])
    return [problem["detail"], *(f"  {fault['path'] or '/'}: {fault['message']}" for fault in faults)]
