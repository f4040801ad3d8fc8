"""Load the whole till and sell one receipt over HTTP; needs nothing of the tests' own libraries."""

import importlib
import json
import pkgutil
import socket
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import pos_gateway.till
from pos_gateway.till.app import make_app, server_config
from pos_gateway.till.installation import open_installation
from pos_gateway.till.seat import Activated
from receipts.keys import Key, KeyRole, key_as_json
from runtime.clock import business_clock

TIN, TERMINAL = "37900846788", 20000001
SALE = {
    "branchNo": "001", "totalAmount": 1100, "merchantTin": TIN, "posNo": "1", "type": "B2C_RECEIPT",
    "receipts": [{"totalAmount": 1100, "taxType": "VAT_ABLE", "merchantTin": TIN, "items": [
        {"name": "Талх", "measureUnit": "ш", "qty": 1, "unitPrice": 1100, "totalAmount": 1100,
         "classificationCode": "2349010"}]}],
}  # fmt: skip
OPTIONAL = {"pos_gateway.till.watched_httptools"}
"""Modules that want a library which is not the till's; it goes on without."""


def main() -> None:
    """Print the QR text of the receipt."""
    for module in pkgutil.walk_packages(pos_gateway.till.__path__, "pos_gateway.till."):
        if module.name not in OPTIONAL:
            importlib.import_module(module.name)
    clock = business_clock(None)
    with open_installation(Path(sys.argv[1]) / "till", clock) as till, socket.socket() as listening:
        till.add_seat(activated(clock()))
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(server_config(make_app(till)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/rest/receipt"
        request = urllib.request.Request(url, json.dumps(SALE).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            print(json.load(answer)["qrData"])  # noqa: T201
        server.should_exit = True
        thread.join(20)


def activated(now: datetime) -> Activated:
    """An activation that nobody has seen."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    times = (now, now + timedelta(days=700))
    certificate = Key(key.public_key().public_bytes_raw(), KeyRole.TILL, *times, int(TIN), TERMINAL)
    answer = {
        "seller_tin": TIN, "seller": TIN, "seller_name": "Дэлгүүр", "terminal": f"{TERMINAL}", "branch": "001",
        "district": "2501", "client_id": "c", "token_url": "http://127.0.0.1/", "epoch": 1, "enrolment": "eA",
        "enrolled_at": now.astimezone(UTC).isoformat(), "turnover_key": "A" * 43,
        "certificate": key_as_json(certificate), "test": True, "city_tax_payer": False, "vat_payer": True,
    }  # fmt: skip
    return Activated(answer, key, key)


if __name__ == "__main__":
    main()
