"""The pages of a server with a played task, asked as a browser asks them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.api.app import DEFAULT_OPTIONS, ApiOptions, edge_app
from backend.dashboard.app import add_dashboard
from backend.dashboard.frame import LOOPBACK_NAMES, pages_of
from tests.unit.backend.api.scene_api import enrolling as enrolling_api
from tests.unit.backend.api.scene_api import played as played_api
from tests.unit.backend.rounds.scene_server import Scene
from tests.unit.storage.pages.scene_face import Counting

HOST = "http://127.0.0.1:8300"


def both(scene: Scene, options: ApiOptions = DEFAULT_OPTIONS) -> FastAPI:
    """API and pages in one application, as the process serves them."""
    app = edge_app(scene.ledger, scene.store, scene.driver, options)
    add_dashboard(app, pages_of(frozenset(LOOPBACK_NAMES), Counting()))
    return app


def browser(app: FastAPI) -> TestClient:
    return TestClient(app, HOST, raise_server_exceptions=False, follow_redirects=False)


@cache
def played() -> TestClient:
    """Two rounds are published. For tests that change nothing."""
    return browser(both(played_api().scene))


def enrolling() -> tuple[Scene, TestClient]:
    """Three households have enrolled; the scene may be played on."""
    scene = enrolling_api().scene
    return scene, browser(both(scene))


def text(client: TestClient, path: str, status: int = 200, headers: Mapping[str, str] | None = None) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html"), answer.headers
    return answer.text
