"""What a household's page is about: its tasks with their phones, offers, readings and policy; what pages call.

One process per household. Everything that it must not forget is in its book or in the journals of the phones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from client_agent.attacks.own_phone import Attack
from client_agent.data.intake.readings import Readings
from client_agent.household_folder import HouseholdFolder
from client_agent.invited import Invited
from client_agent.main import OpenPhone
from client_agent.offers import Offer, Seeker, by_worth
from client_agent.policy import Policy, parse_policy
from client_agent.privacy.ledger import PrivacyLedger, Spending
from client_agent.web.attacks import Attacks
from client_agent.web.book import HomeBook, HomeState, KeptTask, News, Noticed
from client_agent.web.budgets import NEARLY, Budgets
from client_agent.web.example_files import ExampleFiles
from client_agent.web.news import news_of
from client_agent.web.recognition import Naming, Recognition
from client_agent.web.standing import Standing
from client_agent.web.worker import Answer, OpenPhoneOf, Progress, UnknownTaskError, Worker
from protocol.domain import Domain
from protocol.errors import HearthError, MalformedError, Party
from protocol.identifiers import Address
from protocol.invitation import Invitation
from storage.content.interface import ContentStore
from storage.durable_file import write_file_atomically
from storage.policy_file import read_policy_file

log = structlog.get_logger()
OFFER_SECONDS: Final = 60.0  # between two looks for open tasks
STOP_SECONDS: Final = 5.0  # that a phone gets to end its step; it may be killed at any line


@dataclass(frozen=True, slots=True)
class Ways:
    """How this household reaches what is outside of its process; a test plays each of them."""

    open_phone: OpenPhoneOf
    leave: Callable[[KeptTask, Callable[[str], None]], None]  # until the chain knows it
    verify: Callable[[Invitation], Invited]
    look: Callable[[Seeker], Sequence[Offer]]
    attack: Callable[[KeptTask, OpenPhone, Standing], tuple[Attack, ...]]  # on what its phone sent


@dataclass
class Home:
    """``files``: examples beside those that are made of readings. ``edges``: edge servers that the owner named."""

    folder: HouseholdFolder
    domain: Domain
    client: Address
    book: HomeBook
    privacy: PrivacyLedger
    store: ContentStore
    ways: Ways
    readings: Readings | None = None
    files: tuple[Path, ...] = ()
    edges: tuple[str, ...] = ()
    offers: tuple[Offer, ...] | None = None  # None: not looked yet
    offers_trouble: str = ""
    version: int = 0  # changes with everything that a page shows
    workers: dict[int, Worker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._mutex = threading.RLock()
        self._stopping = threading.Event()
        self.budgets = Budgets()
        self.examples = ExampleFiles(self.folder.path, self.files)
        self.attacks = Attacks(self._in_thread, self.changed)
        self.recognition = Recognition(self.store, self._in_thread, self.changed, time.monotonic)

    # its life

    def start(self) -> None:
        """Goes on with every task that was taken, and looks for others."""
        for kept in self.book.state.tasks.values():
            self._begin(kept)
            if kept.leaving:
                self._in_thread(partial(self._leave, kept))
        self._in_thread(self._watch_offers)

    def stop(self) -> None:
        self._stopping.set()
        for worker in self.workers.values():
            worker.stop()
        for worker in self.workers.values():
            worker.join(STOP_SECONDS)
        self.book.close()

    # tasks

    @property
    def state(self) -> HomeState:
        return self.book.state

    def worker(self, task: int) -> Worker:
        """Raises UnknownTaskError."""
        found = self.workers.get(task)
        if found is None:
            raise UnknownTaskError(f"this household has nothing to do with task {task}", fault=Party.CLIENT)
        return found

    def take(self, invitation: Invitation) -> int:
        """Verifies it, and lets its phone look at it and ask. Nothing is sent. A phone that lacks an appliance's code
        goes on with the one in this invitation. Raises why it cannot be."""
        if invitation.domain.ledger != self.domain.ledger or invitation.domain.chain_id != self.domain.chain_id:
            raise MalformedError("this invitation is to another ledger than the one that this page is for")
        known = self.workers.get(invitation.task)
        if known is None or (known.progress.lacks_code and invitation.voucher_code):
            invited = self.ways.verify(invitation)
            data = self.examples.for_task(invited.spec)
            self.folder.keep_invitation(invitation)
            if known is not None:
                known.stop()
                known.join(STOP_SECONDS)
            self.book.take(invitation, str(data))
            self._begin(self.book.state.tasks[invitation.task])
        return invitation.task

    def answer(self, task: int, answer: Answer) -> None:
        """No is an answer: the task is not looked at any more."""
        self.worker(task).answer(answer)
        if not answer.yes:
            self.drop(task)

    def pause(self, task: int, paused: bool) -> None:
        worker = self.worker(task)
        self.book.pause(task, paused)
        worker.pause(paused)
        self.changed()

    def leave(self, task: int) -> None:
        """Asks edge server and chain until they know it; also when this process is started again meanwhile."""
        self.worker(task)
        self.book.leave(task, left=False)
        self._in_thread(partial(self._leave, self.book.state.tasks[task]))
        self.changed()

    def drop(self, task: int) -> None:
        """Its phone stops; its folder stays, with what was consented to."""
        worker = self.worker(task)
        worker.stop()
        self.book.drop(task)
        with self._mutex:
            self.workers.pop(task, None)
        self.changed()

    def _begin(self, kept: KeptTask) -> None:
        worker = Worker(kept, self.ways.open_phone, self._progressed)
        with self._mutex:
            self.workers[worker.task] = worker
        worker.start()
        self.changed()

    def _leave(self, kept: KeptTask) -> None:
        worker = self.worker(kept.invitation.task)
        while not self._stopping.is_set():
            try:
                self.ways.leave(kept, worker.said.append)
                self.book.leave(worker.task, left=True)
                self.tell([Noticed(News.LEFT, worker.task)])
                return
            except HearthError as error:
                worker.said.append(str(error))
                self.changed()
                if error.code == "E_UNKNOWN_CLIENT":  # never enrolled: there is nothing to leave
                    self.drop(worker.task)
                    return
                self._stopping.wait(OFFER_SECONDS)

    def _progressed(self, task: int, progress: Progress) -> None:
        self.tell([*news_of(task, progress), *self._nearly_spent()])
        self.naming()  # so that no page is the first to ask for a new model

    def _nearly_spent(self) -> list[Noticed]:
        try:
            budgets = self.budgets.of(self.spending(), self.policy.privacy)
        except HearthError as error:
            log.warning("budget not counted", error=str(error))
            return []
        most = max(budget.percent for budget in budgets)
        return [Noticed(News.BUDGET, 0, percent) for percent in NEARLY if most >= percent]

    # what is told

    def tell(self, news: Sequence[Noticed]) -> None:
        try:
            for one in news:
                self.book.notice(one)
        except HearthError as error:  # a full disk stops no phone
            log.warning("news not kept", error=str(error))
        self.changed()

    def changed(self) -> None:
        with self._mutex:
            self.version += 1

    # policy, privacy, data

    @property
    def policy(self) -> Policy:
        """Raises MalformedError for a file that says something else."""
        return parse_policy(self.policy_text)

    @property
    def policy_text(self) -> bytes:
        return read_policy_file(self.folder.policy)

    def save_policy(self, text: str) -> None:
        """The phones work by it from their next step on. Raises MalformedError, which names the line; OSError."""
        data = text.encode()
        parse_policy(data)
        self.folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file_atomically(self.folder.policy, data, 0o600)
        for worker in self.workers.values():
            worker.reopen()
        self.changed()

    def spending(self) -> Spending:
        """Without a file nothing was spent."""
        return self.privacy.spending() if self.folder.privacy.exists() else Spending()

    # what its appliances are, and what its updates tell

    def naming(self) -> Naming:
        """By the newest model that a task of this household has."""
        found = [(worker.task, worker.progress.standing) for worker in list(self.workers.values())]
        return self.recognition.naming([(task, standing) for task, standing in found if standing is not None])

    def attack(self, task: int) -> bool:
        """Begins; False while another one runs. Raises UnknownTaskError while the phone's folder is closed."""
        worker = self.worker(task)
        phone, standing = worker.opened()
        return self.attacks.start(task, partial(self.ways.attack, worker.kept, phone, standing))

    # offers

    def look_for_offers(self) -> None:
        """Raises nothing: what is wrong is shown."""
        try:
            seeker = Seeker(self.client, self.policy, self.spending())
            known = [replace(seeker, data=facts) for _, facts in self.examples.known() if facts.examples]
            offers = best_of([self.ways.look(one) for one in known or [seeker]])
        except HearthError as error:
            self.offers_trouble = str(error.args[0])
            self.changed()
            return
        news = offers != self.offers
        self.offers, self.offers_trouble = offers, ""
        self.tell([Noticed(News.OFFER, one.task, at=one.now) for one in offers if one.qualifies and news])

    def _watch_offers(self) -> None:
        while not self._stopping.is_set():
            self.look_for_offers()
            self._stopping.wait(OFFER_SECONDS)

    def _in_thread(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()


def best_of(looks: Sequence[Sequence[Offer]]) -> tuple[Offer, ...]:
    """Of each task the offer for those of this household's examples that suit it best."""
    best = {offer.task: offer for offer in looks[0]}
    for offer in (one for look in looks[1:] for one in look):
        if offer.task in best and len(offer.obstacles) < len(best[offer.task].obstacles):
            best[offer.task] = offer
    return tuple(sorted(best.values(), key=by_worth))
