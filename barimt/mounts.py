"""Which face answers which path, and who may ask."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPBearer

import analytics.api
import lottery.api
import mobile_stub.app
import pos_gateway.posapi.routes
import pos_gateway.public
import pos_gateway.terminals
import refunds.api
from mobile_stub.app import current_bearer, current_consumer
from pos_gateway import receipt_paper, routes
from pos_gateway.activation import ACTIVATION_ROUTE
from pos_gateway.lookups import current_client
from pos_gateway.oauth import TOKEN_ROUTE
from receipts.store.enrolling import is_officer
from runtime.database import Role as DatabaseRole
from runtime.tokens.bearer import Bearer, Forbidden, Role

OFFICER_SCHEME = HTTPBearer(
    scheme_name="officer",
    bearerFormat="JWT",
    auto_error=False,  # who is asking is told by the issuer; this one is for the documentation
    description="A tax officer's token: `barimt admin officer add` prints one, or the OIDC issuer gives it.",
)


def current_officer(
    request: Request,
    bearer: Annotated[Bearer, Depends(current_bearer)],
    _scheme: Annotated[object, Depends(OFFICER_SCHEME)] = None,
) -> str:
    """Answer which tax officer is asking. Raises `Forbidden` for anybody else, and for one who is not enrolled."""
    bearer.require(Role.OFFICER)
    with request.app.state.database.transaction(DatabaseRole.OFFICER) as connection:
        if not is_officer(connection, bearer.subject):
            raise Forbidden
    return bearer.subject


def mount_faces(app: FastAPI) -> None:
    """Mount every face on the app."""
    app.router.routes.extend([TOKEN_ROUTE, ACTIVATION_ROUTE, *routes.ISSUING_ROUTES])
    for router in (
        routes.router,
        receipt_paper.router,
        pos_gateway.public.router,
        pos_gateway.terminals.router,
        pos_gateway.posapi.routes.router,
        mobile_stub.app.router,
        refunds.api.make_router(current_consumer),
        lottery.api.router,
        lottery.api.make_router(current_consumer),
        analytics.api.make_router(
            current_client=current_client, current_officer=current_officer, current_consumer=current_consumer
        ),
    ):
        app.include_router(router)
