"""Sellers, clients and terminals of a running `barimt serve`, enrolled beside it by the verbs of `barimt admin`."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from barimt.authority import EPOCH
from barimt.open_authority import open_authority
from barimt.terminal_keys import make_client_key
from receipts.enrol import NewSeller, NewTerminal, add_client, add_seller, add_terminal
from runtime.clock import real_now
from runtime.database import Role
from runtime.settings import load_settings
from tests.crash.judge import database_of
from tests.crash.serve_process import ServeProcess
from tests.crash.tills import Client

ENROLLED_AT = datetime(2017, 1, 1, tzinfo=UTC)


def enrol(serve: ServeProcess, sellers: int, terminals: int, *, first: int = 1) -> list[Client]:
    """Enrol sellers, numbered from `first`, with one client each and so many terminals each."""
    with database_of(serve.data_dir) as database:
        with database.transaction(Role.JOBS) as connection:
            authority = open_authority(connection, real_now, settings=load_settings(data_dir=serve.data_dir))
        keys = authority.signing_keys(real_now())
        enrolled = []
        for number in range(first, first + sellers):
            tin, client_id = f"{37_900_000_000 + number}", f"torture-{number}"
            path, public = make_client_key(serve.data_dir.parent, client_id)
            numbers = list(_numbers(number, terminals))
            with database.transaction(Role.JOBS) as connection:
                seller = NewSeller(tin, f"Дэлгүүр {number}", "4711", "2501", vat_registered_from=date(2016, 1, 1))
                add_seller(connection, real_now, seller=seller)
                add_client(connection, real_now, client_id=client_id, seller_tin=tin, public_key=public)
                for terminal in numbers:
                    new = NewTerminal(tin, terminal, client_id, "gateway", 1, "2501")
                    add_terminal(connection, _enrolled_at, terminal=new, epoch=EPOCH, chain_key=keys)
            token_url = f"{serve.url}/v1/oauth/token"
            enrolled.append(Client(client_id, str(path), token_url, tin, tuple(f"{one:08d}" for one in numbers)))
        return enrolled


def _enrolled_at() -> datetime:
    """When terminals were enrolled: long ago, so that no till's clock is before it."""
    return ENROLLED_AT


def _numbers(seller: int, terminals: int) -> Iterator[int]:
    return iter(range(10_000_000 + seller * 100, 10_000_000 + seller * 100 + terminals))
