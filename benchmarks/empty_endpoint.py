"""The yardstick: a FastAPI endpoint that validates the body of `POST /v1/receipts` with pydantic and does no more.

    python -m benchmarks.empty_endpoint --port 8100 --answer-bytes 700

One worker, uvloop, httptools, no access log. It answers a body of as many bytes as the gateway would, which it has made
beforehand, past FastAPI's serialisation: nothing a real service does could cost less.
"""

import argparse

import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response

from benchmarks.published_model import Receipt


def make_app(answer_bytes: int) -> FastAPI:
    """Make the app; `answer_bytes` is the length of an answer's body."""
    app = FastAPI()
    content = b'{"id":"%b"}' % (b"0" * (answer_bytes - 9))

    @app.post("/v1/receipts", status_code=201)
    async def post_receipt(receipt: Receipt) -> Response:  # noqa: ARG001 - it is validated, which is the whole point
        return Response(content, 201, media_type="application/json")

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--answer-bytes", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(
        make_app(given.answer_bytes), host="127.0.0.1", port=given.port, loop="uvloop", http="httptools",
        access_log=False, server_header=False, log_level="warning", backlog=2048, timeout_keep_alive=75,
    )  # fmt: skip


if __name__ == "__main__":
    main()
