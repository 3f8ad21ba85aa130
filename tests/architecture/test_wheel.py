"""The installed command starts from its own packages, whatever else has their names; a checkout does too."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.launcher import hearth_command, module_command

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("backend", "client_agent", "contracts", "protocol", "scripts", "storage")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with packages of somebody else's that have our names."""
    folder = tmp_path_factory.mktemp("others")
    for name in NAMES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise ImportError('another {name}')\n")
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel of this tree puts into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def _run(command: list[str], path: list[Path], folder: Path) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, path))}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_wheel_puts_one_package_of_its_own_name_there(installed: Path) -> None:
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {"hearth_fl"}
    entry = next(installed.glob("*.dist-info")) / "entry_points.txt"
    assert "hearth = hearth_fl.scripts.launcher:main" in entry.read_text()


def test_the_installed_command_starts_beside_packages_of_its_names(installed: Path, others: Path) -> None:
    start = "import sys; from hearth_fl.scripts.launcher import main; sys.argv = ['hearth', 'audit', '--help']; main()"
    assert "--evidence" in _run([sys.executable, "-c", start], [others, installed], others)


def test_the_command_of_a_checkout_does_too(others: Path) -> None:
    assert "--evidence" in _run([*hearth_command(), "audit", "--help"], [others], others)


def test_and_so_do_the_modules_that_it_starts(others: Path) -> None:
    assert "--operations" in _run([*module_command("tests.simulation"), "--help"], [others], others)
