"""An ERC-20 on a development chain: that of the contract's own tests, which everybody may mint."""

from __future__ import annotations

import json
from pathlib import Path

from eth_abi.abi import encode

from protocol.identifiers import Address
from protocol.keccak import keccak
from storage.ledger.ethereum.calls import encode_token_call
from storage.ledger.ethereum.decoding import address_of
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.signer import Signer
from tests.ports.chains import RunningChain

_ARTIFACT = Path(__file__).parents[1] / "contracts" / "TestToken.json"


class ChainToken:
    """Deployed by the chain's faucet, or by an ``issuer``, from whose nonces its address follows."""

    def __init__(self, chain: RunningChain, ledger: Address, issuer: Signer | None = None) -> None:
        self._bank = chain.ledger(ledger, issuer or chain.faucet)
        code = bytes.fromhex(json.loads(_ARTIFACT.read_text())["bytecode"][2:])
        self.address = address_of(self._bank._sender().send(None, code).get("contractAddress"))

    def mint(self, holder: Address, amount: int) -> None:
        self._bank._sender().send(self.address, encode_token_call("mint", holder, amount))

    def ban(self, holder: Address, banned: bool) -> None:
        """From now on, or no longer, nothing of it reaches the holder."""
        data = keccak(b"ban(address,bool)")[:4] + encode(["address", "bool"], [holder, banned])
        self._bank._sender().send(self.address, data)

    def hesitate(self) -> None:
        """From now on an allowance changes from zero or to zero only."""
        self._bank._sender().send(self.address, keccak(b"hesitate()")[:4])

    def close(self) -> None:
        self._bank.close()


def sent_by(ledger: EthereumLedger) -> int:
    """How many transactions of its account are mined."""
    return ledger._sender()._account.count("latest")
