"""Judge a month: bring the lake up to date, ask every rule, keep the findings, record who asked and why."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from analytics.assessment import assess
from analytics.export_lake import export_lake
from analytics.facts import HISTORY_MONTHS
from analytics.frames import Evidence
from analytics.lake import open_lake
from analytics.purpose import Purpose
from analytics.score import findings_json
from analytics.store import consulting
from kernel.canonical import sha256
from kernel.clock import Clock, Month


@dataclass(frozen=True, slots=True)
class Judged:
    """A run's number, what it shows, and its findings as canonical JSON."""

    run: int
    evidence: Evidence
    findings_json: bytes

    @property
    def accused(self) -> tuple[str, ...]:
        """The TINs of the sellers with a finding, sorted."""
        findings = self.evidence.findings
        return tuple(sorted(set(findings["tin"].filter(findings["level"] == "finding"))))


def run_plausibility(
    connection: Connection, clock: Clock, *, lake_folder: Path, month: Month, purpose: Purpose
) -> Judged:
    """Judge `month` from receipts and declarations as they stand now.

    `connection` is that of the jobs' role, in a transaction that the caller commits. The same lake gives the same
    findings, byte for byte, whenever it is judged after the sightings have settled.
    """
    now = clock()
    access = consulting.record_access(connection, purpose, what="plausibility_run", month=month, at=now)
    export_lake(connection, folder=lake_folder, months=[month.plus(-back) for back in range(HISTORY_MONTHS, -1, -1)])
    evidence = assess(open_lake(lake_folder, month, as_of=now))
    written = findings_json(evidence.findings)
    run = consulting.add_run(
        connection,
        access=access,
        month=month,
        as_of=now,
        findings=evidence.findings.iter_rows(named=True),
        digest=sha256(written),
    )
    return Judged(run, evidence, written)
