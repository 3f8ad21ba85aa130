"""Where a household keeps what is its own: policy, privacy ledger, coins, and a folder for each of its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_agent.settings import COINS, POLICY, PRIVACY_LEDGER
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.invitation import MAX_CHARACTERS, Invitation, parse_invitation
from storage.bounded_file import read_bounded
from storage.durable_file import write_file_atomically

TASKS: Final = "tasks"
KEYSTORE: Final = "keystore.json"
INVITATION: Final = "invitation"
JOURNAL: Final = "journal"
PROOFS: Final = "proofs"


@dataclass(frozen=True, slots=True)
class HouseholdFolder:
    """``path`` need not be there."""

    path: Path

    @property
    def policy(self) -> Path:
        return self.path / POLICY

    @property
    def privacy(self) -> Path:
        """Journal of the privacy ledger."""
        return self.path / PRIVACY_LEDGER

    @property
    def coins(self) -> Path:
        """Journal of the secret that says which examples are held out."""
        return self.path / COINS

    @property
    def keystore(self) -> Path:
        """Of the account, where its owner names no other file."""
        return self.path / KEYSTORE

    def task_folder(self, domain: Domain, task: int) -> Path:
        """Of one task's phone. One task of one ledger has one, whoever invites to it."""
        return self.path / TASKS / task_folder_name(domain, task)

    def task_folders(self) -> tuple[Path, ...]:
        """Those that there are, in one order."""
        try:
            return tuple(sorted(one for one in (self.path / TASKS).iterdir() if one.is_dir()))
        except OSError:
            return ()

    def keep_invitation(self, invitation: Invitation) -> Path:
        """The task's folder, made where it was not, with the invitation in it: the last one stays. Raises OSError."""
        folder = self.task_folder(invitation.domain, invitation.task)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file_atomically(folder / INVITATION, f"{invitation}\n".encode("ascii"), 0o600)
        return folder

    def invitations(self) -> tuple[Invitation, ...]:
        """Of the tasks that this household was invited to and looked at; what cannot be read is left out."""
        found = (invitation_in(folder) for folder in self.task_folders())
        return tuple(one for one in found if one is not None)


def task_folder_name(domain: Domain, task: int) -> str:
    return f"{domain.chain_id}-{domain.ledger.hex()}-{task}"


def invitation_in(folder: Path) -> Invitation | None:
    """Of a task's folder; None where there is none that can be read."""
    try:
        return parse_invitation(read_bounded(folder / INVITATION, MAX_CHARACTERS + 1).decode("ascii").rstrip("\n"))
    except (OSError, ValueError, HearthError):
        return None
