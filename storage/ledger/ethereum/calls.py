"""Calls of the ledger contract as bytes; ``postTask`` both ways, so that a manufacturer can check a prepared one."""

from __future__ import annotations

from dataclasses import astuple

from protocol.deployment import TASKS
from protocol.errors import MalformedError, Party
from protocol.identifiers import NATIVE_COIN, Address
from protocol.keccak import keccak
from protocol.messages.chain import LedgerRules, TaskTerms
from protocol.messages.submission import BatchLeaf
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.decoding import struct
from storage.ledger.interface import LedgerError, PreparedTransaction


def encode_call(name: str, *arguments: object) -> bytes:
    """Selector and ABI encoding. Raises LedgerError for values out of range."""
    entry = abi.functions()[name]
    return entry.hash[:4] + abi.encode(entry.inputs, arguments)


def encode_proof(name: str, *arguments: object) -> bytes:
    """A proof for ``dispute``: a call of the judge. Raises LedgerError for values out of range."""
    entry = abi.proofs()[name]
    return entry.hash[:4] + abi.encode(entry.inputs, arguments)


def tasks_creation(rules: LedgerRules) -> bytes:
    """The code that creates a HearthTasks with these rules, and its judge: the first of a deployment's transactions."""
    return abi.bytecode(TASKS) + abi.encode(abi.constructor(TASKS), (astuple(rules),))


def ledger_creation(rules: LedgerRules, tasks: Address) -> bytes:
    """The code that creates the ledger over ``tasks``, which has the same rules: the second."""
    return abi.bytecode() + abi.encode(abi.constructor(), (astuple(rules), tasks))


def batch_leaf_values(leaf: BatchLeaf) -> tuple[object, ...]:
    """As the contracts take it."""
    return leaf.index, astuple(leaf.signed.commitment), leaf.signed.signature, leaf.proof


def prepare_post_task(ledger: Address, terms: TaskTerms, escrow: int) -> PreparedTransaction:
    """The unsigned ``postTask``; whoever signs it should first :func:`decode_post_task` it."""
    return PreparedTransaction(ledger, encode_call("postTask", astuple(terms)), escrow_value(terms, escrow))


def escrow_value(terms: TaskTerms, escrow: int) -> int:
    """What of the escrow goes along with the call, in wei: nothing when the ledger fetches a token."""
    return escrow if terms.token == NATIVE_COIN else 0


def encode_token_call(name: str, *arguments: Address | int) -> bytes:
    """``approve(address,uint256)``, ``allowance(address,address)``, ``balanceOf(address)`` of an ERC-20."""
    types = tuple("address" if isinstance(argument, bytes) else "uint256" for argument in arguments)
    return keccak(f"{name}({','.join(types)})".encode())[:4] + abi.encode(types, arguments)


def decode_post_task(prepared: PreparedTransaction) -> tuple[TaskTerms, int]:
    """Terms and value in wei of a call that someone else prepared. Raises MalformedError unless it is a ``postTask``.

    The caller compares them, and ``prepared.to``, with what it wants.
    """
    entry = abi.functions()["postTask"]
    if prepared.data[:4] != entry.hash[:4]:
        raise MalformedError("the prepared transaction is not a postTask", fault=Party.EDGE_SERVER)
    try:
        (values,) = abi.decode(entry.inputs, prepared.data[4:])
    except LedgerError as error:
        raise MalformedError("the prepared postTask has malformed terms", fault=Party.EDGE_SERVER) from error
    return struct(TaskTerms, values), prepared.value_wei
