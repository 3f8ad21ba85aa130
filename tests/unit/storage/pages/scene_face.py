"""A face of a few pages, for tests of what both faces share."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.responses import Response

from protocol.errors import MalformedError
from protocol.randomness import SeededRandomness
from storage.pages.forms import read_form
from storage.pages.pages import Face, Pages

LAYOUT = '{% extends "pages/base.html" %}{% block title %}Face{% endblock %}'
PAGE = """{% extends "layout.html" %}{% block content %}<p id="said">{{ said }}</p>
<p id="told">{{ _("The address is not one of this page's, or what it showed is gone.") }}</p>
<form method="post">{{ csrf() }}<textarea name="words">{{ said|text }}</textarea></form>{% endblock %}"""
HOST = "http://127.0.0.1:8300"


class Counting(SeededRandomness):
    """Another value at each draw, as the system's source gives."""

    def __init__(self) -> None:
        super().__init__(b"counting")
        self.count = 0

    def draw(self, purpose: str, size: int) -> bytes:
        self.count += 1
        return super().draw(f"{purpose}/{self.count}", size)


def make_client(folder: Path, said: str = "hello") -> TestClient:
    (folder / "templates").mkdir(parents=True)
    (folder / "static").mkdir()
    (folder / "static" / "own.js").write_text("// own\n")
    (folder / "templates" / "layout.html").write_text(LAYOUT)
    (folder / "templates" / "page.html").write_text(PAGE)
    pages = Pages(Face("test", folder), Counting())
    app = FastAPI(openapi_url=None)
    pages.install(app)

    @app.get("/")
    async def page(request: Request) -> Response:
        return pages.render(request, "page.html", said=said)

    @app.post("/")
    async def save(request: Request) -> Response:
        words = (await read_form(request)).get("words")
        return pages.render(request, "page.html", said=words)

    @app.get("/broken")
    async def broken() -> Response:
        raise RuntimeError("/secret/path")

    @app.get("/malformed")
    async def malformed() -> Response:
        raise MalformedError("<b>line one</b>\nline two")

    return TestClient(app, HOST, raise_server_exceptions=False)
