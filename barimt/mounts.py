"""Which face answers which path."""

from fastapi import FastAPI

import mobile_stub.app
import pos_gateway.public
from pos_gateway import routes
from pos_gateway.oauth import TOKEN_ROUTE


def mount_faces(app: FastAPI) -> None:
    """Mount every face on the app."""
    app.router.routes.extend([TOKEN_ROUTE, *routes.ISSUING_ROUTES])
    for router in (routes.router, pos_gateway.public.router, mobile_stub.app.router):
        app.include_router(router)
