"""The reading half of the ledger port as of one block: each view is taken from a proof against its state root."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from protocol.audit.evidence import UnverifiedEndpointError
from protocol.identifiers import NATIVE_COIN, Address, to_hex
from protocol.keccak import keccak
from protocol.messages.chain import TaskView
from storage.ledger.ethereum.header import Header
from storage.ledger.ethereum.merkle_patricia import Account, FalseProofError, proven_account, proven_word
from storage.ledger.ethereum.node import Block
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import AnswerTooLargeError, NodeProvider, RpcRefusedError
from storage.ledger.ethereum.storage_layout import VIEWS, place_of, slots_of, value_at
from storage.ledger.interface import LedgerError, TransactionRevertedError

SLOTS_AT_ONCE: Final = 1_000  # in one question; nodes take 1,024
IN_CODE: Final = ("rules", "domainSeparator")  # what no storage holds: proven with the code


class ProvenReader(EthereumReader):
    """Raises FalseProofError where a proof does not hold, UnverifiedEndpointError where the node gives none.

    Views, codes and balances in coin are proven. Events and the times of their blocks are told: a task's word, which is
    proven, stands for them. The balance in a token is what the token's contract answers, by this node's word.
    """

    def __init__(
        self,
        node: NodeProvider,
        ledger: Address,
        header: Header,
        *,
        chain_id: int | None = None,
        first_block: int = 0,
    ) -> None:
        super().__init__(node, ledger, chain_id=chain_id, first_block=first_block, at=header.number)
        self._state_root = header.state_root
        self._accounts: dict[Address, Account] = {}
        self._words: dict[int, int] = {}

    def code(self, contract: Address | None = None) -> bytes:
        address = contract or self.ledger
        code = super().code(address)
        if keccak(code) != self._account(address).code_hash:
            raise FalseProofError(f"the code of {to_hex(address)} is not the one in the state")
        return code

    def balance(self, address: Address, token: Address = NATIVE_COIN) -> int:
        return super().balance(address, token) if token != NATIVE_COIN else self._account(address).balance

    def task(self, task: int) -> TaskView:
        if not 0 < task <= self.task_count():
            raise TransactionRevertedError("TaskUnknown", (task,))
        return super().task(task)

    def _view(self, name: str, *arguments: object, block: Block | None = None) -> Any:
        if name in IN_CODE:
            return super()._view(name, *arguments, block=block)
        if name not in VIEWS:
            raise LedgerError(f"{name}: not a view that storage alone shows")
        variable, *steps = VIEWS[name](*arguments)
        place = place_of(variable, *steps)
        self._prove([slot for slot in slots_of(place) if slot not in self._words])
        return value_at(place, self._words)

    def foresee(self, views: Iterable[tuple[str, tuple[object, ...]]]) -> None:
        """Proves what these views, by name and arguments, will show, by few questions: a node makes one answer of all
        of a contract's storage. What an endpoint gives no proof of so is asked for when it is needed."""
        places = (place_of(variable, *steps) for variable, *steps in (VIEWS[name](*given) for name, given in views))
        wanted = list(dict.fromkeys(slot for place in places for slot in slots_of(place)))
        with suppress(UnverifiedEndpointError, AnswerTooLargeError):
            for start in range(0, len(wanted), SLOTS_AT_ONCE):
                self._prove([slot for slot in wanted[start : start + SLOTS_AT_ONCE] if slot not in self._words])

    def _account(self, address: Address) -> Account:
        if address not in self._accounts:
            nodes, _ = self._proofs(address, [])
            self._accounts[address] = proven_account(self._state_root, address, nodes)
        return self._accounts[address]

    def _prove(self, slots: list[int]) -> None:
        if not slots:
            return
        root = self._account(self.ledger).storage_root
        _, proofs = self._proofs(self.ledger, slots)
        for slot, nodes in zip(slots, proofs, strict=True):
            self._words[slot] = proven_word(root, slot, nodes)

    def _proofs(self, address: Address, slots: list[int]) -> tuple[list[bytes], list[list[bytes]]]:
        try:
            return self._node.proof(address, slots, self._at)
        except RpcRefusedError as error:
            raise UnverifiedEndpointError(f"the endpoint gives no proofs: {error.args[0]}") from error
