"""Which chain a demonstration gets, and with whose money."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.chain.testnet import ChainChoiceError, start_chain
from scripts.demonstration.processes import Stage
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.keystore import write_keystore
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import PublicKeyError, Signer
from tests.samples import private_key


@pytest.mark.parametrize("chain", ["memory", "anvil"])
def test_a_started_chain_answers_and_ends_with_the_stage(chain: str, tmp_path: Path) -> None:
    with Stage() as stage:
        url, faucet = start_chain(stage, tmp_path / "chain", chain, None, None)
        provider = JsonRpcProvider(url)
        answer = provider.make_request("eth_getBalance", ["0x" + faucet.address.hex(), "latest"])
        assert int(answer["result"], 16) > 10**21
        provider.close()
    assert all(role.process.poll() is not None for role in stage.roles)


def _keystore(folder: Path, key: bytes) -> tuple[Path, Path]:
    write_keystore(folder / "keystore.json", key, "secret")
    (folder / "password").write_text("secret")
    return folder / "keystore.json", folder / "password"


def test_a_node_by_url_is_paid_from_a_keystore(tmp_path: Path) -> None:
    with Stage() as stage:
        url, faucet = start_chain(stage, tmp_path, "https://rpc.example.org", *_keystore(tmp_path, private_key("bank")))
        assert (url, faucet.address) == ("https://rpc.example.org", Signer(private_key("bank")).address)
        assert stage.roles == []


def test_a_published_key_is_refused_off_loopback(tmp_path: Path) -> None:
    keystore, password = _keystore(tmp_path, FUNDED_KEY)
    with Stage() as stage:
        start_chain(stage, tmp_path, "http://127.0.0.1:8545", keystore, password)
        with pytest.raises(PublicKeyError):
            start_chain(stage, tmp_path, "https://rpc.example.org", keystore, password)


@pytest.mark.parametrize("chain", ["", "sepolia", "ftp://rpc.example.org", "https://rpc.example.org"])
def test_no_chain_without_a_name_or_money(chain: str, tmp_path: Path) -> None:
    with Stage() as stage, pytest.raises(ChainChoiceError):
        start_chain(stage, tmp_path, chain, None, None)
