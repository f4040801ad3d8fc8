"""`barimt conformance` in the test's own process, where a centre's threads may log between its lines."""

import json
from typing import Any

from click.testing import CliRunner, Result

from barimt.cli import load

Verdict = dict[str, Any]


def run(url: str, *options: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(load("conformance"), [url, *options])


def verdict(url: str, *options: str) -> tuple[int, Verdict]:
    """Run the command and answer its exit code and what it says to machines."""
    result = run(url, "--json", *options)
    said = result.stdout
    return result.exit_code, json.loads(said[said.index('{\n "verdict"') : said.rindex("\n}") + 2])
