"""A 2-of-3 committee, three households and the few facts of a chain that an authority reads, all in memory.

One of the committee may be corrupt, so all three must see a request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from backend.key_authority.policy import AuthorityPolicy
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.service import KeyAuthority
from backend.key_authority.windows import Windows, seeded
from protocol.canonical import encode
from protocol.cohort import sum_of
from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.encryption.committee import draw_master_keys
from protocol.encryption.envelope import EncryptionKeyPair, seal_envelope
from protocol.identifiers import ZERO_DIGEST, Address, Digest, sha256
from protocol.messages.chain import (
    BondView,
    Enrolled,
    EnrolmentView,
    Event,
    RoundExpired,
    RoundOpened,
    RoundView,
    TaskPosted,
)
from protocol.messages.keys import SUM, KeyRequest, KeyRequestEntry, PlannedKeyRequest, SignedSighting
from protocol.messages.round import ClientWeight, RoundPlan
from protocol.messages.submission import Commitment
from protocol.messages.task import Committee, TaskSpec
from protocol.randomness import Randomness, SeededRandomness
from protocol.round.planning import terms_of
from protocol.round.sightings import sighting
from protocol.round.state_table import RoundState
from protocol.signing import sign
from protocol.task.limits import CohortLimits
from storage.ledger.interface import LedgerError, TransactionRevertedError
from storage.ledger.signer import Signer
from storage.records.interface import Records
from storage.records.journal import Journal
from tests.samples import DOMAIN, client_address, private_key, sample_spec

TASK = 7
CLIENTS = tuple(sorted(client_address(number) for number in range(3)))
NO_BOND = BondView(2, 0, False, 0, 0)  # of an authority in a task that asks for none
KEY_OF = {client_address(number): private_key("client", number) for number in range(3)}
SMALL = AuthorityPolicy(CohortLimits(2, 900_000))  # the sample has three clients
SECRETS = SeededRandomness(b"key authority tests")


def key_pair(j: int, window: int = 0) -> EncryptionKeyPair:
    return EncryptionKeyPair.generate(randomness_of(j)(TASK, window))


def randomness_of(j: int) -> Callable[[int, int], Randomness]:
    return seeded(b"key authority tests", authority_signer(j).address)


def authority_signer(j: int) -> Signer:
    return Signer(private_key("authority", j))


@cache
def spec() -> TaskSpec:
    members = [authority_signer(j).address for j in (1, 2, 3)]
    return sample_spec(committee=Committee(2, tuple(members), 1), confirmations=3)


def master_keys(client: Address) -> dict[tuple[int, ...], bytes]:
    return draw_master_keys(SECRETS, 3, 2, f"master keys {client.hex()}")


def envelope(client: Address, window: int = 0) -> bytes:
    """Sealing draws from the system too, so one envelope per client and window is made and kept."""
    return _sealed(client, window)


@cache
def _sealed(client: Address, window: int) -> bytes:
    members = [(authority_signer(j).address, key_pair(j, window).public_bytes()) for j in (1, 2, 3)]
    fork = SECRETS.fork(client.hex())
    return encode(seal_envelope(master_keys(client), DOMAIN.prefix(), TASK, window, client, members, 2, fork))


WEIGHTS = tuple(ClientWeight(client, weight) for client, weight in zip(CLIENTS, (2, 3, 4), strict=True))


def plan(number: int = 1, **changes: Any) -> RoundPlan:
    agreed = RoundPlan(
        suite=spec().suite,
        chain_id=DOMAIN.chain_id,
        ledger=DOMAIN.ledger,
        task=TASK,
        round=number,
        spec=sha256(encode(spec())),
        committee=sha256(encode(spec().committee)),
        key_epoch=number,
        previous_label=ZERO_DIGEST,
        model=b"\1" * 32,
        dimension=11,
        learning=spec().learning,
        min_clients=spec().cohort.min_clients,
        max_clients=spec().cohort.max_clients,
        max_share_ppm=spec().cohort.max_share_ppm,
        weights=WEIGHTS,
        cohort=sum_of(WEIGHTS),
        commit_seconds=spec().durations.commit_seconds,
        settle_seconds=spec().durations.settle_seconds,
    )
    return replace(agreed, **changes)


def entry(under: RoundPlan, client: Address, **changes: Any) -> KeyRequestEntry:
    nonce, ciphertext = sha256(client)[:16], sha256(b"body" + client)
    commitment = Commitment(under.task, under.round, client, under.label(), nonce, ciphertext)
    signature = sign(DOMAIN, commitment, KEY_OF[client])
    weight = under.weight_of(client) or 1
    return replace(KeyRequestEntry(client, nonce, ciphertext, weight, signature), **changes)


def request(under: RoundPlan, clients: Sequence[Address] = CLIENTS) -> KeyRequest:
    return KeyRequest(under.label(), SUM, tuple(entry(under, client) for client in clients))


def seen(shown: KeyRequest, j: int, number: int = 1) -> SignedSighting:
    """What authority ``j`` signs once it sees the request on chain."""
    signer = authority_signer(j)
    statement = sighting(TASK, number, shown.kind, shown.label, shown.digest(), signer.address)
    return SignedSighting(statement, signer.sign(DOMAIN, statement))


def planned(under: RoundPlan, shown: KeyRequest, number: int = 1, by: Sequence[int] = (1, 2, 3)) -> bytes:
    """The body that asks for a key; authorities ``by`` saw the request."""
    return encode(PlannedKeyRequest(under, shown, tuple(seen(shown, j, number) for j in by)))


@dataclass
class FakeLedger:
    """The calls of LedgerReader that an authority makes, over plain dictionaries. ``down``: nobody answers."""

    domain: Domain = DOMAIN
    clock: int = 1_000
    task_until: int = 100_000
    last_round: int = 0
    lapsed: int = 0
    stopped: bool = False
    bond_view: BondView = NO_BOND
    down: bool = False
    specs: dict[int, Digest] = field(default_factory=dict)
    posted: list[Event] = field(default_factory=list)
    enrolled: list[Event] = field(default_factory=list)
    envelopes: dict[tuple[int, Address], Digest] = field(default_factory=dict)
    rounds: dict[tuple[int, int], RoundView] = field(default_factory=dict)
    blocks: dict[int, tuple[int, Digest]] = field(default_factory=dict)  # timestamp and hash
    confirmations_asked: list[int] = field(default_factory=list)
    shallow: set[int] = field(default_factory=set)  # rounds without confirmations yet

    def post(self, posted: TaskSpec, terms: TaskSpec | None = None) -> None:
        self.specs[TASK] = sha256(encode(posted))
        event = TaskPosted(
            block=1, log_index=0, transaction=ZERO_DIGEST, task=TASK, manufacturer=b"\1" * 20,
            terms=terms_of(terms or posted), escrow=1, enrol_until=1, task_until=2, claim_until=3,
        )  # fmt: skip
        self.posted = [event]

    def enrol(self, client: Address, window: int = 0, signer: Address | None = None) -> None:
        digest = cid_of(envelope(client, window)).digest
        self.envelopes[TASK, client] = digest
        said = {"envelope": digest, "reputation": 2, "deadline": 99, "signature": bytes(65)}
        self.tell(Enrolled, client=client, signer=signer or client, **said)

    def open(self, number: int, state: RoundState = RoundState.OPEN) -> None:
        """A round of which nothing else matters."""
        self.last_round = max(self.last_round, number)
        self.rounds[TASK, number] = RoundView(
            bytes([1]) * 32, ZERO_DIGEST, ZERO_DIGEST, ZERO_DIGEST, state, 3, 0, 0, 500, 2_000, 0, 0, ZERO_DIGEST
        )

    def tell(self, kind: type[Event], **fields: Any) -> None:
        """An event that says more than the views."""
        place = {"block": 2 + len(self.enrolled), "log_index": 0, "transaction": ZERO_DIGEST}
        said: dict[str, Any] = {**place, "task": TASK, **fields}
        self.enrolled.append(kind(**said))

    def run_rounds(self, first: int, last: int) -> None:
        """Each is opened, and expires."""
        for number in range(first, last + 1):
            self.open(number)
            self.tell(
                RoundOpened, round=number, plan=ZERO_DIGEST, label=bytes([number]) * 32, cohort_root=ZERO_DIGEST,
                cohort=3, beacon=ZERO_DIGEST, commit_until=500, settle_until=2_000,
            )  # fmt: skip
            self.tell(RoundExpired, round=number)

    def record(
        self, shown: KeyRequest, number: int = 1, state: RoundState = RoundState.REQUESTED,
        screening: Digest = ZERO_DIGEST,
    ) -> None:  # fmt: skip
        root, digest = sum_of(WEIGHTS).root, shown.digest()
        self.rounds[TASK, number] = RoundView(
            shown.label, root, ZERO_DIGEST, digest, state, 3, 3, 0, 500, 2_000, 0, 0, screening
        )

    def _ask(self) -> None:
        if self.down:
            raise LedgerError("nobody answers")

    def now(self) -> int:
        self._ask()
        return self.clock

    def block_timestamp(self, block: int) -> int:
        return self.blocks[block][0]

    def block_hash(self, block: int) -> Digest | None:
        return self.blocks[block][1] if block in self.blocks else None

    def task(self, task: int) -> Any:
        self._ask()
        if task not in self.specs:
            raise TransactionRevertedError("TaskUnknown", (task,))
        rounds = spec().rounds - self.lapsed
        facts = {
            "rounds": rounds,
            "last_round": self.last_round,
            "stopped": self.stopped,
            "task_until": self.task_until,
        }
        return SimpleNamespace(spec=self.specs[task], enrol_until=1, enrolled=3, min_clients=2, **facts)

    def bond(self, task: int, holder: Address) -> BondView:
        self._ask()
        return self.bond_view

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        self._ask()
        return [event for event in (*self.posted, *self.enrolled) if getattr(event, "task", None) == task]

    def enrolment(self, task: int, client: Address) -> EnrolmentView:
        self._ask()
        return EnrolmentView(self.envelopes.get((task, client), ZERO_DIGEST), 0, 0, 2, False, False)

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        self._ask()
        self.confirmations_asked.append(confirmations)
        nothing: list[Any] = [*[ZERO_DIGEST] * 4, RoundState.NONE, *[0] * 7, ZERO_DIGEST]
        none = RoundView(*nothing)
        if confirmations and round_number in self.shallow:
            return none
        return self.rounds.get((task, round_number), none)


class Scene:
    """One authority over a folder, or over records that ``make`` opens; ``restart`` is what a new process would find
    there."""

    def __init__(self, folder: Path, j: int = 1, make: Callable[[], Records] | None = None) -> None:
        self.folder, self.j, self.policy = folder, j, SMALL
        self.ledger, self._make = FakeLedger(), make or (lambda: Journal(folder / "journal"))
        self.records = AuthorityRecords(self._make())
        self.authority = self._authority()

    def _authority(self) -> KeyAuthority:
        reader: Any = self.ledger
        self.windows = Windows(reader, self.records, authority_signer(self.j), randomness_of(self.j))
        return KeyAuthority(reader, self.records, authority_signer(self.j), self.windows, self.policy)

    def restart(self) -> None:
        self.records.close()
        self.records = AuthorityRecords(self._make())
        self.authority = self._authority()

    def prepare(self, clients: Sequence[Address] = CLIENTS) -> None:
        """Task posted and known, its first key made, ``clients`` enrolled and held."""
        self.ledger.post(spec())
        self.authority.accept_task(TASK, encode(spec()))
        self.authority.window_key(TASK, 0)
        for client in clients:
            self.ledger.enrol(client)
            self.authority.accept_client(TASK, client, envelope(client))

    def ask(self, under: RoundPlan, shown: KeyRequest, number: int = 1) -> bytes:
        """With the sightings of the whole committee."""
        return self.authority.answer(TASK, number, planned(under, shown, number))

    def ask_recorded(self, under: RoundPlan, shown: KeyRequest, number: int = 1) -> bytes:
        """The edge server's digest is on chain; what it stands for may still be wrong."""
        self.ledger.record(shown, number)
        return self.ask(under, shown, number)
