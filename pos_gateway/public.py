"""What anyone may fetch from the centre: the signed keys with which receipts are verified offline."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict

from kernel.refusal import Refusal, Unavailable
from pos_gateway.gateway import gateway_of
from receipts.key_list import key_file, keys_shown
from receipts.store import reading


class KeyOut(BaseModel):
    """A public key. `public_key` is base64url; times are RFC 3339 in UTC."""

    model_config = ConfigDict(extra="forbid")  # a word that is published and not declared would be dropped in silence
    kid: str
    public_key: str
    role: Literal["root", "gateway", "till"]
    epoch: int
    not_before: str
    not_after: str
    revoked_at: str | None
    seller: str | None = None
    terminal: str | None = None


class KeysOut(BaseModel):
    """A key list: `keys` to be read, and `signed`, a compact JWS of the root key, which alone is to be trusted."""

    keys: list[KeyOut]
    signed: str


class ShardOut(BaseModel):
    """Till keys: `keys` to be read, and `signed`, a compact JWS of the root key, which alone is to be trusted. In a key
    file it stands under `shards`, by its prefix.
    """

    prefix: str
    keys: list[KeyOut]
    signed: str


class ShardUnknown(Refusal):
    """No till key begins with these digits."""

    code = "key_shard_unknown"


router = APIRouter(prefix="/v1", tags=["public"])


@router.get(
    "/keys",
    summary="Keys with which anyone verifies receipts offline",
    response_model=KeysOut,
    response_model_exclude_unset=True,
)
async def get_keys(request: Request) -> dict[str, Any]:
    """Answer the keys with which the centre signs receipts, signed by the root key themselves. Save the answer as
    `keys.json`; then `barimt verify TEXT --keys keys.json` checks any receipt of the centre's without asking anybody.
    The keys of tills that sign for themselves are in shards: `GET /v1/keys/tills/{prefix}`.
    """
    signed = await reading.find_key_list(gateway_of(request.app).database)
    if signed is None:
        raise Unavailable("no key list yet", retry_after_s=5)
    return key_file(signed)


@router.get(
    "/keys/tills/{prefix}",
    summary="Keys of tills that sign for themselves",
    response_model=ShardOut,
    response_model_exclude_unset=True,
)
async def get_shard(
    request: Request,
    prefix: Annotated[str, Path(pattern="^[0-9a-f]{2}$", description="the first two hexadecimal digits of the kid")],
) -> dict[str, Any]:
    """Answer the keys of the tills whose kid begins with two digits: `barimt verify` says which are wanted. Save the
    answer; then `barimt verify TEXT --keys keys.json --shard FILE` checks a till's receipt without asking anybody.
    """
    signed = await reading.find_key_shard(gateway_of(request.app).database, prefix)
    if signed is None:
        raise ShardUnknown
    return {"prefix": prefix, "keys": keys_shown(signed), "signed": signed}
