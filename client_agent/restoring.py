"""Puts a household back from its backup: all of it at once, marked as old, charged for what happened since (ADR 64).

Nothing is in its place before the chain was asked: a household that does not know what it has spent must not train.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_agent.backup import BackupError, read_backup
from client_agent.binding import TaskBinding
from client_agent.followed_task import DocumentAbsentError, FollowedTask
from client_agent.household_folder import JOURNAL, HouseholdFolder
from client_agent.journal import AgentJournal, Consented
from client_agent.missed_rounds import charge_missed, dearest_charged, dearest_of, missed_rounds
from client_agent.privacy.ledger import HOME, PrivacyLedger, Spending
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Address, Digest, from_hex
from protocol.messages.chain import Enrolled
from protocol.randomness import Randomness
from protocol.strict_json import parse_json
from protocol.task.documents import Absent, Kind
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.durable_file import TEMPORARY_PREFIX, sync_folder, write_new_file
from storage.ledger.interface import LedgerReader
from storage.records.interface import Records

OpenRecords = Callable[[Path], Records]
MAX_KEYSTORE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class RestoredTask:
    """``data_set``: that its rounds are charged to, by one of ``enrolments``."""

    folder: Path
    binding: TaskBinding
    client: Address
    data_set: str
    enrolments: frozenset[Digest]


@dataclass(frozen=True, slots=True)
class LostTask:
    """One that an account joined after the backup: its keys are gone, and what it earned is not."""

    folder: Path
    domain: Domain
    task: int
    client: Address


@dataclass(frozen=True, slots=True)
class Restored:
    """A household in a folder that nobody uses yet."""

    household: HouseholdFolder
    tasks: tuple[RestoredTask, ...]
    clients: frozenset[Address]  # of its tasks and keystores
    open_records: OpenRecords

    @property
    def domains(self) -> tuple[Domain, ...]:
        """Of the ledgers that it works on, with their first blocks where an invitation says them."""
        known = {Domain(one.binding.chain_id, one.binding.ledger) for one in self.tasks}
        invited = {one.domain: one.domain for one in self.household.invitations()}
        return tuple(sorted((invited.get(one, one) for one in known | invited.keys()), key=str))

    def privacy(self) -> PrivacyLedger:
        return PrivacyLedger(lambda: self.open_records(self.household.privacy))


def restore_backup(
    source: Path,
    household: Path,
    passphrase: str,
    randomness: Randomness,
    open_records: OpenRecords,
    account: Callable[[Restored], None],
) -> HouseholdFolder:
    """``household`` must not be there, or be empty; it appears as a whole once ``account`` has returned.

    ``account`` charges what happened after the backup: :func:`account_for`, for every ledger of ``domains``. Raises
    BackupError, RecordsError, and what ``account`` raises: nothing is there then.
    """
    temporary = None
    try:
        if household.is_symlink() or (household.exists() and (not household.is_dir() or any(household.iterdir()))):
            raise BackupError(f"{household} is in use: a household is never put over another one; name a folder for it")
        household.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=household.parent))
        # a pipe would be waited for
        with os.fdopen(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            for path, data in read_backup(file, passphrase):
                _write(temporary, path, data)
        folder = HouseholdFolder(temporary)
        account(Restored(folder, *_marked(folder, randomness, open_records), open_records))
        os.rename(temporary, household)
        sync_folder(household.parent)
    except OSError as error:
        raise BackupError(f"{error.filename or household}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return HouseholdFolder(household)


def account_for(
    restored: Restored, ledger: LedgerReader, store: ContentStore, randomness: Randomness
) -> tuple[LostTask, ...]:
    """Charges what the chain shows of all accounts on this ledger, and makes folders for tasks of which only that is
    left.

    What a task that the backup does not know was trained with nobody can tell, so it is charged to every data set.
    Raises LedgerError, StoreUnavailableError; DocumentAbsentError for the spec of such a task that cannot be read now:
    without it nobody knows what was spent.
    """
    known = {(one.binding.task, one.client): one for one in restored.tasks if _is_on(one.binding, ledger.domain)}
    lost = list[LostTask]()
    for task, client in _enrolments(ledger, restored.clients):
        followed = FollowedTask(ledger, store, task, client)
        state, one = followed.refresh(), known.get((task, client))
        _charge(restored.privacy(), followed, ledger.domain, client, one)
        if one is None and _may_claim(state, client, followed.now):
            folder = restored.household.task_folder(ledger.domain, task)
            _mark(folder, randomness, restored.open_records)
            lost.append(LostTask(folder, ledger.domain, task, client))
    return tuple(lost)


def _charge(
    privacy: PrivacyLedger, followed: FollowedTask, domain: Domain, client: Address, known: RestoredTask | None
) -> None:
    state, spending = followed.state, privacy.spending()
    assert state.posted is not None  # somebody enrolled
    binding = TaskBinding.of(domain, state.task, state.posted.terms.spec)
    found = followed.read(0, Kind.SPEC).spec
    spec = None if isinstance(found, Absent) else found
    dearest = dearest_charged(spending, binding) if spec is None else dearest_of(spec)
    if dearest is None:
        assert isinstance(found, Absent)
        raise DocumentAbsentError(Kind.SPEC, found)
    missed = missed_rounds(followed, domain, client, spec, dearest)
    if known is not None:
        charge_missed(privacy, followed, binding, client, known.data_set, missed, known.enrolments)
        return
    for name in sorted({use.data_set for use in spending.charged if use.task == binding} or _all_data_sets(spending)):
        charge_missed(privacy, followed, binding, client, name, missed)


def _may_claim(state: TaskState, client: Address, now: int) -> bool:
    claim = state.claims.get(client)
    assert state.posted is not None  # somebody enrolled
    return now <= state.posted.claim_until and not (claim is not None and claim.freed)


def _is_on(binding: TaskBinding, domain: Domain) -> bool:
    return (binding.chain_id, binding.ledger) == (domain.chain_id, domain.ledger)


def _enrolments(ledger: LedgerReader, clients: frozenset[Address]) -> list[tuple[int, Address]]:
    """Ascending by task."""
    events = (event for client in sorted(clients) for event in ledger.events(client=client))
    return sorted((event.task, event.client) for event in events if isinstance(event, Enrolled))


def _all_data_sets(spending: Spending) -> set[str]:
    return {HOME, *spending.files.values(), *(use.data_set for use in spending.charged)}


def _marked(
    household: HouseholdFolder, randomness: Randomness, open_records: OpenRecords
) -> tuple[tuple[RestoredTask, ...], frozenset[Address]]:
    """Every task's journal says from here on that it is old. The tasks that their owner agreed to, and all accounts."""
    tasks, clients = list[RestoredTask](), set(_accounts_of_keystores(household.path))
    for folder in household.task_folders():
        if not (folder / JOURNAL).is_file():
            continue
        consented, enrolments = _mark(folder, randomness, open_records)
        if consented is not None:
            client = consented.consent.client
            clients.add(client)
            tasks.append(RestoredTask(folder, consented.binding, client, consented.data_set, enrolments))
    return tuple(tasks), frozenset(clients)


def _mark(
    folder: Path, randomness: Randomness, open_records: OpenRecords
) -> tuple[Consented | None, frozenset[Digest]]:
    """The owner's word, and what its rounds may have been charged to."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(AgentJournal(open_records(folder / JOURNAL))) as journal:
        journal.restore(randomness.draw(f"restored/{folder.name}", 32))
        return journal.consented, journal.enrolments


def _accounts_of_keystores(folder: Path) -> Iterator[Address]:
    """As they say themselves: a wrong one finds nothing on chain."""
    for path in sorted(folder.iterdir()):
        with suppress(OSError, HearthError, TypeError, LookupError, AttributeError, ValueError):
            if path.is_file() and path.stat().st_size <= MAX_KEYSTORE_BYTES:
                address = parse_json(path.read_bytes())["address"]
                yield from_hex("0x" + address.lower().removeprefix("0x"), 20)


def _write(folder: Path, path: str, data: bytes) -> None:
    target = folder / path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_new_file(target, data, 0o600)
