"""Which face answers which path."""

from fastapi import FastAPI

import lottery.api
import mobile_stub.app
import pos_gateway.public
import refunds.api
from mobile_stub.app import current_consumer
from pos_gateway import routes
from pos_gateway.oauth import TOKEN_ROUTE


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
    ):
        app.include_router(router)
