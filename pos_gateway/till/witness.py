"""The witness: a file outside the database that says how far each chain was, so that a database put back is noticed.

    {"chains": [{"seller": int, "terminal": int, "counter": int, "hash": hex}], "seal": hex, "version": 1}

`counter` is how many links the chain had, `hash` the last one's. It is written after commits, now and then: a queue
that is further is right, one that is less far, or elsewhere, was put back.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kernel.canonical import Json, canonical_json
from pos_gateway.till.rows import HeadRow
from pos_gateway.till.sealing import Purpose, Sealer
from pos_gateway.till.seat import ChainAt
from runtime.private_files import write_private

VERSION: Final = 1
Witnessed = Mapping[ChainAt, tuple[int, bytes]]
"""How many links a chain had, and the hash of the last (of none: what its first builds on)."""


class WitnessUnreadable(Exception):  # noqa: N818 - named by what is wrong
    """The file is not of its form, or not sealed by this till; `missing` where there is none."""

    def __init__(self, *, missing: bool) -> None:
        super().__init__("missing" if missing else "not ours")
        self.missing = missing


def write_witness(path: Path, sealer: Sealer, heads: Sequence[HeadRow]) -> None:
    """Write how far the chains are, whole or not at all; a disk that is full raises OSError."""
    chains: list[Json] = [
        {"seller": head.seller, "terminal": head.terminal, "counter": head.counter, "hash": head.previous_hash.hex()}
        for head in sorted(heads, key=lambda head: head.chain)
    ]
    seal = sealer.seal(Purpose.WITNESS, canonical_json(chains))
    write_private(path, canonical_json({"version": VERSION, "chains": chains, "seal": seal.hex()}), replace=True)


def read_witness(path: Path, sealer: Sealer) -> Witnessed:
    """Answer how far the chains were. Raises `WitnessUnreadable`."""
    try:
        content = json.loads(path.read_bytes())
        chains, seal = content["chains"], bytes.fromhex(content["seal"])
        known = {
            (int(one["seller"]), int(one["terminal"])): (int(one["counter"]), bytes.fromhex(one["hash"]))
            for one in chains
        }
        sealed = content["version"] == VERSION and sealer.holds(Purpose.WITNESS, seal, (canonical_json(chains),))
    except FileNotFoundError:
        raise WitnessUnreadable(missing=True) from None
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise WitnessUnreadable(missing=False) from error
    if not sealed:
        raise WitnessUnreadable(missing=False)
    return known
