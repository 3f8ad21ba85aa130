"""Real key authorities beside a played, screened task: asked at the moments at which an edge server asks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from backend.key_authority.blobs import history_blob
from backend.key_authority.entries import records_of
from backend.key_authority.policy import AuthorityPolicy, ChainLimits
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.service import KeyAuthority
from backend.key_authority.windows import Windows
from protocol.canonical import encode
from protocol.encryption.committee import authority_share
from protocol.encryption.suite import PAD
from protocol.identifiers import Address, Digest
from protocol.messages.chain import BondView, Event, RoundView, TaskView
from protocol.messages.keys import KeyRequest, PlannedKeyRequest, SignedSighting
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GRAM_KIND, GramRequest, PlannedGramRequest, Screening
from protocol.messages.screening_terms import ALIGNMENT, CONTINUE, ScreeningTerms
from protocol.messages.settlement import ABANDONED
from protocol.round.sightings import sighting
from protocol.task.documents import there
from protocol.task.limits import CohortLimits
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.ledger.signer import Signer
from storage.records.interface import Records
from storage.records.memory import MemoryRecords
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.tiny_task import authority_key, funded_ledger

TERMS: Final = ScreeningTerms(ALIGNMENT, norm_bound=2**18, clip=2**18, window=4, probation=1, unopened=CONTINUE)
SMALL: Final = AuthorityPolicy(CohortLimits(2, 900_000), ChainLimits(0))
QUORUM: Final = (1, 2, 3, 4)  # of five, of whom one may be corrupt
PROBATION: Final = Conduct(end=ABANDONED)


class Moment:
    """The chain as an authority reads it at one moment of a task, whatever comes later; every part of it may be changed
    into a lie. A :class:`~backend.key_authority.endpoints.ChainReader`."""

    def __init__(self, player: Player) -> None:
        reader, task, depth = player.reader, player.task, player.spec.confirmations
        self.domain, self.clock = reader.domain, reader.now()
        self.told = reader.events(task)
        self.times = {block: reader.block_timestamp(block) for block in range(reader.block_number() + 1)}
        self.posted = reader.task(task)
        self.views = {n: reader.round(task, n, depth) for n in range(1, self.posted.last_round + 1)}
        self.bonds = {member: reader.bond(task, member) for member in player.spec.committee.members}

    def now(self) -> int:
        return self.clock

    def block_timestamp(self, block: int) -> int:
        return self.times[block]

    def task(self, task: int) -> TaskView:
        return self.posted

    def events(self, task: int | None = None, from_block: int = 0) -> list[Event]:
        return self.told

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        return self.views[round_number]

    def bond(self, task: int, holder: Address) -> BondView:
        return self.bonds[holder]

    def change(self, kind: type[Event], number: int, **fields: Any) -> None:
        """Of the event of this kind in the round."""
        self.told = [
            replace(event, **fields) if isinstance(event, kind) and getattr(event, "round", 0) == number else event
            for event in self.told
        ]


@dataclass
class Screened:
    """A screened task, and what an edge server asks authorities in it. ``open``, ``requested``: the chain when the
    openings of a round could be asked for, and after its end."""

    player: Player
    open: dict[int, Moment] = field(default_factory=dict)
    requested: dict[int, Moment] = field(default_factory=dict)

    def play(
        self, number: int, conduct: Conduct, while_open: Callable[[], None] = lambda: None, **lies: Callable[[Any], Any]
    ) -> None:
        """``while_open`` is called when openings were asked for on chain, as deep as the task wants it."""

        def opened(honest: Screening) -> Any:
            self.player.chain.mine()
            self.open[number] = Moment(self.player)
            while_open()
            return lies.get("screening", lambda told: told)(honest)

        self.player.play(number, replace(conduct, lies={**lies, "screening": opened}))
        self.player.chain.mine()
        self.requested[number] = Moment(self.player)

    @property
    def state(self) -> TaskState:
        assert self.player.screeners is not None
        return self.player.screeners.state()

    def plan(self, number: int) -> RoundPlan:
        return there(self.state.plan(number))

    def gram_request(self, number: int) -> GramRequest:
        return there(self.state.gram_request(number))

    def screening(self, number: int) -> Screening:
        found = self.state.screening(number)
        assert isinstance(found, Screening)
        return found

    def ask_openings(self, number: int, request: GramRequest | None = None, by: tuple[int, ...] = QUORUM) -> bytes:
        """The body of the question; authorities ``by`` saw the request."""
        shown = request or self.gram_request(number)
        return encode(PlannedGramRequest(self.plan(number), shown, self._seen(number, GRAM_KIND, shown.digest(), by)))

    def ask_key(self, number: int, request: KeyRequest | None = None) -> bytes:
        shown = request or there(self.state.request(number))
        seen = self._seen(number, shown.kind, shown.digest(), QUORUM)
        return encode(PlannedKeyRequest(self.plan(number), shown, seen))

    def _seen(self, number: int, kind: str, digest: Digest, by: tuple[int, ...]) -> tuple[SignedSighting, ...]:
        found, domain, label = [], self.player.domain, self.plan(number).label()
        for j in by:
            signer = Signer(authority_key(j))
            said = sighting(self.player.task, number, kind, label, digest, signer.address)
            found.append(SignedSighting(said, signer.sign(domain, said)))
        return tuple(found)


class Watched:
    """Authority ``j`` of the task, with every household's share, over the records that ``make`` opens."""

    def __init__(
        self,
        scene: Screened,
        j: int,
        make: Callable[[], Records] = MemoryRecords,
        store: ContentStore | None = None,
        reader: Any = None,
        without: frozenset[int] = frozenset(),
    ) -> None:
        """``without``: households whose shares did not come."""
        self.scene, self.j, self._make = scene, j, make
        self.store: ContentStore = store or scene.player.store
        self.reader: Any = reader or scene.player.reader
        self.records = AuthorityRecords(make())
        player = scene.player
        self.records.keep_task(player.task, encode(player.spec))
        for number, household in enumerate(player.households):
            if number not in without:
                share = authority_share(household.master_keys, j)
                self.records.keep_share(player.task, household.address, bytes(32), share)
        self.authority = self._authority()

    def _authority(self) -> KeyAuthority:
        signer = Signer(authority_key(self.j))
        windows = Windows(self.reader, self.records, signer)
        return KeyAuthority(self.reader, self.records, signer, windows, SMALL, store=self.store)

    def restart(self) -> None:
        self.records.close()
        self.records = AuthorityRecords(self._make())
        self.authority = self._authority()

    def at(self, moment: Moment) -> Watched:
        """The same authority, with this moment's chain."""
        self.reader = moment
        self.authority = self._authority()
        return self

    def open(self, number: int, body: bytes | None = None) -> bytes:
        return self.authority.open(self.task, number, body or self.scene.ask_openings(number))

    def answer(self, number: int, body: bytes | None = None) -> bytes:
        return self.authority.answer(self.task, number, body or self.scene.ask_key(number))

    def sight(self, number: int, request: GramRequest | None = None) -> bytes:
        return self.authority.sight_screening(self.task, number, encode(request or self.scene.gram_request(number)))

    @property
    def task(self) -> int:
        return self.scene.player.task

    def kept(self) -> dict[tuple[Address, int], bytes]:
        """Every accumulator, by client and half window."""
        histories = records_of(self.records._folded.state, self.task).histories
        return {place: self.records._records.blob(history_blob(self.task, *place)) for place in histories}


def screened(name: str, rounds: int = 6, **changes: Any) -> Screened:
    """``changes``: of the terms of screening."""
    terms, ledger = replace(TERMS, **changes), funded_ledger(name)
    return Screened(Player(ledger, rounds=rounds, scheme=(PAD, 6), authorities=5, screening=terms, confirmations=1))
