"""The watched protocol on httptools, where that library is installed."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pos_gateway.till.watched_connections import WatchedConnection


class WatchedHttpToolsProtocol(WatchedConnection, HttpToolsProtocol):
    """The fast protocol."""
