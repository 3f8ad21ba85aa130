"""A deployment and its file: sent once, found again after a crash, never written over.

The file is written before the transaction is sent, with the address that the account's next nonce leads to. Whoever
runs the same command again completes what was begun, or is told why that cannot be.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Final

from eth_typing import BlockNumber
from web3 import Web3
from web3.types import BlockIdentifier

from protocol.audit.codes import expected_codes
from protocol.deployment import created_address
from protocol.errors import HearthError, MalformedError
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import DEFAULT_RULES, ReputationRules
from protocol.strict_json import parse_json
from storage.durable_file import write_file_atomically
from storage.evidence import deployed_codes, published_codes
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.decoding import address_of, whole
from storage.ledger.ethereum.ledger import EthereumReader, deploy
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.node_answers import checked_answers
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.ethereum.web3_provider import web3_over
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits
from storage.ledger.signer import Signer

MAX_FILE_BYTES: Final = 16 * 1024
SENT, DONE = "sent", "done"


class DeploymentError(HearthError):
    """The file tells of something else than what is on chain, or of a deployment that cannot be completed."""

    code = "E_DEPLOYMENT"


@dataclass(frozen=True, slots=True)
class Deployment:
    """``block``: nothing of the ledger is earlier. ``artifact``: SHA-256 of the creation code without its arguments."""

    state: str
    chain_id: int
    ledger: str
    block: int
    deployer: str
    nonce: int
    artifact: str
    rules: ReputationRules
    gas: int | None = None

    @property
    def address(self) -> Address:
        return address_of(self.ledger)


def deploy_once(
    rpc_url: str,
    chain_id: int,
    signer: Signer,
    file: Path,
    confirmations: int = 0,
    rules: ReputationRules = DEFAULT_RULES,
    limits: GasLimits = DEFAULT_GAS_LIMITS,
) -> tuple[Deployment, bool]:
    """The deployment that ``file`` tells of afterwards, and whether this call sent it.

    Raises DeploymentError, PublicKeyError, LedgerError (outcome unknown: call again).
    """
    if not _possible(rules):
        raise DeploymentError(f"no ledger can have the rules {_text(rules)}")
    signer.require_private(rpc_url)
    provider = JsonRpcProvider(rpc_url, timeout_seconds=30)
    chain = _Chain(web3_over(provider), signer.address)
    try:
        Node(provider).require_chain(chain_id)
        planned = read_deployment(file) if file.exists() else None
        if planned is not None:
            if planned.rules != rules:
                raise DeploymentError(f"{file}: written already with other rules, {_text(planned.rules)}")
            found = _check(planned, chain, rpc_url, file)
            if found is not None:
                _write(file, found)
                return found, False
        plan = _plan(chain, rules)
        if planned is not None and planned.ledger != plan.ledger:
            raise DeploymentError(
                f"{file}: begun at nonce {planned.nonce}, which waits in the node (next: {plan.nonce})"
            )
        _write(file, plan)
        address, receipt = deploy(rpc_url, chain_id, signer, limits=limits, rules=rules, confirmations=confirmations)
        done = replace(plan, state=DONE, ledger=to_hex(address), block=receipt.block, gas=receipt.gas_used)
        _write(file, done)
        return done, True
    finally:
        provider.close()


def read_deployment(file: Path) -> Deployment:
    """Raises DeploymentError for a file that is none of these."""
    try:
        with file.open("rb") as opened:
            content = parse_json(opened.read(MAX_FILE_BYTES))
        rules = ReputationRules(**content["rules"])
        deployment = Deployment(**{**content, "rules": rules})
        numbers = (deployment.chain_id, deployment.block, deployment.nonce, *astuple(rules))
        whole_numbers = all(type(number) is int for number in numbers)
        if not whole_numbers or not _possible(rules) or deployment.state not in (SENT, DONE):
            raise TypeError
        address_of(deployment.ledger)
        address_of(deployment.deployer)
    except (OSError, MalformedError, TypeError, KeyError) as error:
        raise DeploymentError(f"{file}: there is a file, but not one that tells of a deployment") from error
    return deployment


def artifact_hash() -> str:
    return hashlib.sha256(abi.bytecode()).hexdigest()


class _Chain:
    """What the deployer's account looks like."""

    def __init__(self, web3: Web3, deployer: Address) -> None:
        self._eth, self.deployer = web3.eth, deployer

    def id(self) -> int:
        with checked_answers("eth_chainId"):
            return whole(self._eth.chain_id, 2**256)

    def block(self) -> int:
        with checked_answers("eth_blockNumber"):
            return whole(self._eth.block_number)

    def nonce(self) -> int:
        """Transactions that are mined."""
        return self._count(BlockNumber(self.block()))

    def next_nonce(self) -> int:
        """Behind everything that waits."""
        return self._count("pending")

    def _count(self, block: BlockIdentifier) -> int:
        with checked_answers("eth_getTransactionCount"):
            return whole(self._eth.get_transaction_count(Web3.to_checksum_address(self.deployer), block))


def _check(known: Deployment, chain: _Chain, rpc_url: str, file: Path) -> Deployment | None:
    """The completed deployment; None when its transaction is not mined and never waited."""
    if known.chain_id != chain.id():
        raise DeploymentError(f"{file}: a deployment on chain {known.chain_id}, this is chain {chain.id()}")
    if known.artifact != artifact_hash():
        raise DeploymentError(f"{file}: a deployment of another version of the contract")
    reader = EthereumReader(rpc_url, known.address)
    try:
        code = reader.code()
        ours = expected_codes(published_codes(), reader.domain, known.rules)
        if code and deployed_codes(reader) != ours:
            raise DeploymentError(f"{file}: {known.ledger} is not this contract, or has other rules")
    finally:
        reader.close()
    if code:
        return replace(known, state=DONE)
    if known.state == DONE:
        raise DeploymentError(f"{file}: there is no contract at {known.ledger} on this chain")
    if known.deployer != to_hex(chain.deployer):
        raise DeploymentError(f"{file}: begun by another account, {known.deployer}")
    if chain.nonce() > known.nonce:
        raise DeploymentError(f"{file}: the deployment begun there failed or was replaced; remove the file to try anew")
    return None


def _possible(rules: ReputationRules) -> bool:
    """What the contract's constructor asks for, and the widths of its members."""
    return 0 <= rules.floor <= rules.maximum < 2**8 and 0 < rules.waiting_seconds < 2**32


def _text(rules: ReputationRules) -> str:
    return f"maximum {rules.maximum}, floor {rules.floor}, waiting {rules.waiting_seconds} s"


def _plan(chain: _Chain, rules: ReputationRules) -> Deployment:
    nonce = chain.next_nonce()
    ledger, deployer = created_address(chain.deployer, nonce), to_hex(chain.deployer)
    return Deployment(SENT, chain.id(), to_hex(ledger), chain.block(), deployer, nonce, artifact_hash(), rules)


def _write(file: Path, deployment: Deployment) -> None:
    try:
        write_file_atomically(file, (json.dumps(asdict(deployment), indent=1, sort_keys=True) + "\n").encode(), 0o644)
    except OSError as error:
        raise DeploymentError(f"{file}: {error.strerror}") from error
