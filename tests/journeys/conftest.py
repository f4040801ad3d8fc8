"""Tests of this folder may ask for the centre behind a real socket."""

from tests.journeys.sandboxes import sandbox
from tests.journeys.shops import shop
from tests.serving import centre, shared_centre

__all__ = ["centre", "sandbox", "shared_centre", "shop"]
