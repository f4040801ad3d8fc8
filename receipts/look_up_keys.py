"""Look published keys up by the kid that a receipt names: what was found is believed for half a minute.

There may be as many till keys as tills, so that nobody reads them all; and one may have been certified a second ago by
another worker, so that who is not known is asked for, each time: a look-up by a primary key.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from receipts.keys import Key, Keyring
from receipts.store import reading

REMEMBERED_S = 30.0
"""A key revoked elsewhere is believed so long."""
REMEMBERED_MAX = 20_000
"""Keys remembered by one worker: at some 1,500 bytes each 30 MB."""


class KeyLookup:
    """The published keys as one worker knows them. Belongs to one event loop.

    Args:
        database: asked about strangers.
        elapsed_s: measures how long a key is known; not the clock, which may be set back.
    """

    def __init__(self, database: Any, *, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._elapsed_s = elapsed_s
        self._known: OrderedDict[bytes, tuple[Key, float]] = OrderedDict()

    async def keyring(self, kids: Iterable[bytes]) -> Keyring:
        """Answer the published ones of these keys, as they were within the last half minute."""
        now = self._elapsed_s()
        wanted = set(kids)
        known = {
            kid: found[0]
            for kid in wanted
            if (found := self._known.get(kid)) is not None and now - found[1] < REMEMBERED_S
        }
        strangers = wanted - known.keys()
        if strangers:
            for key in await reading.find_published_keys(self._database, strangers):
                known[key.kid] = key
                self._remember(key, now)
        return known

    def _remember(self, key: Key, now: float) -> None:
        self._known[key.kid] = (key, now)
        self._known.move_to_end(key.kid)
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
