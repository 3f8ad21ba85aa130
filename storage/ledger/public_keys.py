"""Accounts of the development chains: their private keys are public, so nothing of value may depend on them."""

from __future__ import annotations

from typing import Final

from protocol.identifiers import Address

# account 0 of anvil, and the one that our own development chain gives money
FUNDED_KEY: Final = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")

# eth-tester numbers its keys 1, 2, 3, ...; nobody draws such a key at random
SMALL_KEY: Final = 2**64

# anvil's and Hardhat's mnemonic (test ... junk), then ganache's (myth like bonus ...), path m/44'/60'/0'/0/i
_ADDRESSES: Final = frozenset(
    bytes.fromhex(text)
    for text in """
    f39fd6e51aad88f6f4ce6ab8827279cfffb92266
    70997970c51812dc3a010c7d01b50e0d17dc79c8
    3c44cdddb6a900fa2b585dd299e03d12fa4293bc
    90f79bf6eb2c4f870365e785982e1f101e93b906
    15d34aaf54267db7d7c367839aaf71a00a2c6a65
    9965507d1a55bcc2695c58ba16fb37d819b0a4dc
    976ea74026e726554db657fa54763abd0c3a0aa9
    14dc79964da2c08b23698b3d3cc7ca32193d9955
    23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f
    a0ee7a142d267c1f36714e4a8f75612f20a79720
    90f8bf6a479f320ead074411a4b0e7944ea8c9c1
    ffcf8fdee72ac11b5c542428b35eef5769c409f0
    22d491bde2303f2f43325b2108d26f1eaba1e32b
    e11ba2b4d45eaed5996cd0823791e0c93114882d
    d03ea8624c8c5987235048901fb614fdca89b117
    95ced938f7991cd0dfcb48f0a06a40fa1af46ebc
    3e5e9111ae8eb78fe1cc3bb8915d5d461f3ef9a9
    28a8746e75304c0780e011bed21c72cd78cd535e
    aca94ef8bd5ffee41947b4585a84bda5a3d3da6e
    1df62f291b2e969fb0849d99d9ce41e2f137006e
    """.split()
)


def is_public_key(private_key: bytes, address: Address) -> bool:
    return address in _ADDRESSES or int.from_bytes(private_key, "big") < SMALL_KEY
