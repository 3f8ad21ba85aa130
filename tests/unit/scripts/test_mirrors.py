"""Whoever has told pip where a mirror is has told uv too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.mirrors import for_uv, settings

ROOT = Path(__file__).resolve().parents[3]
INDEX, EXTRA = "https://mirror.example/simple", "https://more.example/simple"
PYTHON = f"""#!/bin/sh
case "$*" in
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp uv .venv/bin/uv ;;
    "-m pip install"* | *launcher.py*) echo "pip $PIP_INDEX_URL" >>asked ;;
    *) exec {sys.executable} "$@" ;;
esac
"""
UV = """#!/bin/sh
echo "uv $UV_DEFAULT_INDEX $UV_INDEX $SSL_CERT_FILE" >>asked
"""


@pytest.mark.parametrize(
    ("pip", "uv"),
    [
        ({}, {}),
        ({"index-url": INDEX}, {"UV_DEFAULT_INDEX": INDEX}),
        (
            {"extra-index-url": f"\n{EXTRA}\n{INDEX}"},
            {"UV_INDEX": f"{EXTRA} {INDEX}", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"trusted-host": "a.example b.example:8080"}, {"UV_INSECURE_HOST": "a.example b.example:8080"}),
        ({"cert": "/etc/our certificates.pem"}, {"SSL_CERT_FILE": "/etc/our certificates.pem"}),
        ({"find-links": "/wheels /more"}, {"UV_FIND_LINKS": "/wheels,/more"}),
        ({"proxy": "http://proxy.example:3128"}, {"ALL_PROXY": "http://proxy.example:3128"}),
        ({"timeout": "60", "default-timeout": "30"}, {"UV_HTTP_TIMEOUT": "60"}),
        ({"disable-pip-version-check": "1", "index-url": ""}, {}),
    ],
)
def test_each_of_pips_settings_has_one_of_uv(pip: dict[str, str], uv: dict[str, str]) -> None:
    assert for_uv(pip, {}) == uv


@pytest.mark.parametrize(
    ("own", "name", "value"),
    [
        ("UV_DEFAULT_INDEX", "index-url", INDEX),
        ("UV_INDEX_URL", "index-url", INDEX),
        ("UV_EXTRA_INDEX_URL", "extra-index-url", EXTRA),
        ("https_proxy", "proxy", "http://proxy.example"),
        ("SSL_CERT_FILE", "cert", "/etc/c.pem"),
    ],
)
def test_what_uv_was_told_itself_stays(own: str, name: str, value: str) -> None:
    assert for_uv({name: value}, {own: "set"}) == {}
    assert for_uv({name: value}, {own: ""}) != {}, "an empty variable says nothing"


def test_variables_go_before_files_and_a_command_before_all_commands() -> None:
    listed = f"""
:env:.index-url='{INDEX}'
global.index-url='https://of.all.example'
global.extra-index-url='https://of.all.example\\n{EXTRA}'
global.cert='/etc/a.pem'
install.cert="/etc/the owner's.pem"
"""
    assert settings(listed) == {
        "index-url": INDEX,
        "extra-index-url": f"https://of.all.example\n{EXTRA}",
        "cert": "/etc/the owner's.pem",
    }


def test_the_set_up_tells_uv_what_pip_was_told(tmp_path: Path) -> None:
    """The real scripts, from a configuration file and from the environment, with stand-ins for both installers."""
    (tmp_path / "scripts" / "locks").mkdir(parents=True)
    for name in ("make_environment", "mirrors.py", "locks/run.txt", "locks/setup.txt"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts" / name)
    (tmp_path / "pyproject.toml").touch()
    for name, text in (("python", PYTHON), ("uv", UV)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "pip.conf").write_text(f"[global]\nextra-index-url = {EXTRA}\ncert = /etc/o'ur $HOME.pem\n")
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "SSL_", "HEARTH_"))
    }
    surroundings = {"PYTHON": f"{tmp_path}/python", "PIP_INDEX_URL": INDEX, "PIP_CONFIG_FILE": f"{tmp_path}/pip.conf"}
    subprocess.run(["scripts/make_environment", "run"], cwd=tmp_path, env={**clean, **surroundings}, check=True)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [f"pip {INDEX}", f"uv {INDEX} {EXTRA} /etc/o'ur $HOME.pem", f"pip {INDEX}"]
