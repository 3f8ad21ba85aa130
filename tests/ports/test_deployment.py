"""Deployments on every chain that can run here: once, completed after a crash, never over another."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from protocol.deployment import created_address
from protocol.messages.chain import DEFAULT_RULES, ReputationRules
from scripts.chain import deployment
from scripts.chain.deployment import DeploymentError, artifact_hash, deploy_once, read_deployment
from scripts.cli import app
from storage.ledger.ethereum.ledger import deploy
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.keystore import write_keystore
from storage.ledger.signer import PublicKeyError, Signer
from tests.ports.chains import KINDS, RunningChain, running_chain
from tests.samples import private_key


@pytest.fixture(params=KINDS)
def chain(request: pytest.FixtureRequest) -> RunningChain:
    return running_chain(request.param)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deployment.json"


def _crash(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_deployment_is_written_down_and_found_again(chain: RunningChain, file: Path) -> None:
    done, sent = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert sent
    content = json.loads(file.read_text())
    assert content["chain_id"] == int(chain.ask("eth_chainId"), 16)
    assert content["ledger"] == "0x" + created_address(chain.faucet.address, done.nonce).hex()
    assert (content["state"], content["block"], content["artifact"]) == ("done", done.block, artifact_hash())
    code = chain.ask("eth_getCode", content["ledger"], "latest")
    assert len(code) > 1_000
    assert deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file) == (done, False)
    assert json.loads(file.read_text()) == content


def test_a_crash_before_the_transaction_leads_to_the_same_address(chain: RunningChain, file: Path) -> None:
    with mock.patch.object(deployment, "deploy", _crash), pytest.raises(KeyboardInterrupt):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    begun = read_deployment(file)
    assert begun.state == "sent"
    done, sent = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert sent and (done.ledger, done.state) == (begun.ledger, "done")


def test_a_crash_after_the_transaction_finds_what_it_created(chain: RunningChain, file: Path) -> None:
    real = deploy

    def sent_and_killed(*arguments: object, **options: object) -> None:
        real(*arguments, **options)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with mock.patch.object(deployment, "deploy", sent_and_killed), pytest.raises(KeyboardInterrupt):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    count = chain.ask("eth_getTransactionCount", "0x" + chain.faucet.address.hex(), "latest")
    done, sent = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert not sent and read_deployment(file) == done and done.state == "done"
    assert chain.ask("eth_getTransactionCount", "0x" + chain.faucet.address.hex(), "latest") == count
    ledger = chain.ledger(done.address, chain.faucet, first_block=done.block)
    ledger.verify_contract()
    ledger.close()


def test_a_deployment_that_cannot_be_completed_is_said(chain: RunningChain, file: Path) -> None:
    with mock.patch.object(deployment, "deploy", _crash), pytest.raises(KeyboardInterrupt):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    begun = file.read_bytes()
    bank = chain.ledger(b"\x95" * 20, chain.faucet)
    bank.transfer(b"\x95" * 20, 1)  # takes the nonce
    bank.close()
    with pytest.raises(DeploymentError, match="failed or was replaced"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert file.read_bytes() == begun


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"chain_id": 5}, "chain 5"),
        ({"artifact": "00" * 32}, "another version"),
        ({"ledger": "0x" + "97" * 20}, "no contract"),
        ({"state": "sent", "ledger": "0x" + "97" * 20, "deployer": "0x" + "98" * 20}, "another account"),
        ({"state": "begun"}, "not one that tells"),
        ({"note": "mine"}, "not one that tells"),
        ({"rules": {"maximum": 5, "floor": 2}}, "not one that tells"),
        ({"rules": {"maximum": 5, "floor": 6, "waiting_seconds": 1}}, "not one that tells"),
        ({"rules": {"maximum": 5, "floor": 2, "waiting_seconds": 3600}}, "written already with other rules"),
    ],
)
def test_a_file_of_something_else_is_not_written_over(file: Path, change: dict[str, object], complaint: str) -> None:
    chain = running_chain("memory")
    deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    content = json.dumps({**json.loads(file.read_text()), **change})
    file.write_text(content)
    with pytest.raises(DeploymentError, match=complaint):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert file.read_text() == content


def test_a_contract_of_another_kind_is_not_taken_for_ours(file: Path) -> None:
    chain = running_chain("memory")
    deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    with mock.patch.object(deployment, "expected_codes", return_value={}):
        with pytest.raises(DeploymentError, match="not this contract"):
            deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)


def test_rules_of_ones_own_are_on_chain_and_in_the_file(chain: RunningChain, file: Path) -> None:
    rules = ReputationRules(maximum=9, floor=4, waiting_seconds=3_600)
    done, _ = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file, rules=rules)
    assert read_deployment(file).rules == done.rules == rules
    reader = EthereumReader(chain.rpc_url, done.address)
    assert reader.rules() == rules
    reader.close()
    assert deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file, rules=rules) == (done, False)
    before = file.read_bytes()
    with pytest.raises(DeploymentError, match="written already with other rules, maximum 9, floor 4, waiting 3600 s"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert file.read_bytes() == before


def test_a_file_that_tells_of_other_rules_than_the_chain_is_refused(file: Path) -> None:
    chain, rules = running_chain("memory"), ReputationRules(maximum=9, floor=4, waiting_seconds=3_600)
    deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    file.write_text(json.dumps({**json.loads(file.read_text()), "rules": asdict(rules)}))
    with pytest.raises(DeploymentError, match="has other rules"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file, rules=rules)


@pytest.mark.parametrize("rules", [(5, 6, 1), (256, 2, 1), (5, -1, 1), (5, 2, 0), (5, 2, 2**32)])
def test_rules_that_no_ledger_can_have_are_refused_before_anything_is_sent(
    file: Path, rules: tuple[int, int, int]
) -> None:
    chain = running_chain("memory")
    with pytest.raises(DeploymentError, match="no ledger can have"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file, rules=ReputationRules(*rules))
    assert not file.exists()


def test_a_published_key_deploys_on_loopback_only(file: Path) -> None:
    with pytest.raises(PublicKeyError):
        deploy_once("https://rpc.example.org", 1, running_chain("memory").faucet, file)
    assert not file.exists()


def test_the_command_says_what_it_did(file: Path, tmp_path: Path) -> None:
    chain, key = running_chain("memory"), private_key("deployer")
    chain.fund(b"\x95" * 20, Signer(key).address)
    write_keystore(tmp_path / "keystore", key, "secret")
    (tmp_path / "password").write_text("secret")
    arguments = ["--rpc-url", chain.rpc_url, "--keystore", str(tmp_path / "keystore"), "--json", str(file)]
    arguments += ["--chain-id", str(chain.chain_id())]
    arguments += ["--password-file", str(tmp_path / "password")]
    first, again = (CliRunner().invoke(app, ["deploy", *arguments]) for _ in range(2))
    ledger = read_deployment(file).ledger
    assert first.exit_code == again.exit_code == 0
    assert ledger in first.output and "gas" in first.output
    assert ledger in again.output and "nothing was sent" in again.output
    assert read_deployment(file).rules == DEFAULT_RULES
    options = ["--reputation-maximum", "9", "--reputation-floor", "4", "--waiting-seconds", "3600"]
    refused = CliRunner().invoke(app, ["deploy", *arguments, *options])
    assert isinstance(refused.exception, DeploymentError) and "other rules" in str(refused.exception)
    file.unlink()
    assert CliRunner().invoke(app, ["deploy", *arguments, *options]).exit_code == 0
    assert read_deployment(file).rules == ReputationRules(9, 4, 3_600)
