from pathlib import Path

import polars as pl
import pytest

from barimt.demo.retail import data_folder, read_lines
from barimt.demo.world import DEFAULT_MONTH, World, make_world


@pytest.fixture(scope="session")
def folder() -> Path:
    return data_folder()


@pytest.fixture(scope="session")
def lines(folder: Path) -> pl.DataFrame:
    return read_lines(folder, DEFAULT_MONTH)


@pytest.fixture(scope="session")
def world(folder: Path) -> World:
    return make_world(folder)
