"""One configuration for both installers: what pip was told of mirrors, proxies and certificates, as uv understands it.

pip installs uv and uv installs the rest. ``python scripts/mirrors.py`` prints ``export`` lines for a shell, from pip's
variables and files alike, except for what uv's own variables already say. It needs pip and nothing of Hearth.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

_SECTIONS: Final = ("global", "install", ":env:")  # each goes before the one to its left
_LINE: Final = re.compile(r"^(?P<section>[^.=\n]+)\.(?P<name>[a-z-]+)=(?P<value>.+)$", re.MULTILINE)
# pip's setting: uv's variable, what joins several values, and the variables that count as uv's own word on it
_OF_UV: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "index-url": ("UV_DEFAULT_INDEX", " ", ("UV_INDEX_URL",)),
    "extra-index-url": ("UV_INDEX", " ", ("UV_EXTRA_INDEX_URL",)),
    "find-links": ("UV_FIND_LINKS", ",", ()),
    "trusted-host": ("UV_INSECURE_HOST", " ", ()),
    "cert": ("SSL_CERT_FILE", " ", ()),
    "proxy": ("ALL_PROXY", " ", ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "all_proxy")),
    "timeout": ("UV_HTTP_TIMEOUT", " ", ()),
    "default-timeout": ("UV_HTTP_TIMEOUT", " ", ()),
}


def settings(listed: str) -> dict[str, str]:
    """From what ``pip config list`` prints: name to value, the variables of the environment before the files."""
    found = {(line["section"], line["name"]): line["value"] for line in _LINE.finditer(listed)}
    merged = {}
    for section in _SECTIONS:
        for (of, name), value in found.items():
            if of == section:
                merged[name] = str(ast.literal_eval(value))
    return merged


def for_uv(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables to add. What the environment says to uv itself stays."""
    added: dict[str, str] = {}
    for name, (variable, separator, others) in _OF_UV.items():
        values = pip.get(name, "").split() if name != "cert" else [pip[name]] if pip.get(name) else []
        if values and not any(environment.get(own) for own in (variable, *others)):
            added.setdefault(variable, separator.join(values))
    if "UV_INDEX" in added and not environment.get("UV_INDEX_STRATEGY"):
        added["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip looks; the lock's hashes say which file it must be
    return added


def main() -> None:
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    for name, value in for_uv(settings(listed), os.environ).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
