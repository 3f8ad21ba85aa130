"""A whole task with real processes, held at the points where a test wants to interfere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from protocol.canonical import decode
from protocol.messages.chain import Event, RoundAbandoned, RoundOpened, RoundPublished
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.screening import MAX_SCREENING_BYTES, Screening
from protocol.messages.screening_terms import ABANDON
from protocol.messages.settlement import MAX_RECORD_BYTES, RoundRecord
from protocol.messages.task import DepositTerms
from protocol.messages.vouchers import NO_VOUCHERS, VoucherTerms
from scripts.demonstration.data import Households, households_of
from scripts.demonstration.processes import RoleProcess, Stage
from scripts.demonstration.run import DemoOptions, post_task, run_auditor, start_agent, start_infrastructure
from scripts.demonstration.stage import DemoStage, client_name
from scripts.demonstration.task import NOTHING_ELSE
from scripts.launcher import module_command
from storage.content.filesystem import FilesystemStore
from storage.content.interface import get_document
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.signer import Signer

E = TypeVar("E", bound=Event)
CHARGED_FIRST_ROUND = 5  # a phone's fifth change: data set, consent, keys, envelope, then the charge of round 1


class Play:
    """One task of ``clients`` households over ``rounds`` rounds; client 0 is censored, as in the demonstration."""

    def __init__(
        self,
        stage: DemoStage,
        clients: int,
        rounds: int,
        phase_seconds: int,
        deposits: DepositTerms | None = None,
        cohort: Mapping[str, int] = NOTHING_ELSE,
        vouchers: VoucherTerms = NO_VOUCHERS,
        chain: str = "memory",
        suite: str = "fe64",
        unopened: str = ABANDON,
    ) -> None:
        self.stage, self.clients, self.phase_seconds, self.deposits = stage, clients, phase_seconds, deposits
        self.cohort, self.vouchers, stage.unopened = cohort, vouchers, unopened  # more of its terms
        self.options = DemoOptions("digits", clients, rounds, chain, stage.seed, None, None, suite=suite)
        self.data: Households = households_of("digits", clients)
        self.agents: dict[int, RoleProcess] = {}

    def prepare(self) -> None:
        """Everything up to the posted task."""
        start_infrastructure(self.stage, self.options)
        post_task(self.stage, self.options, self.data, self.phase_seconds, self.deposits, self.cohort, self.vouchers)
        self.reader = EthereumReader(self.stage.rpc_url, self.stage.domain.ledger)
        self.store = FilesystemStore(self.stage.store)

    def start_agents(self, numbers: Sequence[int] | None = None) -> None:
        for number in range(self.clients) if numbers is None else numbers:
            self.agents[number] = start_agent(self.stage, number, self.data.households[number])

    def finish(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Waits for every phone to end well."""
        self.stage.processes.await_end(list(self.agents.values()), meanwhile)

    def audit(self) -> dict[str, Any]:
        return run_auditor(self.stage)

    def events(self, kind: type[E]) -> list[E]:
        return [event for event in self.reader.events(self.stage.task) if isinstance(event, kind)]

    def await_event(self, kind: type[E], holds: Callable[[E], bool] = lambda _: True) -> E:
        """The first event of the kind for which ``holds`` is true, once it is there."""
        found: list[E] = []

        def look() -> bool:
            found.extend(event for event in self.events(kind) if holds(event))
            return bool(found)

        self.stage.processes.await_until(look)
        return found[0]

    def record(self, round_number: int) -> RoundRecord:
        """Of a round that was published or abandoned."""
        settled: list[RoundPublished | RoundAbandoned] = [*self.events(RoundPublished), *self.events(RoundAbandoned)]
        ended = [event for event in settled if event.round == round_number]
        return decode(RoundRecord, get_document(self.store, ended[0].record, MAX_RECORD_BYTES), MAX_RECORD_BYTES)

    def screening(self, round_number: int) -> Screening:
        """What the record of a round that was screened names."""
        evidence = get_document(self.store, self.record(round_number).screening, MAX_SCREENING_BYTES)
        return decode(Screening, evidence, MAX_SCREENING_BYTES)

    def plan(self, digest: bytes) -> RoundPlan:
        return decode(RoundPlan, get_document(self.store, digest, MAX_PLAN_BYTES), MAX_PLAN_BYTES)

    def opened(self, number: int) -> RoundOpened:
        return next(event for event in self.events(RoundOpened) if event.round == number)

    def role(self, name: str) -> RoleProcess:
        """The last process of this role."""
        return [process for process in self.stage.processes.roles if process.name == name][-1]

    def kill_after(self, number: int, entries: int) -> None:
        """This client's phone kills itself once it has made so many changes of its records."""
        self.stage.launchers[client_name(number)] = killed_launcher("after", entries)

    def await_death(self, process: RoleProcess) -> None:
        self.stage.processes.await_until(lambda: process.process.poll() is not None)
        assert process.process.returncode == -9, process.tail()

    def ledger_of(self, role: str) -> EthereumLedger:
        folder = self.stage.folder(role)
        signer = Signer.from_keystore(folder / "keystore.json", folder / "password")
        return EthereumLedger(self.stage.rpc_url, self.stage.domain, signer)

    def address(self, number: int) -> bytes:
        return self.stage.addresses[client_name(number)]

    def advance_clock(self, seconds: int) -> None:
        """Moves the chain's time on."""
        self.reader.provider.make_request("evm_increaseTime", [seconds])
        self.reader.provider.make_request("evm_mine", [])

    def leave(self, number: int) -> None:
        """Beside the running phone, as its owner would."""
        role = client_name(number)
        self.stage.run("leave", role, *self.stage.agent_command(role), "--leave")

    def deaths_of(self, role: str) -> list[int]:
        """Exit codes of this role's ended processes, in order."""
        codes = [process.process.poll() for process in self.stage.processes.roles if process.name == role]
        return [code for code in codes if code is not None]

    def report(self, number: int) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads((self.stage.folder(client_name(number)) / "report.json").read_text())
        return parsed


@contextmanager
def play(
    root: Path,
    clients: int = 4,
    rounds: int = 2,
    seed: int | None = 7,
    phase_seconds: int = 180,
    deposits: DepositTerms | None = None,
    cohort: Mapping[str, int] = NOTHING_ELSE,
    vouchers: VoucherTerms = NO_VOUCHERS,
    chain: str = "memory",
    suite: str = "fe64",
    unopened: str = ABANDON,
) -> Iterator[Play]:
    """Processes of every role below ``root``; they end with the block."""
    with Stage() as processes:
        terms = clients, rounds, phase_seconds, deposits, cohort, vouchers, chain, suite, unopened
        yield Play(DemoStage(root, processes, seed), *terms)


def shifted_launcher(seconds: int) -> list[str]:
    """Starts a role whose machine's clock is ahead by so much; see ``shifted.py``."""
    return [*module_command("tests.e2e.shifted"), str(seconds)]


def killed_launcher(when: str, mark: int | str) -> list[str]:
    """Starts a role that kills itself at a journal write; see ``killed.py``."""
    return [*module_command("tests.e2e.killed"), when, str(mark)]


def lying_launcher(round_number: int) -> list[str]:
    """Starts an authority that lies when it opens this round; see ``lying.py``."""
    return [*module_command("tests.e2e.lying"), str(round_number)]
