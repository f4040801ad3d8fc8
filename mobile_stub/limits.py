"""How often a consumer may claim by hand: enough for typing, too little for guessing lottery numbers."""

import structlog
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from runtime.rate_limits import RateLimited


class HandLimit:
    """Ten claims by hand a minute and sixty an hour for each consumer, counted by each worker for itself.

    An unknown lottery number is guessed once in 6.8 x 10^10 (26^2 letters, 10^8 digits).
    """

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._limits = (RateLimitItemPerMinute(10), RateLimitItemPerHour(60))

    def hit(self, consumer: int) -> None:
        """Count an attempt. Raises `RateLimited`."""
        if not all(self._limiter.hit(limit, "hand", str(consumer)) for limit in self._limits):
            structlog.get_logger().info("hand_limit_reached")
            raise RateLimited(retry_after_s="60")
