"""The block that an endpoint is held to: one that the reader names by its hash, or that several endpoints agree on."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.audit.evidence import UnverifiedEndpointError
from protocol.identifiers import Digest, to_hex
from storage.ledger.ethereum.header import Header
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.rpc import NodeProvider
from storage.ledger.interface import LedgerError


def vouched_header(node: NodeProvider, others: Sequence[NodeProvider], named: Digest | None) -> Header:
    """Of the named block, or of the last one that all endpoints have.

    Raises UnverifiedEndpointError where nobody but ``node`` vouches for it, LedgerError where ``node`` does not answer.
    """
    if named is None and not others:
        raise UnverifiedEndpointError("no block was named, and no other endpoint asked")
    first, rest = Node(node), [Node(other) for other in others]
    try:
        if named is None:
            last = first.block(min([first.block_number(), *(other.block_number() for other in rest)]))
            if last is None:
                raise UnverifiedEndpointError("the endpoint has no block of the number that it gave")
            named = last.hash
        header = first.header(named)
        if header is None or header.hash != named:
            raise UnverifiedEndpointError(f"the endpoint has no block {to_hex(named)}")
        for other in rest:
            theirs = other.block(header.number)
            if theirs is None or theirs.hash != header.hash:
                raise UnverifiedEndpointError(f"the endpoints do not agree about block {header.number}")
    except LedgerError as error:
        raise UnverifiedEndpointError(f"no block to go by: {error.args[0]}") from error
    return header
