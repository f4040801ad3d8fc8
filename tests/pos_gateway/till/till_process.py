"""A till in a process of its own, to be killed: python -m tests.pos_gateway.till.till_process DIRECTORY PORT."""

import sys
from pathlib import Path

import uvicorn

from pos_gateway.till.app import make_app, server_config
from pos_gateway.till.installation import open_installation
from runtime.clock import business_clock


def main() -> None:
    """Serve until killed; more seats are none of our business."""
    with open_installation(Path(sys.argv[1]), business_clock(None)) as installation:
        assert installation.faults == (), installation.faults
        uvicorn.Server(server_config(make_app(installation), port=int(sys.argv[2]))).run()


if __name__ == "__main__":
    main()
