"""Deployments on every chain that can run here: once, completed after a crash, never over another."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from protocol.audit.codes import expected_codes
from protocol.deployment import created_address
from protocol.messages.chain import DEFAULT_RULES, LedgerRules
from scripts.chain import deployment
from scripts.chain.deployment import Deployment, DeploymentError, artifact_hash, deploy_once, read_deployment
from scripts.cli import app
from storage.evidence import deployed_codes, published_codes
from storage.ledger.ethereum import ledger as adapter
from storage.ledger.ethereum.ledger import deploy
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.interface import WrongContractError
from storage.ledger.keystore import write_keystore
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import PublicKeyError, Signer
from tests.ports.chains import KINDS, RunningChain, running_chain
from tests.ports.unfriendly_rpc import UnfriendlyRpc, at, unfriendly
from tests.samples import private_key

OTHER_RULES = LedgerRules(maximum=9, floor=4, waiting_seconds=3_600, claim_seconds=7_200)


@pytest.fixture(params=KINDS)
def chain(request: pytest.FixtureRequest) -> RunningChain:
    return running_chain(request.param)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deployment.json"


def _crash(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def _first_of_two(chain: RunningChain, file: Path) -> Deployment:
    """A deployment that crashed once its HearthTasks was mined."""
    with mock.patch.object(adapter, "ledger_creation", _crash), pytest.raises(KeyboardInterrupt):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    return read_deployment(file)


def _take_nonce(chain: RunningChain) -> None:
    bank = chain.ledger(b"\x95" * 20, chain.faucet)
    bank.transfer(b"\x95" * 20, 1)
    bank.close()


def _leave_waiting(chain: RunningChain) -> None:
    account = "0x" + chain.faucet.address.hex()
    fields = {
        "chainId": chain.chain_id(), "nonce": int(chain.ask("eth_getTransactionCount", account, "pending"), 16),
        "gas": 21_000, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9, "value": 1, "to": b"\x95" * 20,
    }  # fmt: skip
    chain.ask("eth_sendRawTransaction", "0x" + chain.faucet.sign_transaction({**fields, "type": 2, "data": b""}).hex())


def test_a_deployment_survives_a_bad_endpoint(file: Path) -> None:
    chain = running_chain("memory")
    for seed in (1, 2):
        with unfriendly(UnfriendlyRpc(at(chain.rpc_url), seed, one_in=5)) as url:
            assert deploy_once(url, chain.chain_id(), chain.faucet, file.with_name(f"{seed}.json"))[1] is True
            assert deploy_once(url, chain.chain_id(), chain.faucet, file.with_name(f"{seed}.json"))[1] is False


def test_a_deployment_is_written_down_and_found_again(chain: RunningChain, file: Path) -> None:
    done, sent = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert sent
    content = json.loads(file.read_text())
    assert content["chain_id"] == int(chain.ask("eth_chainId"), 16)
    assert content["tasks"] == "0x" + created_address(chain.faucet.address, done.nonce).hex()
    assert content["ledger"] == "0x" + created_address(chain.faucet.address, done.nonce + 1).hex()
    assert (content["state"], content["block"], content["artifact"]) == ("done", done.block, artifact_hash())
    for contract in ("ledger", "tasks"):
        assert len(chain.ask("eth_getCode", content[contract], "latest")) > 1_000
    assert deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file) == (done, False)
    assert json.loads(file.read_text()) == content


def test_a_crash_before_the_transaction_leads_to_the_same_address(chain: RunningChain, file: Path) -> None:
    with mock.patch.object(deployment, "deploy", _crash), pytest.raises(KeyboardInterrupt):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    begun = read_deployment(file)
    assert begun.state == "sent"
    done, sent = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert sent and (done.ledger, done.state) == (begun.ledger, "done")


def test_a_crash_between_the_transactions_creates_the_ledger_alone(chain: RunningChain, file: Path) -> None:
    begun = _first_of_two(chain, file)
    sent_before = chain.sent(chain.faucet.address)
    done, sent = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert sent and chain.sent(chain.faucet.address) == sent_before + 1
    assert (done.ledger, done.tasks, done.state) == (begun.ledger, begun.tasks, "done")
    reader = EthereumReader(chain.rpc_url, done.address)
    expected = expected_codes(published_codes(), reader.domain, DEFAULT_RULES, done.tasks_address)
    assert deployed_codes(reader) == expected
    reader.close()


def test_a_ledger_whose_nonce_another_transaction_took_cannot_be_completed(chain: RunningChain, file: Path) -> None:
    _first_of_two(chain, file)
    _take_nonce(chain)
    with pytest.raises(DeploymentError, match="failed or was replaced"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)


def test_tasks_of_another_kind_get_no_ledger(file: Path) -> None:
    """Whoever can write the file could have the ledger delegate to code that takes all its money."""
    chain = running_chain("memory")
    _first_of_two(chain, file)
    other = deploy(chain.rpc_url, chain.chain_id(), Signer(FUNDED_KEY))[0]
    content = json.loads(file.read_text())
    nonce = chain.sent(chain.faucet.address) - 1
    file.write_text(json.dumps({**content, "tasks": "0x" + other.hex(), "nonce": nonce}))
    with pytest.raises(DeploymentError, match="is not this contract"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)


@pytest.mark.parametrize("waiting", [1, 2])
def test_transactions_that_wait_are_not_sent_twice(waiting: int, file: Path) -> None:
    chain = running_chain("anvil")
    with mock.patch.object(deployment, "deploy", _crash), pytest.raises(KeyboardInterrupt):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    with chain.mining_held():
        for _ in range(waiting):
            _leave_waiting(chain)
        with pytest.raises(DeploymentError, match="waits in the node"):
            deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
        chain.mine()


def test_a_crash_after_the_transactions_finds_what_they_created(chain: RunningChain, file: Path) -> None:
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


def test_reading_does_not_begin_after_the_deployment(chain: RunningChain, file: Path) -> None:
    """Whoever does not see the first events takes an honest ledger for a dishonest one."""
    done, _ = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    bank = chain.ledger(done.address, chain.faucet)
    for _ in range(2):
        bank.transfer(Signer(private_key("somebody")).address, 1)
    bank.close()
    for first_block, said in ((done.block + 1, "was there before"), (10**6, "no such block yet")):
        late = chain.ledger(done.address, chain.faucet, first_block=first_block)
        with pytest.raises(WrongContractError, match=said):
            late.verify_contract()
        late.close()


def test_a_deployment_that_cannot_be_completed_is_said(chain: RunningChain, file: Path) -> None:
    with mock.patch.object(deployment, "deploy", _crash), pytest.raises(KeyboardInterrupt):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    begun = file.read_bytes()
    _take_nonce(chain)
    with pytest.raises(DeploymentError, match="failed or was replaced"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert file.read_bytes() == begun


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"chain_id": 5}, "chain 5"),
        ({"artifact": "00" * 32}, "another version"),
        ({"ledger": "0x" + "97" * 20}, "no contract"),
        ({"tasks": "0x" + "97" * 20}, "not this contract"),
        ({"tasks": 5}, "not one that tells"),
        ({"state": "sent", "ledger": "0x" + "97" * 20, "deployer": "0x" + "98" * 20}, "another account"),
        ({"state": "begun"}, "not one that tells"),
        ({"note": "mine"}, "not one that tells"),
        ({"rules": {"maximum": 5, "floor": 2}}, "not one that tells"),
        ({"rules": {"maximum": 5, "floor": 2, "waiting_seconds": 1}}, "not one that tells"),
        ({"rules": {**asdict(DEFAULT_RULES), "floor": 6}}, "not one that tells"),
        ({"rules": {**asdict(DEFAULT_RULES), "waiting_seconds": 3600}}, "written already with other rules"),
        ({"rules": {**asdict(DEFAULT_RULES), "claim_seconds": 3600}}, "written already with other rules"),
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
    rules = OTHER_RULES
    done, _ = deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file, rules=rules)
    assert read_deployment(file).rules == done.rules == rules
    reader = EthereumReader(chain.rpc_url, done.address)
    assert reader.rules() == rules
    reader.close()
    assert deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file, rules=rules) == (done, False)
    before = file.read_bytes()
    told = "written already with other rules, maximum 9, floor 4, waiting 3600 s, claims 7200 s"
    with pytest.raises(DeploymentError, match=told):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    assert file.read_bytes() == before


def test_a_file_that_tells_of_other_rules_than_the_chain_is_refused(file: Path) -> None:
    chain, rules = running_chain("memory"), OTHER_RULES
    deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file)
    file.write_text(json.dumps({**json.loads(file.read_text()), "rules": asdict(rules)}))
    with pytest.raises(DeploymentError, match="has other rules"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file, rules=rules)


@pytest.mark.parametrize(
    "change",
    [
        {"floor": 6},
        {"maximum": 256},
        {"floor": -1},
        {"waiting_seconds": 0},
        {"waiting_seconds": 2**32},
        {"claim_seconds": -1},
        {"claim_seconds": 2**32},
    ],
)
def test_rules_that_no_ledger_can_have_are_refused_before_anything_is_sent(file: Path, change: dict[str, int]) -> None:
    chain, rules = running_chain("memory"), replace(DEFAULT_RULES, **change)
    with pytest.raises(DeploymentError, match="no ledger can have"):
        deploy_once(chain.rpc_url, chain.chain_id(), chain.faucet, file, rules=rules)
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
    options += ["--claim-seconds", "7200"]
    refused = CliRunner().invoke(app, ["deploy", *arguments, *options])
    assert isinstance(refused.exception, DeploymentError) and "other rules" in str(refused.exception)
    file.unlink()
    assert CliRunner().invoke(app, ["deploy", *arguments, *options]).exit_code == 0
    assert read_deployment(file).rules == OTHER_RULES
