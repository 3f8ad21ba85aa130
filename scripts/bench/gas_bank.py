"""A deployment on a local chain whose every transaction is metered by the contract function that it calls."""

from __future__ import annotations

import hashlib

from protocol.domain import Domain
from protocol.identifiers import Address, to_hex
from scripts.chain.testnet import chain_id_of
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.ethereum.rpc import JsonRpcProvider, RpcRefusedError
from storage.ledger.interface import PreparedTransaction, TransactionReceipt
from storage.ledger.signer import Signer

FUNDS_WEI = 10**20


def key_of(name: str) -> bytes:
    return hashlib.sha256(f"hearth bench gas: {name}".encode()).digest()


class MeteredLedger(EthereumLedger):
    """Notes name and gas of every call of the contract, whichever method of the port made it."""

    def __init__(self, rpc_url: str, domain: Domain, signer: Signer, meter: list[tuple[str, int]]) -> None:
        super().__init__(rpc_url, domain, signer, timeout_seconds=60)
        self._meter = meter
        self._names = {entry.hash[:4]: entry.name for entry in abi.functions().values()}

    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        receipt = super().send_prepared(prepared)
        self._meter.append((self._names[prepared.data[:4]], receipt.gas_used))
        return receipt


class Bank:
    """One deployment, its parties, and a clock that can be moved. ``meter``: what was measured since the last look."""

    def __init__(self, rpc_url: str, faucet: Signer) -> None:
        self.rpc_url = rpc_url
        self.meter: list[tuple[str, int]] = []
        chain_id = chain_id_of(rpc_url)
        ledger, created = deploy(rpc_url, chain_id, faucet)
        self.domain = Domain(chain_id, ledger)
        self.deployment_gas = created.gas_used
        self._funder = EthereumLedger(rpc_url, self.domain, faucet)
        self.edge, self.substitute, self.manufacturer = map(self._party, ("edge", "substitute", "manufacturer"))
        self.authorities = [self._party(f"authority {number}") for number in (1, 2, 3)]

    def _party(self, name: str) -> MeteredLedger:
        signer = Signer(key_of(name))
        self._funder.transfer(signer.address, FUNDS_WEI)
        return MeteredLedger(self.rpc_url, self.domain, signer, self.meter)

    def give(self, address: Address, amount_wei: int) -> None:
        """Plain money: the account exists afterwards."""
        self._funder.transfer(address, amount_wei)

    def pass_to(self, instant: int) -> None:
        """The next block is later than ``instant``."""
        node = JsonRpcProvider(self.rpc_url)
        wait = max(0, instant - self.edge.block_timestamp(self.edge.block_number())) + 1
        node.make_request("evm_increaseTime", [wait])
        node.make_request("evm_mine", [])
        node.close()

    def client_version(self) -> str:
        node = JsonRpcProvider(self.rpc_url)
        version = str(node.make_request("web3_clientVersion", [])["result"])
        node.close()
        return version

    def charges_modexp(self, price: int) -> bool:
        """Whether raising to 65537 modulo 2048 bits takes so much gas here: with one unit less it fails."""
        numbers = b"\xff" * 256 + bytes.fromhex("010001") + b"\xff" * 256
        data = b"".join(size.to_bytes(32, "big") for size in (256, 3, 256)) + numbers
        before = 21_000 + sum(16 if byte else 4 for byte in data)
        node = JsonRpcProvider(self.rpc_url)
        asked = {"to": to_hex(bytes(19) + b"\x05"), "data": to_hex(data), "gas": hex(before + price - 1)}
        try:
            node.make_request("eth_call", [asked, "latest"])
        except RpcRefusedError:
            return True
        finally:
            node.close()
        return False

    def taken(self) -> list[tuple[str, int]]:
        """What was measured since the last call."""
        taken, self.meter[:] = list(self.meter), []
        return taken

    def close(self) -> None:
        for ledger in (self._funder, self.edge, self.substitute, self.manufacturer, *self.authorities):
            ledger.close()
