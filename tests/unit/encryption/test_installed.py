"""The compiled loops of a wheel: once compiled, no later process compiles; a changed source is never stale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOOPS = "protocol/encryption/weighted_kernels.py"  # the quickest to compile
COUNT = """
import json, sys
from protocol.encryption import weighted_kernels
loops = [loop for loop in vars(weighted_kernels).values() if hasattr(loop, "stats") and loop.signatures]
print(json.dumps({
    "file": weighted_kernels.__file__,
    "cache": list({loop.stats.cache_path for loop in loops}),
    "hits": sum(sum(loop.stats.cache_hits.values()) for loop in loops),
    "misses": sum(sum(loop.stats.cache_misses.values()) for loop in loops),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The wheel of this tree, unpacked where nothing can be written."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site, [name for name in archive.namelist() if name.startswith("hearth_fl/protocol/")])
    yield _sealed(site / "hearth_fl")
    for path in [site, *site.rglob("*")]:
        path.chmod(0o755)


def _sealed(site: Path) -> Path:
    """A file where the cache beside the source would be: that cannot be made, not even by root."""
    for folder in {path.parent for path in site.rglob("*.py")}:
        (folder / "__pycache__").write_bytes(b"")
    for path in [site, *site.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return site


def _start(site: Path, home: Path) -> dict[str, Any]:
    """What a process of its own finds when it imports the loops."""
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-P", "-c", COUNT], cwd=home, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    assert found["file"].startswith(str(site))
    return found


def test_the_second_process_compiles_nothing_and_a_changed_source_all(installed: Path, tmp_path: Path) -> None:
    first, second = _start(installed, tmp_path), _start(installed, tmp_path)
    assert (first["hits"], first["misses"]) == (0, 3)
    assert all(path.startswith(str(tmp_path)) for path in first["cache"])
    assert (second["hits"], second["misses"]) == (3, 0)
    source = installed / LOOPS
    before, text = source.stat(), source.read_text()
    assert "_TILE = 16384" in text
    source.chmod(0o644)
    try:
        source.write_text(text.replace("_TILE = 16384", "_TILE = 16380"))
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert source.stat().st_size == before.st_size
        changed = _start(installed, tmp_path)
    finally:
        source.write_text(text)
    assert (changed["hits"], changed["misses"]) == (0, 3)


def test_without_any_cache_directory_the_loops_still_work(installed: Path, tmp_path: Path) -> None:
    (tmp_path / ".cache").write_bytes(b"")
    found = _start(installed, tmp_path)
    assert (found["hits"], found["misses"], found["cache"]) == (0, 3, [None])
