"""What was compiled, where something was (docs/decisions/0043). `BARIMT_SPEEDUPS=off` leaves it out."""

import importlib
import os
from types import ModuleType

_OFF = ("off", "0", "false", "no", "f", "n")  # as the setting of that name is read


def import_compiled(name: str) -> ModuleType | None:
    """Answer a compiled module, None where it is not there or not wanted."""
    if os.environ.get("BARIMT_SPEEDUPS", "on").lower() in _OFF:
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


compiled = import_compiled("runtime._speedups")
"""The compiled functions of this package, None where there are none."""
