"""How much somebody may ask for in a time: quotas that refill steadily, and the words in which HTTP tells of them.

A quota is kept as one number for each name, the moment at which it would be full again (the "theoretical arrival time"
of the generic cell rate algorithm, ITU-T I.371): asking moves it into the future, and what would move it further than
the window is refused. A name that is full again needs not be remembered, which bounds the memory.

The header fields are those of draft-ietf-httpapi-ratelimit-headers-11 (May 2026), structured fields of RFC 9651:

    RateLimit-Policy: "terminal";q=6000;w=60      at most 6,000 in 60 s
    RateLimit: "terminal";r=0;t=3                 none left now; in 3 s what was asked for fits
    Retry-After: 3
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from kernel.refusal import Refusal

SECOND_NS = 1_000_000_000
NAMES_MAX = 50_000
"""Names that a quota remembers: some 10 MB at 200 bytes each."""


class RateLimited(Refusal):
    """Too much was asked for in a short time. `retry_after_s` says when it may be asked for again; `rate_limit_policy`
    and `rate_limit` are the values of the header fields.
    """

    code = "rate_limited"


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `quota` in `window_s` seconds, and from an empty quota on `quota / window_s` a second."""

    name: str
    quota: int
    window_s: int

    @classmethod
    def per_second(cls, name: str, rate: float, *, window_s: int, quota_min: int = 1) -> "Policy | None":
        """Answer the policy of a rate, or None for the rate 0, which limits nothing. Where the window would hold less
        than `quota_min`, it is made so long that it holds as much: what comes in one piece must fit at all.
        """
        if rate <= 0:
            return None
        window_s = max(window_s, math.ceil(quota_min / rate))
        return cls(name, max(int(rate * window_s), quota_min), window_s)

    def times(self, factor: int) -> "Policy":
        """Answer the policy of so many together."""
        return Policy(self.name, self.quota * factor, self.window_s)

    @property
    def field(self) -> str:
        """The member of `RateLimit-Policy`."""
        return f'"{self.name}";q={self.quota};w={self.window_s}'


class Quotas:
    """The quotas of many names under one policy. Belongs to one event loop."""

    def __init__(self, policy: Policy, elapsed_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.policy = policy
        self._window_ns = policy.window_s * SECOND_NS
        self._elapsed_ns = elapsed_ns
        self._full_at: dict[object, int] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def spend(self, name: object, amount: int = 1, *, factor: int = 1) -> None:
        """Take from a name's quota, which is `factor` times the policy's. Raises `RateLimited`, and takes nothing."""
        now = self._elapsed_ns()
        full_at = max(self._full_at.get(name, now), now)
        spent = full_at + amount * self._window_ns // (self.policy.quota * factor)
        if spent - now > self._window_ns:
            raise self._refusal(full_at - now, spent - now - self._window_ns, factor)
        self._full_at[name] = spent
        if len(self._full_at) > NAMES_MAX:
            self._forget(now)

    def _refusal(self, empty_ns: int, wait_ns: int, factor: int) -> RateLimited:
        policy = self.policy.times(factor)
        left = (self._window_ns - empty_ns) * policy.quota // self._window_ns
        seconds = -(-wait_ns // SECOND_NS)
        return RateLimited(
            retry_after_s=str(seconds),
            rate_limit_policy=policy.field,
            rate_limit=f'"{policy.name}";r={left};t={seconds}',
        )

    def _forget(self, now: int) -> None:
        """Forget the names that are full again; of too many others those that are nearest to it."""
        owing = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
        if len(owing) > NAMES_MAX // 2:
            most = sorted(owing, key=owing.__getitem__)[-(NAMES_MAX // 2) :]
            owing = {name: owing[name] for name in most}
        self._full_at = owing
