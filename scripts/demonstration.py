"""``hearth demo``: one whole task with every role as its own process. It only starts roles, watches, and reports."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from protocol.randomness import Randomness, SeededRandomness
from scripts.demo_data import Households, households_of
from scripts.demo_report import DemoReport, collect, print_tables
from scripts.demo_task import write_task_file
from scripts.processes import RoleProcess, Stage
from storage.ledger.ethereum import EthereumLedger, deploy
from storage.ledger.signer import Signer, write_keystore

AUTHORITIES = 3
GRANT_WEI = 10**17  # what the demo's faucet gives to a role that pays gas


@dataclass(frozen=True)
class DemoOptions:
    dataset: str
    clients: int
    rounds: int
    chain: str  # memory, anvil or an RPC URL
    seed: int | None
    json_file: Path | None
    keep: Path | None
    keystore: Path | None = None  # a funded account, for an RPC URL
    password_file: Path | None = None


class _FreshRandomness:
    def draw(self, purpose: str, size: int) -> bytes:
        return secrets.token_bytes(size)


@dataclass
class Demo:
    """The stage: folders, keys and addresses of every role."""

    options: DemoOptions
    root: Path
    stage: Stage
    console: Console
    rpc_url: str = ""
    ledger: Address = b""
    edge_url: str = ""
    task: int = 0

    def __post_init__(self) -> None:
        seed = self.options.seed
        self.randomness: Randomness = (
            _FreshRandomness() if seed is None else SeededRandomness(b"hearth demo" + seed.to_bytes(8, "big"))
        )
        self.store = self.root / "store"
        self.store.mkdir(parents=True)

    def folder(self, role: str) -> Path:
        path = self.root / role
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def account(self, role: str) -> Signer:
        """A key for ``role``, in a keystore that only its own folder holds."""
        folder, key = self.folder(role), self.randomness.draw(f"account/{role}", 32)
        password = self.randomness.draw(f"password/{role}", 16).hex()
        write_keystore(folder / "keystore.json", key, password)
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text(password)
        return Signer(key)

    def arguments(self, role: str) -> list[str]:
        folder = self.folder(role)
        return [
            *("--rpc-url", self.rpc_url, "--ledger", to_hex(self.ledger)),
            *("--keystore", str(folder / "keystore.json"), "--password-file", str(folder / "password")),
        ]

    def start(self, role: str, *arguments: str) -> RoleProcess:
        return self.stage.start(role, arguments, self.folder(role))


def run_demo(options: DemoOptions, console: Console) -> int:
    """Exit code 0 only if the audit passes and every reward is claimed."""
    started = time.monotonic()
    with _folder(options) as root, Stage() as stage:
        demo = Demo(options, root, stage, console)
        data = households_of(options.dataset, options.clients, options.seed or 0)
        with console.status("starting chain, authorities and edge server"):
            _start_infrastructure(demo, data)
        with console.status("the manufacturer posts the task with its escrow"):
            _post_task(demo, data)
        agents = _start_agents(demo, data)
        _watch(demo, agents)
        with console.status("refund of what nobody earned, then the audit"):
            demo.stage.run("refund", ["task", "refund", *demo.arguments("manufacturer"), "--task", str(demo.task)],
                           demo.folder("manufacturer"))
            report = _audit_and_collect(demo, time.monotonic() - started)
        print_tables(report, console)
        if options.json_file is not None:
            options.json_file.write_text(json.dumps(report.as_json(), indent=2, sort_keys=True) + "\n")
        if options.keep is not None:
            console.print("Audit it again at any time, without the chain:")
            console.print(
                f"  hearth audit --evidence {root / 'evidence.json'} --store {demo.store}"
                f" --ledger {to_hex(demo.ledger)} --task {demo.task}",
                soft_wrap=True,
            )
        return 0 if report.audit["verdict"] == "PASS" and report.all_claimed else 1


@contextmanager
def _folder(options: DemoOptions) -> Iterator[Path]:
    if options.keep is not None:
        root = options.keep.resolve()
        if root.exists() and any(root.iterdir()):
            raise HearthError(f"{root} is not empty")
        yield root
        return
    root = Path(tempfile.mkdtemp(prefix="hearth-demo-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _start_infrastructure(demo: Demo, data: Households) -> None:
    from scripts.testnet import start_chain  # node tools only when anvil is asked for

    options = demo.options
    demo.rpc_url, faucet = start_chain(demo.stage, demo.folder("chain"), options.chain, options.keystore,
                                       options.password_file)
    roles = ["edge", "manufacturer", *(f"authority-{j}" for j in range(1, AUTHORITIES + 1))]
    accounts = {role: demo.account(role) for role in [*roles, *(_client(i) for i in range(options.clients))]}
    demo.ledger, _ = deploy(demo.rpc_url, faucet)
    bank = EthereumLedger(demo.rpc_url, demo.ledger, faucet)
    for role in ("edge", "manufacturer", _client(0)):
        bank.transfer(accounts[role].address, GRANT_WEI)
    authorities = []
    for j in range(1, AUTHORITIES + 1):
        role, folder = f"authority-{j}", demo.folder(f"authority-{j}")
        seed = folder / "seed"
        seed.write_bytes(demo.randomness.draw(f"seed/{role}", 32))
        authorities.append(
            (demo.start(role, "serve", "authority", *demo.arguments(role), "--folder", str(folder / "state"),
                        "--seed-file", str(seed), "--ready-file", str(folder / "ready")), folder / "ready")
        )
    urls = [process.ready(ready) for process, ready in authorities]
    ready = demo.folder("edge") / "ready"
    edge = demo.start(
        "edge", "serve", "edge", *demo.arguments("edge"), "--folder", str(demo.folder("edge") / "state"),
        "--store", str(demo.store), *[part for url in urls for part in ("--authority", url)],
        "--ready-file", str(ready), "--censor", to_hex(accounts[_client(0)].address),
    )
    demo.edge_url = edge.ready(ready)
    write_task_file(demo.folder("manufacturer"), options, data, accounts["edge"].address, urls)


def _post_task(demo: Demo, data: Households) -> None:
    folder = demo.folder("manufacturer")
    (folder / "test-set.safetensors").write_bytes(data.test_set)
    demo.stage.run(
        "task post",
        ["task", "post", str(folder / "task.toml"), *demo.arguments("manufacturer"), "--edge", demo.edge_url,
         "--store", str(demo.store), "--json", str(folder / "posted.json")],
        folder,
    )
    demo.task = int(json.loads((folder / "posted.json").read_text())["task"])


def _client(number: int) -> str:
    return f"client-{number:02d}"


def _start_agents(demo: Demo, data: Households) -> list[RoleProcess]:
    agents = []
    for number, household in enumerate(data.households):
        role, folder = _client(number), demo.folder(_client(number))
        (folder / "household.safetensors").write_bytes(household)
        arguments = [
            "agent", *demo.arguments(role), "--folder", str(folder / "state"), "--edge", demo.edge_url,
            "--data", str(folder / "household.safetensors"), "--store", str(demo.store), "--task", str(demo.task),
            "--report", str(folder / "report.json"), "--yes",
        ]
        if demo.options.seed is not None:
            (folder / "seed").write_bytes(demo.randomness.draw(f"seed/{role}", 32))
            arguments += ["--seed-file", str(folder / "seed")]
        agents.append(demo.start(role, *arguments))
    return agents


def _watch(demo: Demo, agents: list[RoleProcess]) -> None:
    """Progress of rounds while the phones work; ends when every phone has claimed and stopped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=demo.console, disable=not demo.console.is_terminal) as progress:
        bar = progress.add_task("rounds", total=demo.options.rounds)

        def look() -> None:
            status = _status(demo)
            rounds = [entry for entry in status.get("rounds", []) if entry.get("outcome")]
            accuracy = [entry["accuracy"] for entry in rounds if entry.get("accuracy") is not None]
            text = f"rounds, accuracy {accuracy[-1]:.3f}" if accuracy else "phones enrol"
            progress.update(bar, completed=len(rounds), description=text)

        demo.stage.await_end(agents, look, tick_seconds=0.5)
        look()


def _status(demo: Demo) -> dict[str, Any]:
    try:
        response = httpx2.get(f"{demo.edge_url}/api/v1/tasks/{demo.task}", timeout=5)
        status = response.json() if response.is_success else {}
    except (httpx2.HTTPError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


def _audit_and_collect(demo: Demo, seconds: float) -> DemoReport:
    folder, status = demo.folder("auditor"), _status(demo)
    evidence, verdict = demo.root / "evidence.json", folder / "verdict.json"
    auditor = demo.start(
        "auditor", "audit", "--rpc-url", demo.rpc_url, "--ledger", to_hex(demo.ledger), "--store", str(demo.store),
        "--task", str(demo.task), "--json", str(verdict), "--save-evidence", str(evidence),
    )
    auditor.process.wait()
    if not verdict.is_file():
        raise HearthError(f"the auditor gave no verdict:\n{auditor.tail()}")
    byte_reports = [json.loads((demo.folder(_client(i)) / "report.json").read_text())
                    for i in range(demo.options.clients)]
    reader = EthereumLedger(demo.rpc_url, demo.ledger, Signer(secrets.token_bytes(31) + b"\1"))
    return collect(demo.options, reader, demo.store, demo.task, status, byte_reports,
                   json.loads(verdict.read_text()), seconds)


