"""The API of a server with one played task, asked in this process."""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.api.app import DEFAULT_OPTIONS, ApiOptions, edge_app
from protocol.messages.chain import RoundPublished
from tests.unit.backend.rounds.scene_server import Scene


class Api:
    """``scene`` may be played on; the application sees it at once."""

    def __init__(self, scene: Scene, options: ApiOptions = DEFAULT_OPTIONS) -> None:
        self.scene, self._options = scene, options
        self.client = TestClient(self.app)

    @property
    def app(self) -> FastAPI:
        """A fresh one, as every process makes it."""
        return edge_app(self.scene.ledger, self.scene.store, self.scene.driver, self._options)


def enrolling() -> Api:
    """Three clients have enrolled; no round is open."""
    scene = Scene()
    scene.start()
    scene.enrol()
    return Api(scene)


def replayed() -> Scene:
    """Both rounds are published."""
    scene = enrolling().scene
    for number in (1, 2):
        scene.submit(number)
        scene.ended(RoundPublished, number)
    scene.step()
    return scene


@cache
def played() -> Api:
    """The same, for tests that change nothing."""
    return Api(replayed())
