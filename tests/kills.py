"""A real SIGKILL at a step that changes what is on disk."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any


def kill_at(when: str, last: int) -> None:
    """This process, ``before`` or ``after`` the step of that number that changes what is on disk."""
    done = 0

    def counting(step: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done == last and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = step(*arguments, **named)
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted

    for name in ("replace", "write", "unlink"):
        setattr(os, name, counting(getattr(os, name)))
