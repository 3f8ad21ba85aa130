"""What a server makes sure of before it listens, so that a wrong option is one line at the start and not silence.

What cannot come right by itself ends the process; what may, an authority that is not up yet, is said and let be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from storage.http import shown_url
from storage.ledger.interface import Head, LedgerError, WrongChainError, WrongContractError

CHAIN_PATIENCE_SECONDS: Final = 30.0
CONTRACT_PATIENCE_SECONDS: Final = 6.0
MOST_PAUSE_SECONDS: Final = 5.0

_log = structlog.get_logger()


class StartError(HearthError):
    """The server cannot work as it was told to."""

    code = "E_START"


class Reader(Protocol):
    """The part of :class:`~storage.ledger.ethereum.reader.EthereumReader` that is asked here."""

    @property
    def domain(self) -> Domain: ...
    def verify_contract(self) -> None: ...
    def balance(self, address: Address) -> int: ...


class Tagging(Protocol):
    def head(self) -> Head: ...


def check_chain(
    reader: Reader,
    url: str,
    patience_seconds: float = CHAIN_PATIENCE_SECONDS,
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """That a ledger of this protocol answers at this endpoint; the endpoint itself may take ``patience_seconds``.

    Raises WrongChainError at once, WrongContractError soon (a node may lag behind a deployment of a moment ago),
    StartError when the time is over.
    """
    until, seconds = clock() + patience_seconds, 0.25
    while True:
        try:
            return reader.verify_contract()
        except WrongChainError:
            raise
        except LedgerError as error:
            left = until - clock()
            if isinstance(error, WrongContractError) and left <= patience_seconds - CONTRACT_PATIENCE_SECONDS:
                raise
            if left <= 0:
                raise StartError(
                    f"the chain's endpoint {shown_url(url)} gave no answer for {patience_seconds:g} s: {error.args[0]}"
                ) from error
            if seconds == 0.25:
                _log.warning("the chain is asked again", url=shown_url(url), error=str(error), seconds=round(left))
            pause(min(seconds, left))
            seconds = min(2 * seconds, MOST_PAUSE_SECONDS)


def check_tag(reader: Tagging, tag: str | None) -> None:
    """That the endpoint knows a block with the tag, where one is asked for. Raises StartError."""
    if tag is None:
        return
    try:
        reader.head()
    except LedgerError as error:
        raise StartError(
            f"the chain's endpoint has no {tag} block, and --confirm-by asks for it: {error.args[0]}"
        ) from error


def check_gas(reader: Reader, account: Address) -> None:
    """Says when the account cannot pay for a single transaction: it can be given something later."""
    try:
        if reader.balance(account) == 0:
            _log.warning("no coin for gas: nothing can be sent until this account has some", account=to_hex(account))
    except LedgerError as error:
        _log.warning("the balance could not be read", account=to_hex(account), error=str(error))
