"""A centre with enrolled tills over a scratch folder, served and loaded as often as a benchmark likes."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.enrolled import TILLS, enrol, post_one
from benchmarks.load_pos import Loaded
from benchmarks.loading import Client, LoadFailed
from benchmarks.served import Server, centre_served, free_port
from benchmarks.stored_sample import verify_sample


@dataclass(slots=True)
class Prepared:
    """A data directory with tills in it, and what was sampled of the answers of its centre."""

    folder: Path
    port: int
    client: Client
    answer_bytes: int
    """Length of the body of an answer."""
    sampled: int = 0
    not_as_answered: list[str] = field(default_factory=list)
    """Ids of sampled receipts that are not stored as they were answered."""

    @classmethod
    def make(cls, folder: Path, tills: int = TILLS) -> Self:
        """Make a centre in `folder / "data"`, enrol tills, and post one receipt."""
        port = free_port()
        with centre_served(folder / "data", port):
            plan = enrol(folder / "data", port, tills)
            plan.write(folder / "plan.json")
            answer = post_one(plan)
        return cls(folder, port, Client(folder / "plan.json"), len(answer))

    @property
    def data_dir(self) -> Path:
        """The centre's data directory."""
        return self.folder / "data"

    def served(self, *, workers: int = 1) -> AbstractContextManager[Server]:
        """Serve the centre."""
        return centre_served(self.data_dir, self.port, workers=workers)

    def load(self, server: Server, *options: str, prepare: int) -> Loaded:
        """Load the centre, and compare a sample of what it answered with what it stored. Raises `LoadFailed`."""
        sample = self.folder / "sample"
        run = self.client.load(server, *options, prepare=prepare, sample=sample)
        if not run.receipts:
            raise LoadFailed(f"nothing was issued: {run}")
        looked_at, wrong = verify_sample(sample, self.data_dir)
        self.sampled += looked_at
        self.not_as_answered += wrong
        return run

    def run(self, *options: str, prepare: int, workers: int = 1) -> Loaded:
        """Serve, load, and stop."""
        with self.served(workers=workers) as server:
            return self.load(server, *options, prepare=prepare)
