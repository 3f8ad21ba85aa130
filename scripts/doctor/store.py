"""The content store: whether it is there, and whether it keeps what it is given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.doctor.subject import Subject
from scripts.doctor.verdict import Finding, Verdict, examined, fail, ok, skipped, warn
from storage.content.open_store import open_store

TIMEOUT_SECONDS: Final = 5.0
_PROBE_BYTES: Final = 1024
_WHERE: Final = "is it the right place?"


def store_findings(subject: Subject) -> Iterator[Finding]:
    if subject.store is None:
        yield Finding("store", skipped("no --store"))
        return
    location, folder = subject.store, subject.store_folder
    yield examined("store", lambda: store_folder(folder) if folder else daemon(location), _WHERE)
    if subject.write:
        yield examined("store write", lambda: round_trip(location), "whoever publishes needs to write there")
    else:
        yield Finding("store write", skipped("with --write a document is put there and read back"))


def store_folder(folder: Path) -> Verdict:
    if not folder.exists():
        return warn(f"{folder} is not there", "whoever publishes makes it; whoever reads needs its files")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return fail(f"{folder} is no folder that this user can read", "chmod or chown it, or name another")
    writable = os.access(folder, os.W_OK)
    return ok(f"{folder} can be read{' and written' if writable else ', and not written'}")


def daemon(location: str) -> Verdict:
    from storage.content.kubo_client import KuboStore  # who uses folders only need not have the client library

    store = KuboStore(location, TIMEOUT_SECONDS)
    try:
        return ok(f"{store.address.shown}: Kubo {store.daemon_version()}")
    finally:
        store.close()


def round_trip(location: str) -> Verdict:
    """With content of its own, which stays there."""
    data = os.urandom(_PROBE_BYTES)
    store = open_store(location, TIMEOUT_SECONDS)
    cid = store.put(data)
    store.get(cid, _PROBE_BYTES)
    return ok(f"{_PROBE_BYTES} bytes were put and read back: {cid.text}")
