"""What `barimt serve` says before it starts anything."""

import socket

import pytest
from rich.console import Console

from barimt.serve import serve
from runtime.settings import Settings
from runtime.unusable import Unusable


class TestServe:
    def test_names_another_port_where_its_own_is_taken(self, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(Unusable, match=rf"port {port}: .*barimt serve --port {port % 65535 + 1}"):
                serve(settings.model_copy(update={"port": port, "host": "127.0.0.1"}), Console(quiet=True))
        assert not (settings.data_dir / "keys").exists()
