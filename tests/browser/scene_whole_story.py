"""Every role of one task as a process: a chain that ends phases when the test says so, authorities, an edge server with
its pages, other households, and one that a real broker feeds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from client_agent.data.intake.readings import READINGS, Readings
from client_agent.data.power_windows import HOUR_MINUTES, type_windows
from client_agent.data.tracebase import MINUTES, TYPES, Appliance, ApplianceDay
from client_agent.privacy.ledger import PrivacyLedger
from client_agent.settings import PRIVACY_LEDGER
from protocol.domain import Domain
from protocol.identifiers import to_hex
from protocol.messages.chain import BatchCommitted, Event, RoundOpened, RoundPublished
from protocol.model.dataset import encode_examples
from scripts.chain.testnet import chain_id_of, start_chain
from scripts.demonstration.data_folder import data_folder
from scripts.demonstration.played_plugs import SECONDS, Played, made_up_plugs, real_plugs
from scripts.demonstration.policies import phone_policy
from scripts.demonstration.processes import RoleProcess, Stage
from scripts.demonstration.run import GRANT_WEI
from scripts.demonstration.stage import DemoStage, client_name
from scripts.launcher import module_command
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.ethereum.reader import EthereumReader
from storage.records.journal import Journal
from tests.browser.tampering import TAMPER
from tests.ports.brokers import Mosquitto
from tests.ports.chains import RunningChain

AUTHORITIES: Final = 3
OTHERS: Final = 2  # households beside the one whose page is open
OWN: Final = client_name(0)
OWN_PLUGS: Final = 2  # the first ones
PATIENCE_SECONDS: Final = 120.0
BOND_WEI: Final = 3 * 10**16  # more than a cohort of three is owed for taking part
SENT: Final = 1_200  # twice the training time of a task whose commit phase has hours: by then every phone has sent
SETTLED: Final = 3_601  # more than the time to object, and the time to dispute


def traces() -> list[Played]:
    """A day of each type of appliance: of tracebase in HEARTH_DATA_DIR, or made up where it is not there."""
    return real_plugs(_tracebase(), len(TYPES), 1) if has_tracebase() else made_up_plugs(len(TYPES), 1)


def has_tracebase() -> bool:
    return bool(os.environ.get("HEARTH_DATA_DIR")) and _tracebase().is_dir()


def _tracebase() -> Path:
    return data_folder() / "tracebase" / "complete"


def examples_of(played: Sequence[Played], *, owned: bool) -> bytes:
    """A file of hour windows. ``owned``: each with its appliance, as a household has them; else a public test set."""
    days = [
        ApplianceDay(Appliance(TYPES.index(one.kind), one.plug.name), date(2026, 1, 1), _minutes(one)) for one in played
    ]
    windows = type_windows(days, HOUR_MINUTES, HOUR_MINUTES)
    return encode_examples(windows.examples() if owned else windows.labelled())


def _minutes(played: Played) -> np.ndarray:
    watts = np.nan_to_num(played.watts).reshape(MINUTES, -1)
    return np.stack([watts.mean(axis=1), watts.max(axis=1), watts.min(axis=1)]).astype(np.float32)


@dataclass
class Story:
    """``played``: what the broker's plugs and the others' files are of. Task 1 is the only one."""

    stage: DemoStage
    chain: RunningChain
    broker: Mosquitto
    played: list[Played]

    def until(self, holds: Callable[[], bool]) -> None:
        """Fails with the last words of a role that ended badly meanwhile."""

        def look() -> bool:
            for role in self.stage.processes.roles:
                role.finished()
            return holds()

        self.stage.processes.await_until(look, PATIENCE_SECONDS, 0.05)

    # the chain

    @cached_property
    def reader(self) -> EthereumReader:
        return EthereumReader(self.stage.rpc_url, self.stage.domain.ledger)

    def has(self, kind: type[Event], number: int) -> bool:
        """So many events of the kind are there."""
        return sum(isinstance(event, kind) for event in self.reader.events(1)) >= number

    def enrol(self) -> None:
        """Until all have; each phone sends at a time of its own."""

        def look() -> bool:
            self.chain.pass_time(SENT // 4)
            return self.reader.task(1).enrolled == OTHERS + 1

        self.until(look)

    def train(self, number: int) -> None:
        """Round ``number`` up to its batch. The clock moves once every phone has said when it will send."""
        self.begin(number, self.phones)
        self.chain.pass_time(SENT)
        self.until(lambda: self.has(BatchCommitted, number))

    def begin(self, number: int, phones: Sequence[str]) -> None:
        self.until(lambda: self.has(RoundOpened, number))
        self.until(lambda: all(self.charged(role) >= number for role in phones))

    def settle(self, number: int) -> None:
        """To the published model."""
        self.chain.pass_time(SETTLED)
        self.until(lambda: self.has(RoundPublished, number))

    def pay(self, number: int) -> int:
        """What the household that left after round ``number`` has then; the next round waits for its own settlement."""
        self.begin(number + 1, self.phones[1:])
        self.chain.pass_time(SETTLED)
        self.until(lambda: self.has(BatchCommitted, number + 1) and self.claimed() > 0)
        return self.claimed()

    def claimed(self) -> int:
        claimed: int = self.reader.enrolment(1, self.stage.addresses[OWN]).claimed
        return claimed

    def tamper(self) -> str:
        """From now on the edge server changes the model that it publishes; its address."""
        (self.stage.folder("edge") / TAMPER).touch()
        return to_hex(self.stage.addresses["edge"])

    def charged(self, role: str) -> int:
        """Rounds in this household's privacy ledger; the charge of a round comes before its training."""
        path = self.household(role) / PRIVACY_LEDGER
        if not path.exists():
            return 0
        spending = PrivacyLedger(lambda: Journal(path, wait=True)).spending()
        return sum(map(len, spending.charged.values()))

    # the households

    @property
    def phones(self) -> list[str]:
        return [client_name(number) for number in range(OTHERS + 1)]

    def household(self, role: str) -> Path:
        return self.stage.folder(role) / "household"

    def start_others(self) -> None:
        """Each with appliances of its own, that the household with the page does not have."""
        for number in range(1, OTHERS + 1):
            role = client_name(number)
            own = self.played[OWN_PLUGS + number - 1 :: OTHERS]
            (self.stage.folder(role) / "household.safetensors").write_bytes(examples_of(own, owned=True))
            self.stage.start_client(role)

    def start_page(self) -> str:
        """The household that listens to the broker, and its page; the link that opens it."""
        home = self.household(OWN)
        home.mkdir(mode=0o700)
        known = [address for name, address in self.stage.addresses.items() if name.startswith("authority-")]
        (home / "policy.toml").write_text(phone_policy(self.stage.domain, known, self.stage.min_clients, 0))
        listening = self._start(
            "collector", "household", "collect", "--broker", self._broker_url, "--household", home, "--replayed"
        )
        folder = self.stage.folder(OWN)
        page = self._start(
            OWN, "household", "serve", "--household", home, "--rpc-url", self.stage.rpc_url,
            "--ledger", self.stage.domain, "--store", self.stage.store, "--port", 0,
            "--keystore", folder / "keystore.json", "--password-file", folder / "password",
        )  # fmt: skip
        self._ready(listening)
        return self._ready(page)

    def start_plugs(self) -> None:
        """Yesterday, as the household's plugs would have told it."""
        self.day = datetime.now(UTC).date() - timedelta(days=1)
        made_up = () if has_tracebase() else ("--made-up",)
        words = ("--plugs", OWN_PLUGS, "--speed", 0, "--first-day", self.day, *made_up)
        self.plugs = self._start("plugs", "household", "simulate", "--broker", self._broker_url, *words, ready=False)

    def await_readings(self) -> None:
        """Until all that the plugs said is stored."""
        self.until(self.plugs.finished)
        reports = max(int(np.flatnonzero(~np.isnan(one.watts))[-1]) for one in self.played[:OWN_PLUGS])
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        last = int(midnight.timestamp()) + reports * SECONDS
        with Readings(self.household(OWN) / READINGS) as readings:
            self.until(lambda: readings.last_heard() == last)

    def invitation(self) -> str:
        """As the manufacturer makes it."""
        file = self.stage.folder("manufacturer") / "invitation.json"
        words = ("--rpc-url", self.stage.rpc_url, "--ledger", self.stage.domain, "--store", self.stage.store)
        inviting = self._start(
            "manufacturer", "invite", *words, "--task", 1, "--edge", self.stage.edge_url, "--json", file, ready=False
        )
        self.until(inviting.finished)
        return str(json.loads(file.read_text())["invitation"])

    @property
    def _broker_url(self) -> str:
        return f"mqtt://127.0.0.1:{self.broker.port}"

    def _start(self, role: str, *words: object, ready: bool = True) -> RoleProcess:
        told = ("--ready-file", self.stage.folder(role) / "ready") if ready else ()
        launcher = self.stage.launchers.get(role, ())
        return self.stage.processes.start(
            role, [str(word) for word in (*words, *told)], self.stage.folder(role), launcher
        )

    def _ready(self, process: RoleProcess) -> str:
        return process.ready(self.stage.folder(process.name) / "ready")


@contextmanager
def whole_story(root: Path) -> Iterator[Story]:
    """Chain, contract, authorities, edge server and broker run; nothing was posted yet."""
    broker = Mosquitto(root)
    with Stage() as processes:
        stage = DemoStage(root / "roles", processes, None)
        stage.rpc_url, faucet = start_chain(processes, stage.folder("chain"), "anvil", None, None)
        authorities = [f"authority-{number}" for number in range(1, AUTHORITIES + 1)]
        phones = [client_name(number) for number in range(OTHERS + 1)]
        for role in ("edge", *authorities, *phones):
            stage.make_account(role)
        chain_id = chain_id_of(stage.rpc_url)
        ledger, created = deploy(stage.rpc_url, chain_id, faucet)
        stage.domain, stage.task, stage.max_bond = Domain(chain_id, ledger, created.block), 1, BOND_WEI
        bank = EthereumLedger(stage.rpc_url, stage.domain, faucet)
        for role in ("edge", *authorities):
            bank.transfer(stage.addresses[role], GRANT_WEI)
        bank.close()
        # the test's chain vouches for itself: it is asked under both of its names
        stage.options["edge"] = ["--other-rpc-url", stage.rpc_url.replace("127.0.0.1", "localhost")]
        stage.launchers = {role: module_command("tests.browser.hurried") for role in phones}
        stage.launchers["edge"] = module_command("tests.browser.tampering")
        starting = [stage.start_authority(role) for role in authorities]
        broker.start()
        played = traces()  # meanwhile
        stage.authority_urls = [stage.url_of(process) for process in starting]
        stage.edge_url = stage.url_of(stage.start_edge(censored=None))
        try:
            yield Story(stage, RunningChain("anvil", stage.rpc_url, faucet), broker, played)
        finally:
            broker.stop()


def authority_lines(story: Story) -> str:
    return "\n".join(to_hex(story.stage.addresses[f"authority-{number}"]) for number in range(1, AUTHORITIES + 1))
