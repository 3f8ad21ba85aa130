"""A phone whose household is on disk, that can be backed up, lost and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from unittest import mock

from client_agent.backup import write_backup
from client_agent.household_folder import JOURNAL, HouseholdFolder
from client_agent.privacy.ledger import PrivacyLedger
from client_agent.restoring import LostTask, Restored, account_for, restore_backup
from protocol.randomness import SeededRandomness
from storage.ledger.interface import LedgerReader
from storage.records.journal import Journal
from tests.unit.client_agent import scene_server
from tests.unit.client_agent.scene_phone import Phone
from tests.unit.client_agent.scene_server import PlayedServer

PASSPHRASE = "correct horse battery"
QUICK = 10  # scrypt of a test


class HouseholdPhone(Phone):
    def __init__(self, server: PlayedServer, household: HouseholdFolder, **more: Any) -> None:
        self.home = household
        self.task_folder = household.task_folder(server.chain.domain, 1)
        self.on_disk = Journal(self.task_folder / JOURNAL)
        super().__init__(server, self.task_folder / "proofs", cast(Any, self.on_disk), **more)

    def start(self) -> None:
        if not self.lives:  # no phone draws what the one before it drew: a repeated update would look like the first
            self.lives = int.from_bytes(self.home.path.name.encode())
        self.privacy = PrivacyLedger(lambda: Journal(self.home.privacy, wait=True))
        super().start()

    def back_up(self, target: Path) -> None:
        write_backup(self.home, target, PASSPHRASE, SeededRandomness(b"backup"), log_n=QUICK)

    def lose(self) -> None:
        """The lock of its journal goes with its process; it never says anything again."""
        self.on_disk.close()


def restore(server: PlayedServer, source: Path, household: Path, lost: list[LostTask] | None = None) -> HouseholdFolder:
    """As the command does, from a chain that is there."""
    randomness = SeededRandomness(b"restore to " + bytes(household))

    def account(restored: Restored) -> None:
        found = account_for(restored, cast(LedgerReader, server.chain), server.store, randomness)
        (lost if lost is not None else []).extend(found)

    return restore_backup(source, household, PASSPHRASE, randomness, lambda path: Journal(path, wait=True), account)


@contextmanager
def rounds(number: int) -> Iterator[None]:
    """Of tasks that are posted meanwhile."""
    with mock.patch.object(scene_server, "ROUNDS", number):
        yield
