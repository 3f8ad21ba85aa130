"""``hearth demo``: one whole task with every role as its own process. It only starts roles, watches, and reports."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.text import Text

from protocol.canonical import decode
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import to_hex
from protocol.messages.task import DepositTerms
from protocol.messages.vouchers import NO_VOUCHERS, VoucherTerms
from protocol.task.status import MAX_STATUS_BYTES, TaskStatus
from scripts.chain.testnet import chain_id_of, last_block_of, start_chain
from scripts.commands.outcome import OutputError, reason
from scripts.commands.output_file import OutputFile
from scripts.demonstration.data import Households, households_of, persistence_of
from scripts.demonstration.pages import say_addresses, start_home, stay
from scripts.demonstration.processes import RoleFailedError, RoleProcess, Stage
from scripts.demonstration.report import DemoReport, collect, print_tables
from scripts.demonstration.screen import doing, progress_of
from scripts.demonstration.screening import idle_under, rule_under, suite_under
from scripts.demonstration.stage import AUTHORITIES, DemoStage, client_name
from scripts.demonstration.task import (
    NOTHING_ELSE,
    SUITES,
    TEST_SET,
    least_cohort,
    terms_for,
    usual_deposits,
    write_task_file,
)
from storage.content.open_store import open_store
from storage.http import client
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.ethereum.reader import EthereumReader

GRANT_WEI = 10**17  # what the faucet gives to a role that pays gas


@dataclass(frozen=True)
class DemoOptions:
    dataset: str
    clients: int
    rounds: int
    chain: str  # memory, anvil or an RPC URL
    seed: int | None
    json_file: OutputFile | None
    keep: Path | None
    keystore: Path | None = None  # a funded account, for an RPC URL
    password_file: Path | None = None
    suite: str = "fe64"  # a key of SUITES
    chain_id: int | None = None  # of the chain at an RPC URL; our own are asked
    mechanism: str = "example"  # a key of MECHANISMS
    partition: str | None = None  # one of the data set's PARTITIONS; None for the usual one
    pages: bool = False  # the last household is a page, and everything stays until it is interrupted

    @property
    def agents(self) -> int:
        """Households whose phone is ``hearth agent``."""
        return self.clients - self.pages


def run_demo(options: DemoOptions, console: Console) -> int:
    """Exit code 0 only if the audit passes and every reward is claimed."""
    started = time.monotonic()
    with Stage() as processes:
        stage = DemoStage(_folder(options, processes), processes, options.seed)
        with doing(console, "households, chain, key authorities, edge server"):
            data = households_of(options.dataset, options.clients, options.partition)
            start_infrastructure(stage, options)
        with doing(console, "the manufacturer posts the task with its escrow"):
            post_task(stage, options, data)
        if options.pages:
            with doing(console, "one household's readings and page"):
                link = start_home(stage, client_name(options.agents), options.dataset, data)
            say_addresses(console, stage, link, options.agents)
        agents = [start_agent(stage, number, data.households[number]) for number in range(options.agents)]
        _watch(stage, options, agents, console)
        with doing(console, "fees and bonds go to their holders, the rest to the manufacturer, then the audit"):
            manufacturer = stage.folder("manufacturer")
            # what clients and servers are owed stays behind, so nobody has to be waited for
            stage.run("refund", "manufacturer", "task", "refund", "--task", str(stage.task))
            _await_payments(stage, options, console)
            verdict = run_auditor(stage)
            report = _collect(stage, options, data)
        print_tables(report, verdict, console)
        result = _as_json(options, report, verdict, stage, time.monotonic() - started)
        written = (json.dumps(result, indent=2, sort_keys=True) + "\n").encode()
        (manufacturer / "demo.json").write_bytes(written)
        if options.json_file is not None:
            options.json_file.write(written)
        if options.keep is not None:
            console.print("Audit it again at any time, with chain and roles gone:")
            console.print(Text(f"  {audit_command(stage)}"), soft_wrap=True)  # to be pasted: no letter is markup
        console.print(f"{result['seconds']:.0f} s")
        if options.pages:
            stay(console, processes)
        return 0 if verdict["verdict"] == "PASS" and report.all_claimed else 1


def start_infrastructure(stage: DemoStage, options: DemoOptions) -> None:
    """Chain with contract and funded accounts, key authorities, edge servers; client 0 will be censored."""
    stage.suite = suite_under(options.suite, options.mechanism)
    own = options.keystore, options.password_file, idle_under(stage.suite)
    stage.rpc_url, faucet = start_chain(stage.processes, stage.folder("chain"), options.chain, *own)
    authorities = [f"authority-{j}" for j in range(1, AUTHORITIES + 1)]
    roles = [*stage.edges, "manufacturer", *authorities, *(client_name(i) for i in range(options.clients))]
    for role in roles:
        stage.make_account(role)
    chain_id = options.chain_id or chain_id_of(stage.rpc_url)
    ledger, created = deploy(stage.rpc_url, chain_id, faucet)
    stage.domain, stage.min_clients = Domain(chain_id, ledger, created.block), least_cohort(options.clients)
    stage.max_bond = usual_deposits(options.clients).edge_server
    bank = EthereumLedger(stage.rpc_url, stage.domain, faucet)
    for role in (*stage.edges, *authorities, "manufacturer", client_name(0)):
        bank.transfer(stage.addresses[role], GRANT_WEI)
    bank.close()
    starting = [stage.start_authority(role) for role in authorities]
    stage.authority_urls = [stage.url_of(process) for process in starting]
    edges = [stage.start_edge(censored=stage.addresses[client_name(0)], role=role) for role in stage.edges]
    stage.edge_url, *stage.substitute_urls = [stage.url_of(process) for process in edges]


def post_task(
    stage: DemoStage,
    options: DemoOptions,
    data: Households,
    phase_seconds: int = 180,
    deposits: DepositTerms | None = None,
    cohort: Mapping[str, int] = NOTHING_ELSE,
    vouchers: VoucherTerms = NO_VOUCHERS,
) -> None:
    folder = stage.folder("manufacturer")
    (folder / TEST_SET).write_bytes(data.test_set)
    write_task_file(
        folder / "task.toml",
        options.dataset,
        options.clients,
        options.rounds,
        [stage.addresses[role] for role in stage.edges],
        stage.authority_urls,
        phase_seconds,
        SUITES[stage.suite],
        deposits,
        cohort,
        options.mechanism,
        vouchers,
        rule_under(stage.suite, options.dataset, options.partition),
        stage.unopened,
    )
    stage.mechanism = terms_for(options.dataset, options.rounds, options.mechanism, options.clients)[1].mechanism
    stage.run(
        "post", "manufacturer", "task", "post", str(folder / "task.toml"),
        *("--edge", stage.route("manufacturer", stage.edge_url), "--store", str(stage.store)),
        *("--json", str(folder / "posted.json")),
    )  # fmt: skip
    stage.task = int(json.loads((folder / "posted.json").read_text())["task"])


def start_agent(stage: DemoStage, number: int, household: bytes) -> RoleProcess:
    role = client_name(number)
    (stage.folder(role) / "household.safetensors").write_bytes(household)
    return stage.start_client(role)


def await_servers(stage: DemoStage) -> None:
    """Until the edge server has claimed its fees and those of the authorities, and has its bond back."""
    reader = EthereumReader(stage.rpc_url, stage.domain.ledger)

    def settled() -> bool:
        view = reader.task(stage.task)
        return view.deposits == 0 and view.claimed == view.payable(reader.now())[1]

    stage.processes.await_until(settled)
    reader.close()


def _await_payments(stage: DemoStage, options: DemoOptions, console: Console) -> None:
    """Whoever has the page may have paused it or left: nobody can make it fetch what it earned."""
    try:
        await_servers(stage)
    except RoleFailedError:
        if not options.pages:
            raise
        console.print("the household with the page has not fetched what it earned")


def run_auditor(stage: DemoStage) -> dict[str, Any]:
    """``hearth audit`` as its own process with nothing but chain, store and what the authorities say that they issued;
    its answer, pass or fail.

    Whoever runs the demonstration trusts its own chain for the hash of its last block: all else is proven.
    """
    folder = stage.folder("auditor")
    stage.block = last_block_of(stage.rpc_url)
    evidence, verdict = stage.root / "evidence.json", folder / "verdict.json"
    auditor = stage.processes.start(
        "auditor",
        [
            "audit", "--rpc-url", stage.rpc_url, "--ledger", str(stage.domain), "--store", str(stage.store),
            "--task", str(stage.task), "--json", str(verdict), "--save-evidence", str(evidence),
            "--block", to_hex(stage.block), *(part for url in stage.authority_urls for part in ("--authority", url)),
        ],
        folder,
        stage.launchers.get("auditor", ()),
    )  # fmt: skip
    auditor.process.wait()
    if not verdict.is_file():
        raise HearthError(f"the auditor gave no verdict: {auditor.last_words()}")
    answer: dict[str, Any] = json.loads(verdict.read_text())
    return answer


def audit_command(stage: DemoStage) -> str:
    """What repeats the audit from the kept evidence alone, for a shell."""
    what = ("--ledger", str(stage.domain), "--task", str(stage.task), "--block", to_hex(stage.block))
    return shlex.join(
        ["hearth", "audit", "--evidence", str(stage.root / "evidence.json"), "--store", str(stage.store), *what]
    )


def _folder(options: DemoOptions, processes: Stage) -> Path:
    if options.keep is None:
        return processes.temporary_folder()
    root = Path(os.path.realpath(options.keep))  # also of links in a circle
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise OutputError(f"{root} is not empty; name a folder that --keep can have for itself")
    except OSError as error:
        raise OutputError(f"{root}: {reason(error)}; nothing was done yet") from error
    return root


def _watch(stage: DemoStage, options: DemoOptions, agents: list[RoleProcess], console: Console) -> None:
    """Progress of rounds while the phones work; ends when every phone has claimed and stopped."""
    with progress_of(console) as progress:
        bar = progress.add_task("phones enrol", total=options.rounds)

        def show() -> None:
            for role in stage.processes.roles:
                role.finished()  # a phone would wait long for a server that is gone
            told = _edge_status(stage)
            over = [entry for entry in told.rounds if entry.over] if told else []
            accuracy = [entry.accuracy for entry in over if entry.accuracy is not None]
            text = f"rounds, accuracy {accuracy[-1]:.3f}" if accuracy else "phones enrol"
            progress.update(bar, completed=len(over), description=text)

        stage.processes.await_end(agents, show, tick_seconds=0.5)
        show()


def _edge_status(stage: DemoStage) -> TaskStatus | None:
    """What the edge server says; None while it says nothing."""
    try:
        with client(5) as http:
            response = http.get(f"{stage.edge_url}/api/v1/tasks/{stage.task}")
        return decode(TaskStatus, response.content, MAX_STATUS_BYTES) if response.is_success else None
    except (httpx2.HTTPError, HearthError):
        return None


def _collect(stage: DemoStage, options: DemoOptions, data: Households) -> DemoReport:
    reports = [
        json.loads((stage.folder(client_name(number)) / "report.json").read_text()) for number in range(options.agents)
    ]
    reader = EthereumReader(stage.rpc_url, stage.domain.ledger)
    report = collect(reader, open_store(str(stage.store)), stage.task, _edge_status(stage), reports)
    report.persistence = persistence_of(report.spec.model, data.test_set)
    return report


def _as_json(
    options: DemoOptions, report: DemoReport, verdict: dict[str, Any], stage: DemoStage, seconds: float
) -> dict[str, Any]:
    return {
        "dataset": options.dataset,
        "partition": options.partition,
        "mechanism": options.mechanism,
        "clients": options.clients,
        "rounds": options.rounds,
        "seed": options.seed,
        "seconds": round(seconds, 1),
        **report.figures(),
        "audit": {name: verdict[name] for name in ("verdict", "checks", "failed")},
        "chain": options.chain,
        "store": "filesystem",
    }
