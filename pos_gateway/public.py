"""What anyone may fetch from the centre: the signed key list with which receipts are verified offline."""

from typing import Any

from fastapi import APIRouter, Request

from kernel.refusal import Unavailable
from pos_gateway.gateway import gateway_of
from receipts.keys import key_as_json, read_key_list
from receipts.store import reading

router = APIRouter(prefix="/v1", tags=["public"])


def published(signed: str) -> dict[str, Any]:
    """Answer a key list as it is published: readable keys, and the signed list that alone is to be trusted."""
    return {"keys": [key_as_json(key) for key in read_key_list(signed)], "signed": signed}


@router.get("/keys", summary="Keys with which anyone verifies receipts offline")
async def get_keys(request: Request) -> dict[str, Any]:
    """Answer `{"keys": [...], "signed": "<compact JWS by the root key>"}`."""
    signed = await reading.find_key_list(gateway_of(request.app).database)
    if signed is None:
        raise Unavailable("no key list yet", retry_after_s=5)
    return published(signed)
