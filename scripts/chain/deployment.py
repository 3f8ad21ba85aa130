"""A deployment and its file: sent once, found again after a crash, never written over.

The file is written before the two transactions are sent, with the addresses that the account's next nonces lead to.
Whoever runs the same command again completes what was begun, or is told why that cannot be.
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
from protocol.deployment import LEDGER, TASKS, created_address
from protocol.errors import HearthError, MalformedError
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import DEFAULT_RULES, LedgerRules
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
from storage.ledger.interface import LedgerError
from storage.ledger.signer import Signer

MAX_FILE_BYTES: Final = 16 * 1024
SENT, DONE = "sent", "done"
BOTH: Final = 2


class DeploymentError(HearthError):
    """The file tells of something else than what is on chain, or of a deployment that cannot be completed."""

    code = "E_DEPLOYMENT"


@dataclass(frozen=True, slots=True)
class Deployment:
    """``block``: nothing of the ledger is earlier. ``nonce``: of the transaction that creates ``tasks``; the next one
    creates the ledger. ``artifact``: SHA-256 of both creation codes without their arguments. ``gas``: of the last call.
    """

    state: str
    chain_id: int
    ledger: str
    tasks: str
    block: int
    deployer: str
    nonce: int
    artifact: str
    rules: LedgerRules
    gas: int | None = None

    @property
    def address(self) -> Address:
        return address_of(self.ledger)

    @property
    def tasks_address(self) -> Address:
        return address_of(self.tasks)


def deploy_once(
    rpc_url: str,
    chain_id: int,
    signer: Signer,
    file: Path,
    confirmations: int = 0,
    rules: LedgerRules = DEFAULT_RULES,
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
        plan, tasks = _plan(chain, rules), None
        if file.exists():
            planned = read_deployment(file)
            if planned.rules != rules:
                raise DeploymentError(f"{file}: written already with other rules, {_text(planned.rules)}")
            stand = _count(planned, chain, rpc_url, file)
            if stand == BOTH:
                found = replace(planned, state=DONE)
                _write(file, found)
                return found, False
            if plan.nonce != planned.nonce + stand:
                raise DeploymentError(
                    f"{file}: begun at nonce {planned.nonce}, which waits in the node (next: {plan.nonce})"
                )
            plan, tasks = planned, planned.tasks_address if stand else None
        _write(file, plan)
        address, receipt = deploy(
            rpc_url, chain_id, signer, limits=limits, rules=rules, confirmations=confirmations, tasks=tasks
        )
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
        rules = LedgerRules(**content["rules"])
        deployment = Deployment(**{**content, "rules": rules})
        numbers = (deployment.chain_id, deployment.block, deployment.nonce, *astuple(rules))
        whole_numbers = all(type(number) is int for number in numbers)
        if not whole_numbers or not _possible(rules) or deployment.state not in (SENT, DONE):
            raise TypeError
        address_of(deployment.ledger)
        address_of(deployment.tasks)
        address_of(deployment.deployer)
    except (OSError, MalformedError, TypeError, KeyError, LedgerError) as error:
        raise DeploymentError(f"{file}: there is a file, but not one that tells of a deployment") from error
    return deployment


def artifact_hash() -> str:
    return hashlib.sha256(abi.bytecode(TASKS) + abi.bytecode(LEDGER)).hexdigest()


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


def _count(known: Deployment, chain: _Chain, rpc_url: str, file: Path) -> int:
    """How many of the two contracts stand. Raises DeploymentError when the rest cannot be created any more."""
    if known.chain_id != chain.id():
        raise DeploymentError(f"{file}: a deployment on chain {known.chain_id}, this is chain {chain.id()}")
    if known.artifact != artifact_hash():
        raise DeploymentError(f"{file}: a deployment of another version of the contract")
    reader = EthereumReader(rpc_url, known.address)
    try:
        ours = expected_codes(published_codes(), reader.domain, known.rules, known.tasks_address)
        if known.state == DONE and not reader.code():
            reader = _as_of_its_block(known, reader)
        if reader.code():
            if deployed_codes(reader) != ours:
                raise DeploymentError(f"{file}: {known.ledger} is not this contract, or has other rules")
            return BOTH
        first = reader.code(known.tasks_address)
    finally:
        reader.close()
    if known.state == DONE:
        raise DeploymentError(f"{file}: there is no contract at {known.ledger} on this chain")
    if known.deployer != to_hex(chain.deployer):
        raise DeploymentError(f"{file}: begun by another account, {known.deployer}")
    if first and first != ours[TASKS]:
        raise DeploymentError(f"{file}: {known.tasks} is not this contract, or has other rules")
    stand = 1 if first else 0
    if chain.nonce() > known.nonce + stand:
        raise DeploymentError(f"{file}: the deployment begun there failed or was replaced; remove the file to try anew")
    return stand


def _as_of_its_block(known: Deployment, reader: EthereumReader) -> EthereumReader:
    """Where the contract stands there: the node that was asked for the last block lags. Else the reader itself."""
    then = EthereumReader(reader.provider, known.address, at=known.block)
    try:
        return then if then.code() else reader
    except LedgerError:
        return reader


def _possible(rules: LedgerRules) -> bool:
    """What the contract's constructor asks for, and the widths of its members."""
    times = 0 < rules.waiting_seconds < 2**32 and 0 <= rules.claim_seconds < 2**32
    return times and 0 <= rules.floor <= rules.maximum < 2**8


def _text(rules: LedgerRules) -> str:
    reputation = f"maximum {rules.maximum}, floor {rules.floor}, waiting {rules.waiting_seconds} s"
    return f"{reputation}, claims {rules.claim_seconds} s"


def _plan(chain: _Chain, rules: LedgerRules) -> Deployment:
    nonce = chain.next_nonce()
    tasks, ledger = (to_hex(created_address(chain.deployer, nonce + place)) for place in range(BOTH))
    deployer = to_hex(chain.deployer)
    return Deployment(SENT, chain.id(), ledger, tasks, chain.block(), deployer, nonce, artifact_hash(), rules)


def _write(file: Path, deployment: Deployment) -> None:
    try:
        write_file_atomically(file, (json.dumps(asdict(deployment), indent=1, sort_keys=True) + "\n").encode(), 0o644)
    except OSError as error:
        raise DeploymentError(f"{file}: {error.strerror}") from error
