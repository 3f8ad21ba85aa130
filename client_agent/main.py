"""One phone as a process: opens folder, keystore and contacts from settings, then runs the agent."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from client_agent.agent import Agent
from client_agent.consent import Disclosure
from client_agent.data.loader import FileLoader
from client_agent.departure import leave_task
from client_agent.edge_client import EdgeClient
from client_agent.footprint import peak_megabytes
from client_agent.journal import AgentJournal
from client_agent.policy import Policy, parse_policy
from client_agent.privacy.example_budgets import ExampleBudgets
from client_agent.privacy.held_out import SECRET_BYTES, Coins, HouseholdSecret
from client_agent.privacy.ledger import DataSet, PrivacyLedger
from client_agent.privacy.own_figures import OwnFigures, own_figures
from client_agent.randomness import SystemRandomness
from client_agent.sent_requests import REQUESTS, Asked, Requests, Tally
from client_agent.settings import COINS, POLICY, PRIVACY_LEDGER, AgentSettings
from client_agent.stake import fetch_stake
from client_agent.training.trainers import HouseholdTrainer, seconds_of_a_round
from protocol.messages.task import TaskSpec
from protocol.privacy.figure import Unit
from protocol.randomness import Randomness, SeededRandomness
from storage.content.interface import ContentStore
from storage.content.open_store import open_store
from storage.credentials import check_credentials
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.policy_file import read_policy_file
from storage.records.journal import Journal


@dataclass(frozen=True, slots=True)
class OpenPhone:
    """One phone whose folder this process has, and what its owner alone may know of its own examples."""

    agent: Agent
    budgets: list[ExampleBudgets]
    requests: Requests | None = None  # that left it

    def own_figures(self) -> OwnFigures | None:
        return own_figures(self.agent.journal.followed, *self.budgets)


@dataclass(frozen=True, slots=True)
class Owner:
    """How a phone talks with who owns it. ``show``: gets the disclosure, just before it is told and agreed to."""

    tell: Callable[[str], None]
    agree: Callable[[str], bool]
    show: Callable[[Disclosure], None] = lambda _: None


def configure_phone_log() -> None:
    """JSON lines on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the one of the moment: it may be replaced
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


@contextmanager
def opened_phone(
    settings: AgentSettings,
    signer: Signer,
    owner: Owner,
    *,
    seed: bytes | None = None,
    policy: Policy | None = None,
    requests: Requests | None = None,
    store: ContentStore | None = None,
) -> Iterator[OpenPhone]:
    """A phone ready for its first step; its folder is closed at the end. ``policy``: None for the household's file.
    ``requests``: None for those of the task's folder; ``store``: in the place of that of the settings.

    Raises what is wrong with folder, policy, data or keys.
    """
    policy = policy or parse_policy(read_policy_file(settings.household / POLICY))
    clock = BlockClock(tell=owner.tell)
    requests = requests or requests_of(settings)
    ledger = EthereumLedger(
        settings.rpc_url,
        settings.domain,
        signer,
        limits=policy.gas,
        clock=clock,
        on_bytes=lambda sent, _: requests.add(Asked.CHAIN, sent),
        confirm_by=settings.confirm_by,
    )
    privacy = PrivacyLedger(lambda: Journal(settings.household / PRIVACY_LEDGER, wait=True))
    randomness: Randomness = SystemRandomness() if seed is None else SeededRandomness(seed)
    edge = EdgeClient(settings.edge_urls, tally=requests.add)
    journal = AgentJournal(Journal(settings.folder / "journal"))
    try:
        consented = journal.consented
        data_set = DataSet(privacy, settings.data_set if consented is None else consented.data_set)
        loader = FileLoader(settings.data, settings.max_data_bytes, data_set.admit)
        if data_set.name is None:
            loader.load()
        assert data_set.name is not None  # the loaded content has one
        coins = Coins(HouseholdSecret(lambda: Journal(settings.household / COINS, wait=True), randomness))
        budget, budgets = settings.example_budget_micro, list[ExampleBudgets]()

        def make_trainer(spec: TaskSpec) -> HouseholdTrainer:
            budgets[:] = [] if budget is None else [ExampleBudgets(budget, spec, lambda: journal.followed)]
            return HouseholdTrainer(
                spec.model,
                loader,
                spec.schedule.max_examples,
                owner.tell,
                coins,
                next(iter(budgets), None),
                lambda: journal.secret(randomness.draw("enrolment/secret", SECRET_BYTES)),
                spec.learning.mechanism.unit == Unit.APPLIANCE,
            )

        agent = Agent(
            task=settings.task,
            signer=signer,
            ledger=ledger,
            store=store or open_store(settings.store),
            edge=edge,
            journal=journal,
            privacy=privacy,
            data_set=data_set.name,
            policy=policy,
            proofs=settings.folder / "proofs",
            make_trainer=make_trainer,
            measure=lambda spec: seconds_of_a_round(spec, randomness, time.process_time, budget is not None),
            randomness=randomness,
            tell=owner.tell,
            agree=owner.agree,
            voucher_code=settings.voucher_code,
            show=owner.show,
            poll_seconds=settings.poll_seconds,
            look=Polling(ledger, settings.chain_seconds).head,
        )
        yield OpenPhone(agent, budgets, requests)
    finally:
        requests.save()
        journal.close()
        edge.close()


def requests_of(settings: AgentSettings) -> Requests:
    """One process at a time counts those of a task's folder."""
    return Requests(settings.folder / REQUESTS, time.monotonic)


def run_agent(
    settings: AgentSettings,
    signer: Signer,
    *,
    seed: bytes | None,
    leave: bool,
    report: Path | None,
    tell: Callable[[str], None],
    agree: Callable[[str], bool],
) -> bool:
    """Runs one task to its end, or leaves it; False when the owner does not agree to take part.

    ``seed`` is for demonstrations: it makes every draw repeatable.
    """
    configure_phone_log()
    check_credentials()
    policy = parse_policy(read_policy_file(settings.household / POLICY))
    if leave:
        leave_by(settings, signer, policy, tell)
        return True
    with opened_phone(settings, signer, Owner(tell, agree), seed=seed, policy=policy) as phone:
        start_seconds = time.process_time()  # of the processor: what else runs on the machine does not count
        agreed = phone.agent.run()
        own = phone.own_figures()
        for line in own.lines() if own is not None else ():
            tell(line)
        if report is not None:
            figures = {
                "bytes_per_round": phone.agent.bytes_per_round,
                "ciphertext_bytes_per_round": phone.agent.delivery.stored,
                "start_seconds": round(start_seconds, 2),
                "peak_megabytes": peak_megabytes(),
                "own_privacy": None if own is None else own.report(),  # as secret as the data
            }
            report.write_text(json.dumps(figures, sort_keys=True))
        return agreed


def leave_by(
    settings: AgentSettings,
    signer: Signer,
    policy: Policy,
    tell: Callable[[str], None],
    tally: Tally = lambda *_: None,
) -> None:
    """Beside a running agent: it needs neither journal nor data."""
    clock = BlockClock(tell=tell)
    ledger = EthereumLedger(
        settings.rpc_url,
        settings.domain,
        signer,
        limits=policy.gas,
        clock=clock,
        on_bytes=lambda sent, _: tally(Asked.CHAIN, sent),
    )
    edge = EdgeClient(settings.edge_urls, tally=tally)
    try:
        relayed = leave_task(settings.task, signer, ledger, edge)
        tell(
            f"left task {settings.task}"
            if relayed
            else "the edge server does not relay it; this account sent it itself"
        )
        if ledger.enrolment(settings.task, signer.address).staked:
            fetch_stake(ledger, settings.task, signer.address, tell)
    finally:
        edge.close()
