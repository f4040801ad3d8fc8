"""Gives the notices that are due: before the deadline of what waits, and before a certificate ends; each once."""

from kernel.clock import format_instant
from pos_gateway.till.installation import Installation
from pos_gateway.till.overview import Overview


async def warn_in_time(installation: Installation, overview: Overview) -> int:
    """Write a notice for each warning in force that was not given before, and answer how many were."""
    given = 0
    for view in overview.views:
        for warned in view.warnings:
            detail = format_instant(warned.at)
            given += await installation.notice(view.seat, warned.code.value, detail, once=True)
    return given
