"""Key authorities on loopback that say what they issued, or something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.answering_server import Answer, answering


@contextmanager
def issuing(pages: Mapping[str, bytes]) -> Iterator[str]:
    """Gives the URL of all; each is a path below it. A page that is not there is 404."""
    with answering(lambda asked: Answer(pages[asked.path]) if asked.path in pages else Answer(status=404)) as url:
        yield url
