"""The documentation's page stands by itself: whatever it loads, the centre serves."""

import re

from tests.serving import Centre

ADDRESS = re.compile(r"""(?:href|src)="([^"]+)"|\burl: '([^']+)'""")


class TestDocsPage:
    def test_loads_nothing_from_anywhere_else(self, shared_centre: Centre) -> None:
        page = shared_centre.http.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        loaded = [one or other for one, other in ADDRESS.findall(page.text)]
        assert len(loaded) == 4, loaded
        assert "//" not in "".join(loaded)
        for address in loaded:
            assert shared_centre.http.get(address).status_code == 200, address

    def test_reads_documents_of_version_3_1(self, shared_centre: Centre) -> None:
        script = shared_centre.http.get("/docs/assets/swagger-ui-bundle.js")
        assert "OpenAPI 3.1" in script.text or "isOAS31" in script.text
        assert shared_centre.http.get("/openapi.json").json()["openapi"].startswith("3.1")

    def test_serves_no_page_that_needs_the_internet(self, shared_centre: Centre) -> None:
        assert shared_centre.http.get("/redoc").status_code == 404
        assert "fastapi.tiangolo.com" not in shared_centre.http.get("/docs").text

    def test_an_unknown_asset_is_a_problem_as_anywhere(self, shared_centre: Centre) -> None:
        assert shared_centre.http.get("/docs/assets/none.js").json()["code"] == "not_found"
