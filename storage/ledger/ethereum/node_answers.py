"""The one place where what web3 raises for a node's answer becomes this package's two errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.exceptions import ValidationError
from web3.exceptions import Web3Exception

from protocol.text import in_words
from storage.ledger.ethereum.reverts import revert_of
from storage.ledger.ethereum.rpc import RpcRefusedError
from storage.ledger.interface import LedgerError

# web3 formats an answer before it checks it, so a malformed one can surface as any of these
_MALFORMED = (
    Web3Exception,
    DecodingError,
    EncodingError,
    ValidationError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
)


@contextmanager
def checked_answers(method: str, *, reverts: bool = False) -> Iterator[None]:
    """Turns malformed answers into LedgerError and, with ``reverts``, a refused call into TransactionRevertedError."""
    try:
        yield
    except RpcRefusedError as error:
        revert = revert_of(error) if reverts else None
        if revert is None:
            raise
        raise revert from error
    except _MALFORMED as error:
        raise LedgerError(f"{method}: malformed answer ({in_words(type(error).__name__)}: {error!s:.200})") from error
