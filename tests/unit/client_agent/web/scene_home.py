"""A household with its page and the phone of one task, beside a played edge server and chain, in one process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import cast

import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient

from client_agent.agent import Agent
from client_agent.attacks.own_phone import Attack, Attacked, attack_phone
from client_agent.data.intake.findings import Description
from client_agent.data.intake.readings import Readings
from client_agent.edge_client import EdgeClient
from client_agent.household_folder import HouseholdFolder
from client_agent.invited import Invited
from client_agent.journal import AgentJournal
from client_agent.main import OpenPhone, Owner
from client_agent.offer_book import OfferBook
from client_agent.offers import Offer, Seeker
from client_agent.privacy.held_out import Coins
from client_agent.privacy.ledger import HOME, PrivacyLedger
from client_agent.sent_requests import Requests
from client_agent.web.app import household_app
from client_agent.web.book import HomeBook, KeptTask
from client_agent.web.door import Devices
from client_agent.web.frame import LOOPBACK_NAMES, pages_of
from client_agent.web.household import Home, Ways
from client_agent.web.standing import Standing
from client_agent.web.worker import Progress, Stage
from protocol.errors import VerificationError
from protocol.identifiers import to_hex
from protocol.invitation import Invitation
from protocol.messages.chain import DEFAULT_RULES, Left, TaskPosted
from protocol.model.dataset import decode_examples, encode_labelled
from protocol.randomness import SeededRandomness
from storage.ledger.interface import Ledger, LedgerReader
from storage.records.memory import MemoryRecords
from tests.samples import DOMAIN, sample_policy
from tests.unit.client_agent.scene_phone import SMALL, UNTIL_BATCH, UNTIL_END
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, PHONE, PlayedServer
from tests.unit.storage.pages.scene_face import Counting

ORIGIN = "http://127.0.0.1:8300"
TITLE = "Tell appliances apart"
EDGE_URL = "http://127.0.0.1:8000"
NOON = 1_780_300_800  # of the readings
PATIENCE = 1000  # looks of a hundredth of a second


class PlayedHome:
    """``home`` may be closed and opened again on the same records. Its chain's clock is moved by hand."""

    def __init__(self, folder: Path, title: str = TITLE, server: PlayedServer | None = None) -> None:
        self.server = server or PlayedServer(title=title)
        self.server.relays = True
        self.folder = HouseholdFolder(folder / "household")
        self.folder.path.mkdir(parents=True)
        self.folder.policy.write_text(policy_text())
        self.records, self.phone_records, self.spent = MemoryRecords(), MemoryRecords(), MemoryRecords()
        self.data = folder / "examples.safetensors"
        self.data.write_bytes(encode_labelled(np.zeros((7, 6), np.float32), np.zeros(7, np.int64)))
        self.readings = Readings(folder / "readings.db")
        self.randomness, self.lives = Counting(), 0
        self.trouble: Exception | None = None  # when the phone's folder is opened
        self.requests = Requests(None, lambda: 0.0)
        self.open()

    def open(self) -> None:
        self.lives += 1
        self.home = Home(
            folder=self.folder,
            domain=DOMAIN,
            client=PHONE.address,
            book=HomeBook(self.records),
            privacy=PrivacyLedger(lambda: self.spent),
            store=self.server.store,
            ways=Ways(self._phone, self._leave, self._verify, self._look, self._attack),
            readings=self.readings,
            files=(self.data,),
            edges=(EDGE_URL,),
        )
        self.folder.privacy.touch()  # the records are elsewhere
        self.pages = pages_of(LOOPBACK_NAMES, UTC, self.randomness)
        self.app, self.devices = household_app(self.home, self.pages, self.randomness)

    def close(self) -> None:
        self.home.stop()

    @property
    def invitation(self) -> Invitation:
        return Invitation(DOMAIN, 1, self.posted.terms.spec, (EDGE_URL,))

    @property
    def posted(self) -> TaskPosted:
        return next(event for event in self.server.chain.events() if isinstance(event, TaskPosted))

    @property
    def progress(self) -> Progress:
        return self.home.worker(1).progress

    def until(self, condition: Callable[[], bool], seconds: int = 1) -> None:
        """Lets the chain's clock run, ``seconds`` at a time, until something is so."""
        for _ in range(PATIENCE):
            if condition():
                return
            self.server.chain.time += seconds
            for worker in list(self.home.workers.values()):
                worker.wake()
            time.sleep(0.01)
        raise AssertionError(f"it never came to that: {self.progress}")

    def play_round(self) -> None:
        """The phone takes part in one round, which is published."""
        number, end = self.server.number + 1, self.server.chain.time + UNTIL_END
        self.server.open()
        self.until(lambda: number in self.server.submitted, 3)
        self.server.chain.time = max(self.server.chain.time, end - UNTIL_END + UNTIL_BATCH)
        self.server.commit_batch()
        self.until(lambda: self.progress.standing is not None and number in self.progress.standing.included, 1)
        self.server.chain.time = max(self.server.chain.time, end)
        self.server.publish()
        self.server.chain.time += COMMIT_SECONDS

    # the ways out

    @contextmanager
    def _phone(self, kept: KeptTask, owner: Owner) -> Iterator[OpenPhone]:
        if self.trouble is not None:
            raise self.trouble
        agent = Agent(
            task=1,
            signer=PHONE,
            ledger=cast(Ledger, self.server.chain),
            store=self.server.store,
            edge=cast(EdgeClient, self.server),
            journal=AgentJournal(self.phone_records),
            privacy=self.home.privacy,
            data_set=HOME,
            policy=sample_policy(),
            proofs=self.folder.path,
            make_trainer=lambda _: SMALL,
            measure=lambda _: 0.0,
            randomness=SeededRandomness(b"life %d" % self.lives),
            tell=owner.tell,
            agree=owner.agree,
            voucher_code=kept.invitation.voucher_code,
            show=owner.show,
        )
        yield OpenPhone(agent, [], self.requests)

    def _leave(self, _: KeptTask, tell: Callable[[str], None]) -> None:
        self.server.chain.mine(Left, client=PHONE.address, signature=bytes(65))
        tell("left task 1")

    def _verify(self, invitation: Invitation) -> Invited:
        if invitation.spec != self.posted.terms.spec:
            raise VerificationError(f"the invitation says that the spec is {to_hex(invitation.spec)}")
        view = self.server.chain.task(1)
        return Invited(invitation, self.posted, self.server.spec, view, DEFAULT_RULES, self.server.chain.time)

    def _attack(self, kept: KeptTask, _: OpenPhone, standing: Standing) -> tuple[Attack, ...]:
        examples = decode_examples(Path(kept.data).read_bytes())
        coins, sealed = Coins(lambda: bytes(32)), frozenset(standing.sealed)
        attacked = Attacked(standing.state, self.server.spec, self.server.store, sealed, None, examples, coins.held_out)
        return attack_phone(attacked, SeededRandomness(b"attack"), lambda: 0.0)

    def _look(self, seeker: Seeker) -> tuple[Offer, ...]:
        return OfferBook(cast(LedgerReader, self.server.chain), self.server.store).look(seeker)


class Browser:
    """A paired one, without a script: it follows links and sends forms as they stand on the page."""

    def __init__(self, app: FastAPI, devices: Devices) -> None:
        self.client = TestClient(app, ORIGIN, follow_redirects=True)
        self.page = self.client.get(f"/open?token={devices.token}").text

    def get(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        self.page = answer.text
        return self.page

    def send(self, path: str, status: int = 200, **fields: str | list[str]) -> str:
        """A form of the page that was shown last."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.page)
        assert token is not None, "no form on this page"
        answer = self.client.post(path, data={"csrf": token[1], **fields})
        assert answer.status_code == status, answer.text
        self.page = answer.text
        return self.page


def policy_text() -> str:
    """As :func:`sample_policy` has it."""
    policy = sample_policy()
    known = ", ".join(f'"{to_hex(address)}"' for address in policy.trust.authorities)
    return "\n".join(
        [
            "[privacy]",
            "task_epsilon = 20.0",
            "total_epsilon = 40.0",
            "[cohort]",
            "min_clients = 2",
            "max_share = 0.9",
            "[trust]",
            "min_confirmations = 0",
            f"chains = [{{ chain_id = {DOMAIN.chain_id} }}]",
            f"authorities = [{known}]",
            "[money]",
            "min_claim_seconds = 20000",
            "",
        ]
    )


def plug_in(readings: Readings, name: str, watts: Callable[[int], float], days: int = 3) -> int:
    """A plug with a reading each minute up to noon. Returns its number."""
    about = Description(device=f"tasmota:{name}", name=name, manufacturer="Example", model="P1")
    rows = [(at, watts(at)) for at in range(NOON - days * 86_400, NOON, 60)]
    readings.add_history(about, "W", rows, NOON)
    return next(plug.number for plug in readings.appliances() if plug.name == name)


def is_asked(played: PlayedHome) -> bool:
    return 1 in played.home.workers and played.progress.stage is Stage.ASKING
