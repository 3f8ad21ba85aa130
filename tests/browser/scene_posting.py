"""An edge server with its pages on a real chain, and a wallet that the browser is given: it forwards to the chain,
whose first account is unlocked, and does what people do with wallets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

from playwright.sync_api import BrowserContext

from backend.api.app import edge_app
from backend.bonds import BondKeeper
from backend.dashboard.app import add_dashboard
from backend.dashboard.frame import LOOPBACK_NAMES, pages_of
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from backend.rounds.hosted_task import HostedTask
from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from backend.rounds.performer import Performer
from protocol.identifiers import to_hex
from protocol.messages.chain import TaskPosted
from protocol.task.documents import Kind
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.interface import LedgerError
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from storage.task_reader import TaskReader
from tests.browser.served import served
from tests.ports.chains import RunningChain
from tests.samples import private_key
from tests.unit.backend.rounds.scene_committee import PlayedCommittee
from tests.unit.storage.pages.scene_face import Counting

REFUSED: Final = {"code": 4001, "message": "User rejected the request."}
_PROVIDER: Final = """window.ethereum = {request: async ({method, params}) => {
    const answer = await window.askWallet(method, params || []);
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.result;
}};"""


@dataclass
class PlayedWallet:
    """``refuses``: methods that its owner says no to. ``elsewhere``: the chain it is on, if not on this one, and
    ``moves``: whether it changes when asked. ``spoils``: sends something else at the same nonce, and first."""

    chain: RunningChain
    refuses: set[str] = field(default_factory=set)
    elsewhere: int = 0
    moves: bool = True
    spoils: str = ""
    sent: list[dict[str, Any]] = field(default_factory=list)

    def attach(self, context: BrowserContext) -> None:
        """Before the context's first page is loaded."""
        context.expose_function("askWallet", self.ask)
        context.add_init_script(_PROVIDER)

    @property
    def account(self) -> str:
        return to_hex(self.chain.faucet.address)

    def ask(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method in self.refuses:
            return {"error": REFUSED}
        if method == "eth_requestAccounts":
            return {"result": [self.account]}
        if method == "eth_chainId" and self.elsewhere:
            return {"result": hex(self.elsewhere)}
        if method == "wallet_switchEthereumChain":
            self.elsewhere = 0 if self.moves else self.elsewhere
            return {"result": None} if self.moves else {"error": {"code": 4902, "message": "no such chain here"}}
        if method == "eth_sendTransaction":
            return self._send(params[0])
        try:
            return {"result": self.chain.ask(method, *params)}
        except LedgerError as error:
            return {"error": {"code": -32000, "message": str(error.args[0])}}

    def _send(self, call: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(call)
        if not self.spoils:
            return {"result": self.chain.ask("eth_sendTransaction", call)}
        with self.chain.mining_held():
            found = self.chain.ask("eth_sendTransaction", call)
            nonce = self.chain.ask("eth_getTransactionByHash", found)["nonce"]
            other = dict(call) if self.spoils == "price" else {"from": self.account, "to": self.account, "value": "0x0"}
            price = {"maxFeePerGas": hex(10**11), "maxPriorityFeePerGas": hex(5 * 10**10)}
            self.chain.ask("eth_sendTransaction", {**other, **price, "nonce": nonce})
            self.chain.mine()
        return {"result": found}


@dataclass
class Edge:
    origin: str
    ledger: EthereumLedger
    store: MemoryStore


@contextmanager
def edge_server(chain: RunningChain) -> Iterator[Edge]:
    """Its ledger is fresh; its committee is never asked."""
    address, signer = chain.deploy(), Signer(private_key("posting edge"))
    chain.fund(address, signer.address)
    ledger, store, records = chain.ledger(address, signer), MemoryStore(), (MemoryRecords(), MemoryRecords())
    journal, inbox = EdgeJournal(records[0]), Inbox(records[1])
    committee = cast(CommitteeClient, PlayedCommittee(ledger.domain))

    def host(posted: TaskPosted) -> HostedTask:
        reader = TaskReader(store, posted.task, list(Kind))
        performer = Performer(ledger, store, journal, committee, reader, driver.pause, frozenset())
        told = driver.wake, performer.seconds, driver.deep, performer.endorsing.endorsements
        desk = Desk(ledger.domain, signer, posted.task, journal, inbox, frozenset(), *told)
        return HostedTask(posted, ledger, performer, desk, BondKeeper(ledger, 0))

    driver = Driver(ledger, inbox, host, Polling(ledger, 0.05))
    driver.start()
    try:
        app = edge_app(ledger, store, driver)
        add_dashboard(app, pages_of(frozenset(LOOPBACK_NAMES), Counting()))
        with served(app) as origin:
            yield Edge(origin, ledger, store)
    finally:
        driver.stop()
        ledger.close()
