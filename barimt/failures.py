"""How a command's foreseen failures are worded for whoever typed it."""

from rich.console import Console
from sqlalchemy.exc import DBAPIError

from kernel.refusal import Malformed, Refusal, Unavailable
from runtime.http_errors import problem_of
from runtime.messages import Language
from runtime.unusable import Unusable

FAILURES = (Unusable, Malformed, Refusal, Unavailable, DBAPIError)


def say(failure: Exception, console: Console) -> None:
    """Print what failed, where, and what was expected."""
    lines = [str(failure)]
    if isinstance(failure, DBAPIError):
        lines = [f"The database refused: {str(failure.orig).splitlines()[0]}"]
    elif isinstance(failure, Malformed | Refusal | Unavailable):
        problem = problem_of(failure, Language.ENGLISH).body
        faults = problem.get("faults", [])
        lines = [problem["detail"], *(f"  {fault['path'] or '/'}: {fault['message']}" for fault in faults)]
    console.print(f"[red]✗[/red] {lines[0]}", highlight=False, soft_wrap=True)
    for line in lines[1:]:
        console.print(line, highlight=False, soft_wrap=True)
