"""What the pages load is what npm published, in the versions of the lock, and each with its licence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from scripts.checks import vendor
from scripts.checks.node_tools import CONTRACTS

RECORD = json.loads(vendor.RECORD.read_bytes())


def test_each_file_is_the_one_that_is_recorded() -> None:
    assert {one["file"] for one in RECORD} == {path.name for path in vendor.FOLDER.iterdir()}
    for one in RECORD:
        content = (vendor.FOLDER / one["file"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (one["sha256"], one["bytes"])


def test_versions_are_those_of_the_lock_and_licences_are_there() -> None:
    locked = json.loads((CONTRACTS / "package-lock.json").read_bytes())["packages"]
    for one in RECORD:
        assert locked[f"node_modules/{one['package']}"]["version"] == one["version"]
    assert {one["package"] for one in RECORD if "LICENSE" in one["file"]} == {one["package"] for one in RECORD}


def test_a_changed_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {one["file"]: b"changed" for one in RECORD} | {vendor.RECORD.name: vendor.RECORD.read_bytes()}
    monkeypatch.setattr(vendor, "vendored", lambda _: files)
    monkeypatch.setattr(vendor, "_are_there", lambda _: True)
    monkeypatch.setattr("sys.argv", ["vendor", "--check"])
    with pytest.raises(SystemExit, match=r"htmx\.min\.js"):
        vendor.main()
