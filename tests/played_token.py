"""An ERC-20 on the chain of played tasks, with enough of it for those who pay."""

from __future__ import annotations

import json
from pathlib import Path

from web3 import Web3

from protocol.identifiers import Address
from protocol.signing import address_of
from storage.ledger import decoding
from storage.ledger.calls import encode_token_call
from storage.ledger.reader import EthereumReader
from storage.ledger.rpc import JsonRpcProvider
from storage.ledger.signer import Signer
from storage.ledger.transactions import TransactionSender
from tests.samples import private_key
from tests.tiny_task import audited_chain

CODE = bytes.fromhex(json.loads((Path(__file__).parent / "contracts" / "TestToken.json").read_text())["bytecode"][2:])
FUNDS = 10**9


def played_token(ledger: Address, name: str) -> Address:
    """Its address follows from the name alone, as that of the ledger."""
    chain, issuer = audited_chain(), Signer(private_key(f"issuer of {name}"))
    chain.fund(ledger, issuer.address)
    provider, chain_id = JsonRpcProvider(chain.rpc_url), EthereumReader(chain.rpc_url, ledger).domain.chain_id
    sender = TransactionSender(Web3(provider, middleware=[]), issuer, lambda: chain_id)
    token = decoding.address_of(sender.send(None, CODE).get("contractAddress"))
    for role in ("edge", "manufacturer"):
        sender.send(token, encode_token_call("mint", address_of(private_key(role)), FUNDS))
    provider.close()
    return token
