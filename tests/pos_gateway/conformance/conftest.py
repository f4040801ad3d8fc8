"""The kit is tried on a real till with a real centre."""

from tests.journeys.shops import shop
from tests.serving import shared_centre

__all__ = ["shared_centre", "shop"]
