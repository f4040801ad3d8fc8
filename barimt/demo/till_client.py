"""A till as an outside client: a key, an access token, and sales posted over HTTP. It knows only the documentation."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.jwk import OKPKey

from runtime.clock import real_now
from runtime.unusable import Unusable

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_S = 120


class PostFailed(Unusable):
    """The centre answered what a demo or a test did not expect."""


@dataclass(slots=True)
class TillClient:
    """One client of a seller. `http` has the centre as its base URL."""

    http: httpx2.AsyncClient
    client_id: str
    key_file: Path
    token_url: str
    _token: str | None = None

    async def headers(self) -> dict[str, str]:
        """Answer the Authorization header, with a token fetched at first use (RFC 7523)."""
        if self._token is None:
            key = OKPKey.import_key(self.key_file.read_bytes())
            now = int(real_now().timestamp())
            claims = {
                "iss": self.client_id, "sub": self.client_id, "aud": self.token_url,
                "iat": now, "exp": now + ASSERTION_S, "jti": secrets.token_hex(16),
            }  # fmt: skip
            assertion = jwt.encode({"alg": "Ed25519"}, claims, key, algorithms=["Ed25519"])
            form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": assertion}  # fmt: skip
            answer = await self.http.post("/v1/oauth/token", data=form)
            self._token = str(_body(answer, 200)["access_token"])
        return {"Authorization": f"Bearer {self._token}"}

    async def post(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post one sale and answer the receipt."""
        headers = await self.headers() | {"Idempotency-Key": key}
        return _body(await self.http.post("/v1/receipts", json=body, headers=headers), 201, 200)

    async def post_batch(self, sales: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        """Post up to a thousand sales and answer the receipts in their order."""
        lines = "\n".join(json.dumps({"key": key, "receipt": body}, ensure_ascii=False) for key, body in sales)
        headers = await self.headers() | {"Content-Type": "application/x-ndjson"}
        answer = await self.http.post("/v1/receipts/batch", content=lines.encode(), headers=headers)
        _expect(answer, 200)
        verdicts = [json.loads(line) for line in answer.text.splitlines()]
        for verdict in verdicts:
            if "receipt" not in verdict:
                raise PostFailed(f"{verdict['key']}: {verdict['problem']}")
        return [verdict["receipt"] for verdict in verdicts]

    async def void(self, receipt_id: str, reason: str) -> dict[str, Any]:
        """Void a receipt and answer the void."""
        answer = await self.http.post(
            f"/v1/receipts/{receipt_id}/void", json={"reason": reason}, headers=await self.headers()
        )
        return _body(answer, 201, 200)

    async def declare(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Hand in a declaration."""
        return _body(await self.http.post("/v1/declarations", json=body, headers=await self.headers()), 201, 200)


def _body(answer: httpx2.Response, *expected: int) -> dict[str, Any]:
    _expect(answer, *expected)
    body = answer.json()
    assert isinstance(body, dict)
    return body


def _expect(answer: httpx2.Response, *expected: int) -> None:
    if answer.status_code not in expected:
        raise PostFailed(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}")
