"""The contract on an anvil of its own that asks for no signatures and no gas: a block for each call, at a given time.

Quick enough for thousands of calls and views. The port's adapter is tested elsewhere; here nothing of it is in between.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from http.client import HTTPConnection
from typing import Any, Final

from eth_abi.abi import encode

from protocol.domain import Domain
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.keccak import keccak
from scripts.chain.development import CHAIN_ID
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.calls import encode_call, encode_token_call, ledger_creation, tasks_creation
from storage.ledger.ethereum.decoding import decode_logs
from storage.ledger.ethereum.reverts import decode_revert
from storage.ledger.ethereum.writer import LedgerWriter
from storage.ledger.interface import PreparedTransaction, TransactionReceipt
from tests.contracts.rebuilt import RULES
from tests.contracts.test_token import CODE
from tests.ports.chains import running_chain
from tests.reference_ledger.rounds import HASHES

START: Final = 1_700_000_000
GAS: Final = 20_000_000
FUNDS: Final = 10**24
OPTIONS: Final = (
    *("--base-fee", "0", "--gas-price", "0", "--timestamp", str(START), "--no-mining", "--auto-impersonate"),
    "--disable-code-size-limit",  # mutants are compiled without the optimiser; test_deployment.py measures the others
)

REVERTS: Final = "0x60006000fd"

View = tuple[str, tuple[object, ...]]  # its name in the contract, its arguments
Holding = tuple[Address, Address]  # token, holder
Question = tuple[str, tuple[Any, ...]]  # method and parameters of JSON-RPC


class RefusedError(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.data = bytes.fromhex(str(error.get("data", "0x"))[2:])


class AnvilSide:
    """One ledger, and one token of which the ``rich`` have as much as of the coin. ``now`` is the next block's time."""

    def __init__(self, rich: Sequence[Address]) -> None:
        self._connection = HTTPConnection(running_chain("anvil", *OPTIONS).rpc_url.removeprefix("http://"))
        self.now = START
        self.ask("anvil_setBlockTimestampInterval", 0)  # else blocks that are mined together follow the local clock
        for address in rich:
            self.ask("anvil_setBalance", _hex(address), hex(FUNDS))
        self.ledger = self._create(rich[0], ledger_creation(RULES, self._create(rich[0], tasks_creation(RULES))))
        self.token = self._create(rich[0], CODE)
        for address in rich:
            self.mine(address, self.token, encode_token_call("mint", address, FUNDS), 0)
        self.domain = Domain(CHAIN_ID, self.ledger)

    def ask(self, method: str, *parameters: Any) -> Any:
        """Raises RefusedError."""
        (answer,) = self._post([(method, parameters)])
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer["result"]

    def mine(self, sender: Address, to: Address | None, data: bytes, value: int) -> dict[str, Any]:
        """The receipt of a call, whether it succeeded or not."""
        call = _call(sender, to, data, value)
        transaction = self.ask("eth_sendTransaction", call)
        self.ask("evm_mine", {"timestamp": self.now})
        receipt: dict[str, Any] = self.ask("eth_getTransactionReceipt", transaction)
        return receipt

    def mine_empty(self, count: int) -> None:
        if count:
            self.ask("evm_mine", {"timestamp": self.now})
            self.ask("anvil_mine", hex(count - 1))

    def number(self) -> int:
        """That of the next block."""
        return int(self.ask("eth_blockNumber"), 16) + 1

    def hash_of(self, number: int) -> Digest:
        """As a call in the next block is told it."""
        if not self.number() - HASHES <= number < self.number():
            return ZERO_DIGEST
        return bytes.fromhex(self.ask("eth_getBlockByNumber", hex(number), False)["hash"][2:])

    def refusal(self, sender: Address, data: bytes, value: int) -> bytes | None:
        """With what a call of the ledger would end in a block of ``now``; None when it would succeed."""
        call = _call(sender, self.ledger, data, value)
        try:
            self.ask("eth_call", call, "latest", {}, {"time": hex(self.now), "number": hex(self.number())})
        except RefusedError as error:
            return error.data
        return None

    def views(self, views: Sequence[View], holdings: Sequence[Holding]) -> tuple[list[tuple[Any, ...]], list[int]]:
        """What the ledger shows, member by member, and the balances."""
        questions = [_view(self.ledger, name, arguments) for name, arguments in views]
        questions += [_balance(token, holder) for token, holder in holdings]
        answers = [answer["result"] for answer in self._post(questions)]
        shown = [_shown(name, answer) for (name, _), answer in zip(views, answers, strict=False)]
        return shown, [int(answer, 16) for answer in answers[len(views) :]]

    def ban(self, token: Address, holder: Address, banned: bool) -> None:
        """Of the coin: an account with code that refuses whatever it is called with."""
        if any(token):
            data = keccak(b"ban(address,bool)")[:4] + encode(["address", "bool"], [holder, banned])
            assert self.mine(holder, token, data, 0)["status"] == "0x1"
        else:
            self.ask("anvil_setCode", _hex(holder), REVERTS if banned else "0x")

    def _create(self, sender: Address, code: bytes) -> Address:
        return bytes.fromhex(self.mine(sender, None, code, 0)["contractAddress"][2:])

    def _post(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}
            for number, (method, parameters) in enumerate(questions)
        ]
        self._connection.request("POST", "/", json.dumps(batch), {"Content-Type": "application/json"})
        answers = json.loads(self._connection.getresponse().read())
        return sorted(answers, key=lambda answer: answer["id"])


class ContractSide(LedgerWriter):
    """The port's writing half for one account of an AnvilSide."""

    def __init__(self, side: AnvilSide, sender: Address) -> None:
        self._side, self._sender = side, sender
        self.ledger = side.ledger

    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        side, call = self._side, (self._sender, prepared.data, prepared.value_wei)
        data = side.refusal(*call)
        if data is not None:
            raise decode_revert(data)
        mined = side.mine(self._sender, prepared.to, prepared.data, prepared.value_wei)
        assert mined["status"] == "0x1", f"refused when mined only: {side.refusal(*call)!r}"
        logs = [
            {
                "address": log["address"],
                "topics": [bytes.fromhex(topic[2:]) for topic in log["topics"]],
                "data": bytes.fromhex(log["data"][2:]),
                "blockNumber": int(log["blockNumber"], 16),
                "logIndex": int(log["logIndex"], 16),
                "transactionHash": bytes.fromhex(log["transactionHash"][2:]),
            }
            for log in mined["logs"]
        ]
        block = int(mined["blockNumber"], 16)
        transaction = bytes.fromhex(mined["transactionHash"][2:])
        return TransactionReceipt(transaction, block, int(mined["gasUsed"], 16), decode_logs(logs, self.ledger))

    def approve(self, token: Address, amount: int) -> None:
        data = encode_token_call("approve", self.ledger, amount)
        assert self._side.mine(self._sender, token, data, 0)["status"] == "0x1"


# Most views are what they were a call ago: their coding is most of the work, so it is done once.


@cache
def _view(ledger: Address, name: str, arguments: tuple[object, ...]) -> Question:
    return "eth_call", (_call(bytes(20), ledger, encode_call(name, *arguments), 0), "latest")


@cache
def _balance(token: Address, holder: Address) -> Question:
    if not any(token):
        return "eth_getBalance", (_hex(holder), "latest")
    return "eth_call", (_call(bytes(20), token, encode_token_call("balanceOf", holder), 0), "latest")


@cache
def _shown(name: str, answer: str) -> tuple[Any, ...]:
    return abi.decode(abi.functions()[name].outputs, bytes.fromhex(answer[2:]))


def _call(sender: Address, to: Address | None, data: bytes, value: int) -> dict[str, str]:
    call = {"from": _hex(sender), "data": _hex(data), "value": hex(value), "gas": hex(GAS), "gasPrice": "0x0"}
    return call if to is None else {**call, "to": _hex(to)}


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
