"""Fetch the round that a commitment names, from drand's HTTP API (v1): `GET /{chain hash}/public/{round}`."""

import httpx2

from kernel.refusal import Unavailable
from lottery.beacon import QUICKNET, RECORDED, Mode, Round
from lottery.commitment import Commitment

DRAND_URL = "https://api.drand.sh"
TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 4096
_NOT_YET = frozenset({httpx2.codes.NOT_FOUND, httpx2.codes.TOO_EARLY})
_RETRY_AFTER_S = 30


class BeaconLate(Unavailable):
    """The beacon has not published the round yet."""


class BeaconUnreachable(Unavailable):
    """The beacon did not answer, or not with a round."""


def round_for(client: httpx2.Client, commitment: Commitment) -> Round:
    """Answer the randomness of a draw: the recorded round in a rehearsal, else the named one from the beacon. It is not
    verified here; `run_draw` does that. Raises `BeaconLate` or `BeaconUnreachable`.
    """
    return RECORDED if commitment.mode is Mode.REHEARSAL else fetch_round(client, commitment.round)


def fetch_round(client: httpx2.Client, number: int) -> Round:
    """Answer a round of quicknet as the beacon at the client's base URL gives it, unverified."""
    try:
        answer = client.get(f"/{QUICKNET.hash.hex()}/public/{number}", timeout=TIMEOUT_S)
    except httpx2.HTTPError as error:
        raise BeaconUnreachable(f"beacon: {type(error).__name__}", retry_after_s=_RETRY_AFTER_S) from error
    if answer.status_code in _NOT_YET:
        raise BeaconLate(f"beacon: round {number} is not published", retry_after_s=_RETRY_AFTER_S)
    if answer.status_code != httpx2.codes.OK or len(answer.content) > ANSWER_BYTES_MAX:
        raise BeaconUnreachable(f"beacon: status {answer.status_code}", retry_after_s=_RETRY_AFTER_S)
    return _read(answer)


def _read(answer: httpx2.Response) -> Round:
    try:
        paper = answer.json()
        return Round(int(paper["round"]), bytes.fromhex(paper["randomness"]), bytes.fromhex(paper["signature"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BeaconUnreachable("beacon: the answer is no round", retry_after_s=_RETRY_AFTER_S) from error
