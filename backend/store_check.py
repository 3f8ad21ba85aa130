"""The edge server's content store, before it is needed: its documents are lost where nothing can be written."""

from __future__ import annotations

import tempfile

import structlog

from backend.start_checks import StartError
from storage.content.filesystem import FilesystemStore
from storage.content.interface import ContentStore, StoreUnavailableError
from storage.content.patient import PatientStore

_log = structlog.get_logger()


def check_store(store: ContentStore) -> None:
    """That the edge server can write there; says when a daemon is away, which may come. Raises StartError."""
    if isinstance(store, FilesystemStore):
        try:
            store.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=store.folder):
                return
        except OSError as error:
            raise StartError(f"the store {store.folder} cannot be written: {error.strerror or error}") from error
    daemon = store.inner if isinstance(store, PatientStore) else store
    if (ask := getattr(daemon, "daemon_version", None)) is not None:
        try:
            ask()
        except StoreUnavailableError as error:
            if error.lasting:
                raise
            _log.warning("the content store does not answer yet", error=str(error))
