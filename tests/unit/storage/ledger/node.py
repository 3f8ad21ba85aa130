"""A node on loopback that answers whatever a test wants, valid or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests import answering_server

Answer = Callable[[dict[str, Any]], bytes]


def result(value: object) -> Answer:
    """A well-formed answer with this result."""
    return lambda question: json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": value}).encode()


def by_method(**answers: Answer) -> Answer:
    """Another answer for each method."""
    return lambda question: answers[question["method"]](question)


@contextmanager
def node(answer: Answer) -> Iterator[str]:
    """Gives the URL."""
    with answering_server.answering(lambda asked: answering_server.Answer(answer(json.loads(asked.body)))) as url:
        yield url
