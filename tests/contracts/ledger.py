"""A HearthLedger on a chain in this process, without HTTP; its clock stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.messages.chain import DEFAULT_RULES, EnrolmentView, Event, LedgerRules, RoundView, Standing, TaskView
from scripts.chain.development import CHAIN_ID, DevelopmentChain, RefusedError
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.calls import encode_call, ledger_creation, tasks_creation
from storage.ledger.ethereum.decoding import decode_logs, struct
from storage.ledger.ethereum.reverts import decode_revert
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer
from tests.samples import private_key

START: Final = 1_700_000_000
GAS: Final = 25_000_000
FUNDS: Final = 10**21
CLIENTS: Final = 7
RULES: Final = replace(DEFAULT_RULES, claim_seconds=5)

Refusal = tuple[object, ...]  # name of the custom error without its prefix, then its arguments


@dataclass(frozen=True)
class Outcome:
    gas: int
    events: tuple[Event, ...]

    def sole(self) -> dict[str, Any]:
        """Name and own fields of the only event."""
        (event,) = self.events
        own = {name: getattr(event, name) for name in type(event).__annotations__}
        return {"event": type(event).__name__, **own}


class Ledger:
    """Parties are named: manufacturer, edge servers and stranger have money, clients only sign."""

    def __init__(self, chain: DevelopmentChain | None = None) -> None:
        self.chain = chain or DevelopmentChain(lambda: START)
        self.manufacturer, self.edge, self.substitute, self.stranger = (
            Signer(private_key(role)) for role in ("manufacturer", "edge", "substitute", "stranger")
        )
        self.clients = sorted((Signer(private_key("client", n)) for n in range(CLIENTS)), key=lambda one: one.address)
        self.faucet = Signer(FUNDED_KEY)
        self.address: Address = bytes(20)  # no ledger yet, so no events of it
        for party in (self.manufacturer, self.edge, self.substitute, self.stranger):
            self.transact(self.faucet, party.address, b"", FUNDS)
        self.address = self.deploy(RULES)
        self.domain = Domain(CHAIN_ID, self.address)

    def deploy(self, rules: LedgerRules) -> Address:
        return self.create(ledger_creation(rules, self.create(tasks_creation(rules))))

    def create(self, code: bytes) -> Address:
        self.transact(self.faucet, None, code)
        contract = self.chain.blocks[-1].contract
        assert contract is not None
        return bytes(contract)

    def send(self, sender: Signer, name: str, *arguments: object, value: int = 0) -> Outcome:
        """Mines a call that must succeed."""
        return self.transact(sender, self.address, encode_call(name, *arguments), value)

    def refusal(self, sender: Signer, name: str, *arguments: object, value: int = 0) -> Refusal:
        """Why a call that must fail would fail in the next block."""
        call = {"from": sender.address, "to": self.address, "data": encode_call(name, *arguments), "value": value}
        try:
            self.chain.call(call, None)
        except RefusedError as error:
            return decode_refusal(error.data or b"")
        raise AssertionError(f"{name} was not refused")

    def transact(self, sender: Signer, to: Address | None, data: bytes, value: int = 0) -> Outcome:
        transaction: dict[str, Any] = {"type": 2, "chainId": CHAIN_ID, "nonce": self.chain.nonce(sender.address, None)}
        transaction |= {"gas": GAS, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 0, "value": value, "data": data}
        if to is not None:
            transaction["to"] = to
        self.chain.send_raw_transaction(sender.sign_transaction(transaction))
        receipt = self.chain.blocks[-1].receipt
        if receipt.state_root != b"\x01":
            call = {"from": sender.address, "to": to or b"", "data": data, "value": value}
            try:
                self.chain.call(call, None)
            except RefusedError as error:
                raise AssertionError(f"reverted: {error} {decode_refusal(error.data or b'')}") from error
            raise AssertionError("reverted when mined only")
        return Outcome(receipt.gas_used, self._events())

    def _events(self) -> tuple[Event, ...]:
        mined = self.chain.blocks[-1]
        logs = [
            {
                "address": "0x" + log.address.hex(),
                "topics": [topic.to_bytes(32, "big") for topic in log.topics],
                "data": log.data,
                "blockNumber": self.chain.height,
                "logIndex": index,
                "transactionHash": bytes(mined.transaction.hash),
            }
            for index, log in enumerate(mined.receipt.logs)
        ]
        return decode_logs(logs, self.address)

    def view(self, name: str, *arguments: object) -> Any:
        """The one value, or the tuple of values, that a view returns."""
        output = self.chain.call({"to": self.address, "data": encode_call(name, *arguments)}, None)
        values = abi.decode(abi.functions()[name].outputs, output)
        return values[0] if len(values) == 1 else values

    def task_view(self, task: int) -> TaskView:
        return struct(TaskView, self.view("taskOf", task))

    def round_view(self, task: int, number: int) -> RoundView:
        return struct(RoundView, self.view("roundOf", task, number))

    def enrolment_view(self, task: int, client: Signer) -> EnrolmentView:
        return struct(EnrolmentView, self.view("enrolmentOf", task, client.address))

    def standing(self, client: Signer) -> Standing:
        return struct(Standing, self.view("standingOf", client.address))

    def balance(self, address: Address) -> int:
        return self.chain.balance(address, None)

    @property
    def now(self) -> int:
        """Timestamp of the next block."""
        return self.chain.timestamp()

    def pass_to(self, instant: int) -> None:
        """The next blocks carry this timestamp."""
        assert instant >= self.now
        self.chain.increase_time(instant - self.now)


def decode_refusal(data: bytes) -> Refusal:
    error = decode_revert(data)
    return (error.name, *error.arguments)
