"""An HTTP proxy on loopback that answers everything itself and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.answering_server import Answer, Asked, answering


@dataclass
class Gateway:
    url: str = ""
    body: bytes = b'{"jsonrpc":"2.0","id":1,"result":"0x1"}'
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # request line's URL, Authorization

    def answer(self, asked: Asked) -> Answer:
        self.asked.append((asked.path, asked.headers["authorization"]))
        return Answer(self.body, self.status, self.headers)


@contextmanager
def gateway() -> Iterator[Gateway]:
    """Also a plain server: then the URLs are paths."""
    told = Gateway()
    with answering(told.answer) as told.url:
        yield told
