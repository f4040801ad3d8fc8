"""`/docs`: the API's documentation as a page, every part of it served from here. A centre may stand where the internet
cannot be reached, and whoever reads its documentation is nobody else's business.
"""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

DOCS_PATH = "/docs"
OPENAPI_PATH = "/openapi.json"
_ASSETS = "/docs/assets"


def mount_docs(app: FastAPI) -> None:
    """Mount the page and Swagger UI's own files, which the package fastapi_swagger carries. The app must not have
    FastAPI's page: that one loads a script of whichever version a content network names today.
    """
    app.mount(_ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="docs_assets")

    @app.get(DOCS_PATH, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=OPENAPI_PATH,
            title="Barimt: API",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={
                "validatorUrl": None,  # else the document is sent to a validator elsewhere
                "defaultModelsExpandDepth": 0,
                "displayRequestDuration": True,
                "persistAuthorization": True,
                "tryItOutEnabled": True,
            },
        )
