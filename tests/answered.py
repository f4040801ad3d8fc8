"""What tests say of the centre's answers: created, refused, faulty; and the parts of a sale."""

from typing import Any

import httpx2

PROBLEM = "application/problem+json"
Json = dict[str, Any]


def created(answer: httpx2.Response) -> Json:
    """The receipt of an answer that must be 201."""
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert isinstance(body, dict)
    return body


def refused(answer: httpx2.Response, status: int, code: str) -> Json:
    """The problem of an answer that must be this refusal."""
    body = problem(answer)
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    return body


def problem(answer: httpx2.Response) -> Json:
    """The problem of an answer that must be one, whole and well formed (RFC 9457)."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    body = answer.json()
    assert isinstance(body, dict)
    assert body["status"] == answer.status_code
    assert body["type"] == f"/problems/{body['code']}"
    assert body["title"]
    assert body["detail"]
    return body


def faults(answer: httpx2.Response) -> set[tuple[str, str]]:
    """Code and path of every fault of an answer that must be 400."""
    assert answer.status_code == 400, answer.text
    return {(fault["code"], fault["path"]) for fault in problem(answer)["faults"]}


def part(total_mongo: int, tax_type: str = "VAT_ABLE", *, seller_tin: str | None = None, **changes: Any) -> Json:
    """A part of one line."""
    product = {"VAT_FREE": "304", "VAT_ZERO": "501"}.get(tax_type)
    line: Json = {"name": "Талх", "quantity": "1", "unit": "ш", "total_mongo": total_mongo}
    usual: Json = {
        "tax_type": tax_type,
        "total_mongo": total_mongo,
        "lines": [line if product is None else {**line, "tax_product": product}],
    }
    return usual | ({} if seller_tin is None else {"seller_tin": seller_tin}) | changes
