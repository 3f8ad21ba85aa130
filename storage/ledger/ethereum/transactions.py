"""Sends one account's transactions: checked before they are sent, in nonce order, awaited until they are final."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from eth_typing import BlockNumber
from web3 import Web3
from web3.types import TxParams, Wei

from protocol.deployment import created_address
from protocol.identifiers import Address
from protocol.keccak import keccak
from storage.ledger.ethereum.account import FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS, OVERTAKEN_POLLS, Account, block_of
from storage.ledger.ethereum.decoding import address_of
from storage.ledger.ethereum.fees import Fees, current_fees
from storage.ledger.ethereum.node_answers import checked_answers
from storage.ledger.ethereum.pace import Pace
from storage.ledger.ethereum.reverts import revert_of
from storage.ledger.ethereum.rpc import NodeProvider, RpcRefusedError
from storage.ledger.ethereum.web3_provider import web3_over
from storage.ledger.gas_limits import GasLimitError, GasLimits
from storage.ledger.interface import LedgerError, TransactionRevertedError, UnansweredError
from storage.ledger.signer import Signer

GAS_MARGIN_PERCENT: Final = 25  # state may move between the estimate and the block
GAS_MARK: Final = 1_000
MAX_ATTEMPTS: Final = 6  # at a free nonce, and at a nonce that nobody takes away
MAX_REPLACEMENTS: Final = 6  # each a quarter dearer: at most four times the first price, or what the market asks
OVERTAKEN_SECONDS: Final = 15.0  # it must go on as long: to send it once more would pay twice
MAX_CLEARED: Final = 16
TRANSFER_GAS: Final = 21_000
_NONCE_USED: Final = ("nonce", "replacement transaction", "be replaced", "replaced by")
_UNDERPRICED: Final = ("underpriced", "less than block base fee", "fee too low", "max fee per gas less")
_ALREADY_THERE: Final = ("already known", "already imported", "known transaction")


@dataclass(slots=True)
class _Sent:
    """One nonce of ours and everything that was signed for it: whichever is mined, it is the same call."""

    fields: dict[str, Any]
    fees: Fees
    raws: list[bytes] = field(default_factory=list)
    unanswered: UnansweredError | None = None  # as long as no node is known to have it

    @property
    def nonce(self) -> int:
        return int(self.fields["nonce"])


class TransactionSender:
    """May be shared by threads; several processes may share the account, at the price of some retries.

    What is waiting is known to the node alone: a restarted process goes on behind it, and clears it out of the way when
    it is stuck, so after a crash the caller reads the chain's state before it sends again.
    """

    def __init__(
        self, provider: NodeProvider, signer: Signer, chain_id: Callable[[], int], pace: Pace, limits: GasLimits
    ) -> None:
        """``chain_id``: of the one chain that it signs for, once the node is known to be of it."""
        self._eth = web3_over(provider).eth
        self._signer = signer
        self._address = Web3.to_checksum_address(signer.address)
        self._account = Account(self._eth, self._address, pace)
        self._chain_id, self._limits = chain_id, limits
        self._pace = pace
        self._lock = threading.Lock()
        self._in_flight: set[int] = set()

    def price(self) -> int:
        """Wei that it would offer now for each unit of gas."""
        return current_fees(self._eth, self._limits).price

    def send(self, to: Address | None, data: bytes, value_wei: int = 0, confirmations: int = 0) -> Mapping[str, Any]:
        """web3's receipt of the successful transaction with ``confirmations`` blocks upon its own; ``to`` None creates.

        A transaction that falls out of the chain before that is sent again under its own nonce, so it counts once.
        Raises TransactionRevertedError (nothing was sent, or it was mined and failed) or LedgerError (the outcome is
        unknown when nothing was heard of it in time; UnansweredError where no node ever said that it has it).
        """
        call: TxParams = {"from": self._address, "data": Web3.to_hex(data)}
        if to is not None:
            call["to"] = Web3.to_checksum_address(to)
        if value_wei:
            call["value"] = Wei(value_wei)
        for _ in range(MAX_ATTEMPTS):
            with self._lock:  # in order: each estimate sees what the transactions before it have changed
                gas = self._account.estimate(call)
                # two processes of one account must not sign the very same transaction: each would take it for its own
                margin = gas * GAS_MARGIN_PERCENT // 100 + secrets.randbelow(GAS_MARK)
                sent = self._broadcast(call, self._limits.offered(gas, margin))
            try:
                receipt = self._await(sent, confirmations)
            finally:
                with self._lock:
                    self._in_flight.discard(sent.nonce)
            if receipt is None:
                continue
            self._account.saw_mined(sent.nonce, block_of(receipt))
            if receipt.get("status") != 1:
                raise self._reason(call, receipt)
            if to is None and address_of(receipt.get("contractAddress")) != self._created(sent):
                raise LedgerError("a receipt that names another contract than the one created")
            return receipt
        raise LedgerError(f"the account's other senders took {MAX_ATTEMPTS} nonces away")

    def _broadcast(self, call: TxParams, gas: int) -> _Sent:
        """Puts the call before the node at the next free nonce."""
        fees, pause = current_fees(self._eth, self._limits), FIRST_POLL_SECONDS
        call_fields = {"to": call.get("to", b""), "data": call["data"], "value": int(call.get("value", 0)), "gas": gas}
        for _ in range(MAX_ATTEMPTS):
            nonce = max([self._account.next_nonce(), *(taken + 1 for taken in self._in_flight)])
            sent = _Sent({**call_fields, "nonce": nonce}, fees)
            try:
                self._submit(sent)
            except RpcRefusedError as error:
                if _says(error, _NONCE_USED):
                    ours = self._account.has(sent.raws[-1], error.repeated)
                    if not ours:  # another process of this account was faster
                        self._pace.sleep(pause)
                        pause *= 2
                        continue
                elif _says(error, _UNDERPRICED):
                    fees = fees.raised(self._limits.max_price)
                    continue
                else:
                    raise
            except UnansweredError as error:
                sent.unanswered = error  # it may have been taken: it is awaited, and repeated once
            self._in_flight.add(nonce)
            return sent
        raise LedgerError(f"no free nonce, or no price that the node takes, in {MAX_ATTEMPTS} attempts")

    def _submit(self, sent: _Sent) -> None:
        """Signs and sends with the fees of ``sent``.

        Raises RpcRefusedError unless the node takes or has it, TransactionRevertedError from nodes that mine at once.
        """
        raw = self._signer.sign_transaction({**sent.fields, **sent.fees.fields(), "chainId": self._chain_id()})
        sent.raws.append(raw)
        try:
            with checked_answers("eth_sendRawTransaction"):
                self._eth.send_raw_transaction(raw)
        except RpcRefusedError as error:
            if _says(error, _ALREADY_THERE):
                return
            # ganache gives data with either refusal
            revert = None if _says(error, (*_NONCE_USED, *_UNDERPRICED)) else revert_of(error)
            if revert is not None:
                raise revert from error
            raise

    def _await(self, sent: _Sent, confirmations: int) -> Mapping[str, Any] | None:
        """The receipt once it is deep enough; None when another transaction has the nonce, as deep."""
        since = tried = self._pace.monotonic()
        seen: tuple[object, int] | None = None
        pause, overtaken = FIRST_POLL_SECONDS, list[float]()
        while True:
            try:
                head = self._account.block_number() if confirmations else 0
                receipt = self._account.receipt(sent.raws)
                passed = receipt is None and self._account.count_at(head, confirmations) > sent.nonce
            except LedgerError:  # what was sent may be mined whatever this answer was
                if self._pace.monotonic() - since >= self._pace.receipt_seconds:
                    raise
                self._pace.sleep(LONGEST_POLL_SECONDS)
                continue
            now = self._pace.monotonic()
            overtaken = [*overtaken, now] if passed else []
            if len(overtaken) >= OVERTAKEN_POLLS and now - overtaken[0] >= OVERTAKEN_SECONDS:
                return None
            if receipt is not None and (not confirmations or head >= block_of(receipt) + confirmations):
                return receipt
            if receipt is not None:
                if seen != (seen := (receipt.get("blockHash"), head)):
                    since = now
            elif seen is not None:
                seen, since, tried = None, now, now
                with suppress(LedgerError):
                    self._repeat(sent)
            elif sent.unanswered is not None and not passed and now - since >= self._pace.untaken_seconds:
                self._send_untaken(sent)
            elif now - tried >= self._pace.stuck_seconds:
                tried = now
                with suppress(LedgerError):  # what was sent before still stands
                    self._hurry(sent)
            if now - since >= self._pace.receipt_seconds:
                raise LedgerError(f"nothing heard of 0x{keccak(sent.raws[-1]).hex()} for {now - since:.0f} s")
            self._pace.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)

    def _send_untaken(self, sent: _Sent) -> None:
        """Once more, where no answer came. Raises UnansweredError when there is none now, and no node knows it."""
        raw, unanswered = sent.raws[-1], sent.unanswered
        sent.unanswered = None
        try:
            self._repeat(sent)
        except UnansweredError as error:
            with suppress(LedgerError):
                if self._account.has(raw, repeated=False) or self._account.receipt(sent.raws) is not None:
                    return
            raise UnansweredError(
                f"nobody knows whether transaction 0x{keccak(raw).hex()} was taken: the endpoint gave no answer to it,"
                f" twice; it may still be mined, so look for it before sending again ({error.args[0]})"
            ) from unanswered

    def _created(self, sent: _Sent) -> Address:
        """Follows from account and nonce: money may go there, so it is not the node's word."""
        return created_address(self._signer.address, sent.nonce)

    def _hurry(self, sent: _Sent) -> None:
        """Nobody mines it: offers more, or clears away what lies before it, from an earlier life of this process."""
        first = self._account.count("latest")
        if first < sent.nonce:
            with self._lock:
                foreign = [nonce for nonce in range(first, sent.nonce) if nonce not in self._in_flight]
            for nonce in foreign[:MAX_CLEARED]:
                nothing = {"to": self._address, "data": b"", "value": 0, "gas": TRANSFER_GAS, "nonce": nonce}
                self._replace(_Sent(nothing, sent.fees))
        else:
            self._replace(sent)
        self._repeat(sent)

    def _replace(self, sent: _Sent) -> None:
        try:
            market = current_fees(self._eth, self._limits)
        except GasLimitError:
            return  # what was sent before still stands
        while len(sent.raws) <= MAX_REPLACEMENTS:
            dearer = sent.fees.raised(self._limits.max_price).at_least(market)
            if sent.raws and dearer == sent.fees:
                return
            sent.fees = dearer
            try:
                self._submit(sent)
            except RpcRefusedError as error:
                if _says(error, _UNDERPRICED):
                    continue
            except TransactionRevertedError:
                pass
            return  # taken, or refused because it is mined or the money is short: what was sent before still stands

    def _repeat(self, sent: _Sent) -> None:
        """For a node that forgot it; the dearest first, the usual answer is that it has it already."""
        for raw in reversed(sent.raws):
            try:
                with checked_answers("eth_sendRawTransaction"):
                    self._eth.send_raw_transaction(raw)
            except RpcRefusedError:
                pass

    def _reason(self, call: TxParams, receipt: Mapping[str, Any]) -> TransactionRevertedError:
        """Why a mined transaction failed: the same call on the state after its block, which may since have changed."""
        with suppress(LedgerError):  # that it failed is known
            try:
                with checked_answers("eth_call", reverts=True):
                    self._eth.call(call, BlockNumber(block_of(receipt)))
            except TransactionRevertedError as error:
                return error
        return TransactionRevertedError("Reverted")


def _says(error: RpcRefusedError, phrases: tuple[str, ...]) -> bool:
    return any(phrase in error.reason.lower() for phrase in phrases)
