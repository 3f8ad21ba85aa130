"""What ``hearth`` says without a command, and what ``hearth --version`` says."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

from protocol.version import PROTOCOL_NAME, PROTOCOL_VERSION

_DISTRIBUTION: Final = "hearth-fl"
_PROJECT: Final = Path(__file__).resolve().parents[2] / "pyproject.toml"  # of a checkout, which is not installed

# at most 40 letters a line
WELCOME: Final = """\
Hearth: crowdsourced federated learning
that anyone can audit. Who are you?

  somebody who wants to see it run:
    hearth demo
  a household:
    hearth policy init policy.toml
    hearth agent --help
  a manufacturer:
    hearth task init task.toml
    hearth task post --help
  an operator of an edge server:
    hearth key new --help
    hearth serve edge --help
  an auditor:
    hearth audit --help

Something is wrong:  hearth doctor
All commands:        hearth --help\
"""


def version_line() -> str:
    return f"hearth {_version()}, protocol {PROTOCOL_NAME}/{PROTOCOL_VERSION}, Python {platform.python_version()}"


def _version() -> str:
    import tomllib
    from importlib.metadata import PackageNotFoundError, version

    try:
        return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, ValueError, LookupError):
        pass
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "of unknown version"
