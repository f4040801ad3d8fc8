"""Let the gateway ask the consumers' side of the same worker for the claims whose consumer number came with a receipt:
of the two faces neither knows the other.
"""

from collections.abc import Collection, Sequence

from mobile_stub.app import Claims
from pos_gateway.easy import ClaimEasily, Wanted


def easy_claims(claims: Claims) -> ClaimEasily:
    """Answer what the gateway calls."""

    async def claim_easily(wanted: Sequence[Wanted]) -> Collection[Wanted]:
        claimed = await claims.claim_easily([(one.root_key, one.consumer_no) for one in wanted])
        return {one for one in wanted if one.root_key in claimed}

    return claim_easily
