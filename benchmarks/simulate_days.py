"""Live through many seeds: `python -m benchmarks.simulate_days --seeds 200` (docs/decisions/0027-simulated-days.md).

Prints a line for each seed that fails, with the command that shows it again, and what all of them came to. Exits with 1
when one failed.
"""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter

from tests.simulation.simulate import Failed, require, simulate


def main() -> int:
    """Run the seeds that the command line names."""
    asked = _asked()
    counts: Counter[str] = Counter()
    receipts = failed = 0
    began = time.process_time()
    for seed in range(asked.first, asked.first + asked.seeds):
        day = simulate(seed, watch=sys.stdout.write if asked.trace else lambda _line: None)
        counts += day.counts
        receipts += day.receipts
        if asked.digests:
            print(seed, day.digest)
        try:
            require(day)
        except Failed as failure:
            failed += 1
            print(failure)
    spent_s = time.process_time() - began
    print(f"{asked.seeds} days, {failed} failed, {receipts} receipts, {spent_s / asked.seeds:.2f} s of CPU a day")
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return 1 if failed else 0


def _asked() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--digests", action="store_true", help="print what stands for each day's history")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
