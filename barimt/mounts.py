"""Which face answers which path, and who may ask."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request

import analytics.api
import lottery.api
import mobile_stub.app
import pos_gateway.public
import refunds.api
from mobile_stub.app import current_bearer, current_consumer
from pos_gateway import routes
from pos_gateway.gateway import gateway_of
from pos_gateway.oauth import TOKEN_ROUTE
from receipts.store.enrolling import is_officer
from receipts.store.reading import Client
from runtime.database import Role as DatabaseRole
from runtime.tokens.bearer import Bearer, Forbidden, Role


async def current_client(request: Request) -> Client:
    """Answer which seller's client is asking. Raises `Unauthenticated` or `TokenExpired`."""
    return await gateway_of(request.app).authenticate(request.headers.get("authorization"))


def current_officer(request: Request, bearer: Annotated[Bearer, Depends(current_bearer)]) -> str:
    """Answer which tax officer is asking. Raises `Forbidden` for anybody else, and for one who is not enrolled."""
    bearer.require(Role.OFFICER)
    with request.app.state.database.transaction(DatabaseRole.OFFICER) as connection:
        if not is_officer(connection, bearer.subject):
            raise Forbidden
    return bearer.subject


def mount_faces(app: FastAPI) -> None:
    """Mount every face on the app."""
    app.router.routes.extend([TOKEN_ROUTE, *routes.ISSUING_ROUTES])
    for router in (
        routes.router,
        pos_gateway.public.router,
        mobile_stub.app.router,
        refunds.api.make_router(current_consumer),
        lottery.api.router,
        lottery.api.make_router(current_consumer),
        analytics.api.make_router(
            current_client=current_client, current_officer=current_officer, current_consumer=current_consumer
        ),
    ):
        app.include_router(router)
