"""Tests of this folder may ask for the centre behind a real socket."""

from tests.journeys.shops import shop
from tests.serving import centre, shared_centre

__all__ = ["centre", "shared_centre", "shop"]
