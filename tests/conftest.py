"""Every run draws the same examples, no example is judged by how long it takes, and tests know what they need."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from protocol.encryption.suite import prepare

settings.register_profile("hearth", derandomize=True, deadline=None, database=None)
settings.load_profile("hearth")

ROOT = Path(__file__).parent
# what starts processes or chains, or uses what does
OUTSIDE = re.compile(
    r"^(import|from) (subprocess|multiprocessing|tests\.ports\.(chains|kubo_\w+)|tests\.tiny_task|tests\.played_task"
    r"|tests\.ports\.ledger_scene|scripts\.bench\.cluster_parts|scripts\.chain\.\w+"
    r"|scripts\.demonstration\.processes|scripts\.launcher"
    r"|playwright\.\w+|tests\.contracts\.\w+|web3)\b",
    re.MULTILINE,
)


@pytest.fixture(autouse=True, scope="session")
def _compiled() -> None:
    """This process encrypts with the compiled loops, however little; the demonstrations' processes do with numpy."""
    prepare()


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """A shell makes what it starts in the background deaf to Ctrl-C, and every process below it; nohup to its end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A test in whose process a server ran would leave that server's log, and what it binds, to the next."""
    structlog.contextvars.clear_contextvars()
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _needs_outside(item.path):
            item.add_marker(pytest.mark.outside)


@cache
def _needs_outside(path: Path) -> bool:
    return OUTSIDE.search(path.read_text(encoding="utf-8")) is not None
