"""An Ethereum chain inside this process (eth-tester's py-evm): one block per transaction, a clock that can be moved.

Money is worthless here: the one funded key is public. Account 0 of the mnemonic ``test test ... junk``, as on anvil.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from eth.exceptions import Revert
from eth.vm.forks.shanghai import ShanghaiVM
from eth.vm.spoof import SpoofTransaction
from eth_keys.datatypes import PrivateKey
from eth_tester import PyEVMBackend
from eth_utils.exceptions import ValidationError

from storage.ledger.public_keys import FUNDED_KEY

FUNDED_WEI: Final = 10_000_000 * 10**18
CHAIN_ID: Final = 31337
GAS_LIMIT: Final = 30_000_000


class RefusedError(Exception):
    """A JSON-RPC error: code, message and, for a revert, its data."""

    def __init__(self, code: int, message: str, data: bytes | None = None) -> None:
        super().__init__(message)
        self.code, self.data = code, data


@dataclass(frozen=True, slots=True)
class Mined:
    """A block and, except in the first block and empty ones, its one transaction."""

    header: Any
    transaction: Any
    receipt: Any
    contract: bytes | None


class _DevelopmentVM(ShanghaiVM):
    """Blocks of one second may share a timestamp: otherwise a burst of transactions would outrun the real clock."""

    @classmethod
    def validate_header(cls, header: Any, parent_header: Any) -> None:
        if header.timestamp < parent_header.timestamp:
            raise ValidationError("a block earlier than its parent")


class DevelopmentChain:
    """Not for threads: the server holds a lock. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._offset = 0
        owner = PrivateKey(FUNDED_KEY).public_key.to_canonical_address()
        self._backend = PyEVMBackend(
            genesis_parameters=PyEVMBackend.generate_genesis_params(
                {"timestamp": int(clock()), "gas_limit": GAS_LIMIT}
            ),
            genesis_state={owner: {"balance": FUNDED_WEI, "nonce": 0, "code": b"", "storage": {}}},
            vm_configuration=((0, _DevelopmentVM),),
        )
        self._adopt_chain()
        self.blocks = [Mined(self._chain.get_canonical_head(), None, None, None)]
        self.by_transaction: dict[bytes, int] = {}
        self._snapshots: list[tuple[int, int]] = []

    @property
    def _chain(self) -> Any:
        return self._backend.chain

    @property
    def database(self) -> Any:
        """Nodes of the states' tries, by their hashes."""
        return self._chain.chaindb.db

    def _adopt_chain(self) -> None:
        self._backend.chain.chain_id = CHAIN_ID

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    def timestamp(self) -> int:
        """That of a block mined now."""
        return max(int(self._clock()) + self._offset, int(self.blocks[-1].header.timestamp))

    def send_raw_transaction(self, raw: bytes) -> bytes:
        """Mines the transaction in a block of its own, also when it reverts, as nodes do. Returns its hash."""
        try:
            transaction = self._chain.get_vm().get_transaction_builder().decode(raw)
            transaction.check_signature_validity()
            sender = transaction.sender
        except Exception as error:  # rlp and py-evm share no base class for what hostile bytes can cause
            raise RefusedError(-32602, f"not a transaction: {error}") from error
        if transaction.chain_id not in (None, CHAIN_ID):
            raise RefusedError(-32000, f"invalid chain id: {transaction.chain_id}")
        if transaction.hash in self.by_transaction:
            raise RefusedError(-32000, "already known")
        expected = self._state(None).get_nonce(sender)
        if transaction.nonce != expected:
            fault = "low" if transaction.nonce < expected else "high"
            raise RefusedError(-32000, f"nonce too {fault}: {expected} is next")
        self._mine(transaction)
        return bytes(transaction.hash)

    def mine(self) -> None:
        """An empty block."""
        self._mine(None)

    def _mine(self, transaction: Any) -> None:
        chain = self._chain
        chain.set_header_timestamp(self.timestamp())
        try:
            imported, receipts, computations = chain.mine_all([transaction] if transaction else [])
        except ValidationError as error:
            raise RefusedError(-32000, str(error)) from error
        contract = None
        if transaction and not transaction.to and not computations[0].is_error:
            contract = computations[0].msg.storage_address
        block = imported.imported_block
        self.blocks.append(Mined(block.header, transaction, receipts[0] if receipts else None, contract))
        if transaction:
            self.by_transaction[transaction.hash] = self.height

    def call(self, call: dict[str, Any], block: int | None) -> bytes:
        """Output of a call on the state after ``block``; None: as if in the next block. Raises RefusedError."""
        computation, _ = self._execute(call, block, call.get("gas", GAS_LIMIT))
        return bytes(computation.output)

    def estimate_gas(self, call: dict[str, Any]) -> int:
        computation, used = self._execute(call, None, GAS_LIMIT)
        refund = int(computation.get_gas_refund())
        # a call deeper down may hand on only 63/64 of what is left, hence the margin
        guess = min(GAS_LIMIT, (used + refund) * 65 // 64 + (3_000 if used > 21_000 else 0))
        while guess < GAS_LIMIT:
            try:
                self._execute(call, None, guess)
            except RefusedError:
                guess = min(GAS_LIMIT, guess * 5 // 4)  # it keeps more in reserve than that
            else:
                break
        return guess

    def _execute(self, call: dict[str, Any], block: int | None, gas: int) -> tuple[Any, int]:
        sender = call.get("from", bytes(20))
        state = self._state(block)
        unsigned = self._chain.create_unsigned_transaction(
            nonce=state.get_nonce(sender),  # an unsigned call has none of its own
            gas_price=0,
            gas=gas,
            to=call.get("to", b""),
            value=call.get("value", 0),
            data=call.get("data", b""),
        )
        transaction: Any = SpoofTransaction(unsigned, from_=sender)
        try:
            computation = state.apply_transaction(transaction)
        except ValidationError as error:
            raise RefusedError(-32000, str(error)) from error
        if computation.is_error:
            if isinstance(computation.error, Revert):
                raise RefusedError(3, "execution reverted", bytes(computation.output))
            raise RefusedError(-32000, f"execution failed: {type(computation.error).__name__}")
        return computation, gas - int(computation.get_gas_remaining())

    def _state(self, block: int | None) -> Any:
        """A throw-away state without base fee, so that calls need no money."""
        if block is None:
            header = self._chain.header.copy(timestamp=self.timestamp(), base_fee_per_gas=0)
        else:
            header = self.blocks[block].header.copy(base_fee_per_gas=0)
        return self._chain.get_vm(header).state

    def balance(self, address: bytes, block: int | None) -> int:
        return int(self._state(block).get_balance(address))

    def nonce(self, address: bytes, block: int | None) -> int:
        return int(self._state(block).get_nonce(address))

    def code(self, address: bytes, block: int | None) -> bytes:
        return bytes(self._state(block).get_code(address))

    def increase_time(self, seconds: int) -> int:
        """All later blocks are this much later. Returns the total shift in seconds."""
        self._offset += seconds
        return self._offset

    def snapshot(self) -> int:
        self._snapshots.append((self.height, self._offset))
        return len(self._snapshots)

    def revert(self, snapshot: int) -> bool:
        """Back to a snapshot, which is used up with all later ones."""
        if not 1 <= snapshot <= len(self._snapshots):
            return False
        height, self._offset = self._snapshots[snapshot - 1]
        del self._snapshots[snapshot - 1 :]
        self._backend.revert_to_snapshot(self.blocks[height].header.hash)
        self._adopt_chain()
        for mined in self.blocks[height + 1 :]:
            if mined.transaction:
                self.by_transaction.pop(mined.transaction.hash)
        del self.blocks[height + 1 :]
        return True
