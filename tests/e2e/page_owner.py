"""The owner of a household's page in tests: what a browser without scripts does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import httpx2

PATIENCE_SECONDS = 240.0


class Page:
    """What its owner's browser does, without a script."""

    def __init__(self, link: str) -> None:
        self.origin = link.partition("/open")[0]
        self.client = httpx2.Client(base_url=self.origin, follow_redirects=True, timeout=30.0)
        self.text = self.client.get(link).text

    def get(self, path: str) -> str:
        self.text = self.client.get(path).text
        return self.text

    def send(self, path: str, **fields: str) -> str:
        token = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert token is not None
        answer = self.client.post(path, data={"csrf": token[1], **fields})
        assert answer.status_code == 200, answer.text
        self.text = answer.text
        return self.text


def await_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.2)
