"""A crowd's run from the chain's start to its end."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import structlog

from client_agent.training.gradients import prepare
from scripts.crowd.chain import crowd_chain
from scripts.crowd.play import Crowd, Tell
from scripts.crowd.report import CrowdReport


def run(clients: int, rounds: int, seed: bytes, tell: Tell) -> CrowdReport:
    """``seed``: 32 bytes, from which all keys, data and noise follow. Raises HearthError."""
    tell("start the chain", 0, 0)
    with crowd_chain() as chain, tempfile.TemporaryDirectory() as folder, errors_alone():
        prepare()
        with closing(Crowd(chain, clients, rounds, seed, Path(folder), tell)) as crowd:
            return crowd.play()


@contextmanager
def errors_alone() -> Iterator[None]:
    """On standard error: what roles log of what is going on is not what the caller prints."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)
