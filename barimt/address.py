"""Where the centre was last served: `barimt serve` writes it down, so that enrolment can tell tills where to go."""

from pathlib import Path

from runtime.private_files import write_private
from runtime.settings import Settings

_NAME = "address"
_LENGTH_MAX = 300


def remember_address(root: Path, settings: Settings) -> str:
    """Write down and answer the centre's address as this process serves it."""
    address = _address(settings)
    write_private(root / _NAME, address.encode(), replace=True)
    return address


def address_of(root: Path, settings: Settings) -> str:
    """Answer where the centre of a data directory is served, or would be by the settings if it never was."""
    try:
        told = (root / _NAME).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        told = ""
    return told if 0 < len(told) <= _LENGTH_MAX else _address(settings)


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"
