"""An installation with one shop's seat, and hands on its clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.seat import Seat
from tests.pos_gateway.till.tilling import Activations, Hands


@pytest.fixture
def hands() -> Hands:
    """The clocks."""
    return Hands()


@pytest.fixture
def activations() -> Activations:
    """The centre's answers."""
    return Activations()


@pytest.fixture
def till(tmp_path: Path, hands: Hands) -> Iterator[Installation]:
    """An installation without a seat."""
    with open_installation(tmp_path / "till", hands.clock, elapsed_s=hands.elapsed_s) as installation:
        yield installation


@pytest.fixture
def seat(till: Installation, activations: Activations) -> Seat:
    """The shop's seat in it."""
    return till.add_seat(activations.activated())
