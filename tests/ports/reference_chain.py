"""The ledger in this process behind the same handle as the chains of ``chains``."""

from __future__ import annotations

from typing import Final

from protocol.domain import Domain
from protocol.identifiers import Address
from storage.ledger.interface import Ledger
from storage.ledger.signer import Signer
from tests.reference_ledger.chain import MemoryChain
from tests.reference_ledger.ledger import MemoryLedger

START: Final = 1_700_000_000
DOMAIN: Final = Domain(31337, b"\x1e" * 20)
_BANK: Final = b"\xba" * 20


class ReferenceToken:
    """An ERC-20, which everybody may mint."""

    address: Final = b"\x70" * 20

    def __init__(self, chain: MemoryChain) -> None:
        self._chain = chain

    def mint(self, holder: Address, amount: int) -> None:
        self._chain.issue(self.address, {holder: amount})


class ReferenceChain:
    """Its local clock stands still; only :meth:`pass_time` moves time on."""

    def __init__(self) -> None:
        self._chain = MemoryChain(DOMAIN, lambda: START, held={_BANK: 10**26})

    def deploy(self) -> Address:
        """It comes with its one ledger."""
        return DOMAIN.ledger

    def ledger(self, address: Address, signer: Signer) -> Ledger:
        assert address == DOMAIN.ledger
        return MemoryLedger(self._chain, signer.address)

    def fund(self, ledger: Address, address: Address, amount_wei: int = 10**18) -> None:
        self._chain.transfer(_BANK, address, amount_wei)

    def pass_time(self, seconds: int) -> None:
        self._chain.pass_time(seconds)
        self._chain.mine()

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self._chain.mine()

    def snapshot(self) -> int:
        return len(self._chain.blocks) - 1

    def revert(self, snapshot: int) -> None:
        self._chain.forget(snapshot)

    def token(self) -> ReferenceToken:
        return ReferenceToken(self._chain)

    def chain_id(self) -> int:
        return DOMAIN.chain_id

    def sent(self, address: Address) -> int:
        return sum(block.sender == address for block in self._chain.blocks)
