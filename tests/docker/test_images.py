"""The Dockerfiles, and what an image leaves out of the locks: nothing that its role loads."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import grimp
import pytest

from tests.tracked import ROOT, tracked

PACKAGES: Final = ("backend", "client_agent", "contracts", "protocol", "scripts", "storage")
DOCKERFILES: Final = [path for path in tracked() if path.name.endswith("Dockerfile")]
ROWS: Final = [
    line.split() for line in (ROOT / "docker" / "left-out.txt").read_text().splitlines() if line and line[0] != "#"
]
RUN: Final = (ROOT / "scripts" / "locks" / "run.txt").read_text()
REMOVED: Final = re.compile(r"(?<= )(\w+)/(\w+)(?= |$)", re.MULTILINE)  # folders of rm, in docker/install_hearth
# where each image's commands begin: behind the functions of scripts.commands, which import when they are called
ENTRIES: Final = {
    "edge": ("backend.main", "storage.ledger.signer", "scripts.commands.auditor", "scripts.commands.options"),
    "authority": ("backend.key_authority.main", "storage.ledger.signer", "scripts.commands.options"),
    "agent": ("client_agent.main", "client_agent.web.household", "scripts.commands.household_page",
              "scripts.commands.collecting", "scripts.commands.join", "scripts.commands.accounts"),
    "auditor": ("scripts.commands.audit", "scripts.demonstration.development"),
    "chain": ("scripts.demonstration.development", "scripts.chain.deployment", "scripts.commands.posting",
              "scripts.commands.ready_task"),
}  # fmt: skip
# what a package is imported as, where its name does not say it
IMPORTED_AS: Final = {
    "scikit-learn": "sklearn", "py-evm": "eth", "paho-mqtt": "paho", "protobuf": "google",
    "python-multipart": "multipart", "lru-dict": "lru", "py-solc-x": "solcx",
}  # fmt: skip
# what a package that stays says that it needs, and does not for what is asked of it
INCOMPLETE: Final = {"pygments": ["rich"]}
OF_DIGITS: Final = {name: ["scikit-learn"] for name in ("joblib", "narwhals", "scipy", "threadpoolctl")}  # a file alone


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    found = subprocess.run([Path(sys.prefix) / "bin" / "hadolint", path], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_every_image_ends_without_rights() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    ends = re.findall(r"^FROM runtime AS (\w+)\n(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL)
    assert sorted(name for name, _ in ends) == sorted(ENTRIES)
    for _, stage in ends:
        assert "\nUSER 10001\n" in stage
        assert "\nHEALTHCHECK " in stage


def test_what_is_copied_is_let_into_the_context() -> None:
    let_in = (ROOT / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert any(f"!{source}".startswith(line) for line in let_in if line[0] == "!"), source


def test_the_locks_know_what_is_left_out() -> None:
    for image, *patterns in ROWS:
        assert image == "every" or image in ENTRIES
        for pattern in patterns:
            assert re.search(rf"^{pattern}==", RUN, re.MULTILINE), pattern


@pytest.mark.parametrize("image", ENTRIES)
def test_no_role_loads_what_its_image_leaves_out(image: str) -> None:
    graph = _graph()
    loaded = {
        module.partition(".")[0] for entry in ENTRIES[image] for module in graph.find_upstream_modules(entry) | {entry}
    }
    assert {"numpy", "web3"} <= loaded, "the graph has outside packages in it"
    assert {IMPORTED_AS.get(name, name.replace("-", "_")) for name in _left_out(image)} & loaded == set()


@pytest.mark.parametrize("image", ENTRIES)
def test_no_role_loads_the_parts_of_packages_that_are_removed(image: str) -> None:
    removed = REMOVED.findall((ROOT / "docker" / "install_hearth").read_text())
    assert len(removed) >= 4
    asked = f"import sys, {', '.join(ENTRIES[image])}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {f"{package}.{part}" for package, part in removed} & set(loaded.split()) == set()


@pytest.mark.parametrize("image", ENTRIES)
def test_nothing_that_stays_needs_what_is_left_out(image: str) -> None:
    out = _left_out(image)
    needed_by = {name: _needed_by(entry) - {"hearth-fl"} for name, entry in _entries().items()}
    assert {name: sorted(needed_by[name] - out) for name in out if needed_by[name] - out} == INCOMPLETE | (
        OF_DIGITS if image == "chain" else {}
    )


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


@cache
def _entries() -> dict[str, str]:
    """Of the lock, by name; the second of two for other versions of Python counts as well."""
    found: dict[str, str] = {}
    for name, entry in re.findall(r"^([a-z][\w.-]*)==(.*?)(?=^[a-z]|\Z)", RUN, re.MULTILINE | re.DOTALL):
        found[name] = found.get(name, "") + entry
    return found


def _needed_by(entry: str) -> set[str]:
    return set(re.findall(r"^ +# +(?:via )?([a-z][\w.-]*)(?: \(pyproject.toml\))?$", entry, re.MULTILINE)) - {"via"}


def _left_out(image: str) -> set[str]:
    patterns = [pattern for row, *names in ROWS if row in ("every", image) for pattern in names]
    return {name for name in _entries() if any(re.fullmatch(pattern, name) for pattern in patterns)}
