"""What the phone must remember of one task across a kill: keys, sealed updates; durable before use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from client_agent.binding import TaskBinding
from client_agent.keystore import decode_master_keys, encode_master_keys
from protocol.encryption.committee import Subset, ratchet
from protocol.identifiers import Count, Digest, Signature
from protocol.messages.consent import Consent
from protocol.messages.round import CohortPlace
from protocol.messages.submission import InclusionProof, SignedCommitment, SignedReceipt
from protocol.messages.task import ShortText
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records


@dataclass(frozen=True, slots=True)
class Consented:
    """The folder is this task's from here on, by its owner's word; what was shown is in blobs."""

    binding: TaskBinding
    data_set: ShortText  # that its rounds are charged to, for good
    consent: Consent
    signature: Signature


@dataclass(frozen=True, slots=True)
class KeysKept:
    """The master keys as of ``epoch``; those of earlier ones are erased."""

    epoch: Count


@dataclass(frozen=True, slots=True)
class EnvelopeKept:
    """The master keys, sealed to the authorities' keys of a window; or the one of these that the chain knows."""

    window: Count
    digest: Digest


@dataclass(frozen=True, slots=True)
class Sealed:
    """One encrypted update, ready to be sent and sent again; with ``place`` also directly, whoever keeps the plan."""

    commitment: SignedCommitment
    place: CohortPlace


@dataclass(frozen=True, slots=True)
class ReceiptKept:
    round: Count
    receipt: SignedReceipt


@dataclass(frozen=True, slots=True)
class Included:
    """Where the batch of this root holds the update: who shows it to the ledger is paid without any server."""

    round: Count
    root: Digest
    inclusion: InclusionProof


AgentEntry = Consented | KeysKept | EnvelopeKept | Sealed | ReceiptKept | Included


@dataclass(frozen=True, slots=True)
class AgentState:
    """By round where it is a mapping."""

    consented: Consented | None = None
    key_epoch: int | None = None
    envelope: Digest | None = None  # the last one
    envelopes: Mapping[int, Digest] = field(default_factory=dict)  # by window
    sealed: Mapping[int, Sealed] = field(default_factory=dict)
    receipts: Mapping[int, SignedReceipt] = field(default_factory=dict)
    included: Mapping[int, Included] = field(default_factory=dict)


def apply(state: AgentState, entry: AgentEntry) -> AgentState:
    match entry:
        case Consented():
            return replace(state, consented=entry)
        case KeysKept(epoch):
            return replace(state, key_epoch=epoch)
        case EnvelopeKept(window, digest):
            return replace(state, envelope=digest, envelopes={**state.envelopes, window: digest})
        case Sealed(signed, _):
            return replace(state, sealed={**state.sealed, signed.commitment.round: entry})
        case ReceiptKept(number, receipt):
            return replace(state, receipts={**state.receipts, number: receipt})
        case Included(number, _, _):
            return replace(state, included={**state.included, number: entry})


class AgentJournal:
    """The phone's records of one task."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._folded: Folded[AgentState, AgentEntry] = Folded(records, get_args(AgentEntry), AgentState(), apply)

    def close(self) -> None:
        self._records.close()

    @property
    def consented(self) -> Consented | None:
        """The owner's word, and the task that this folder is bound to by it."""
        return self._folded.state.consented

    @property
    def has_keys(self) -> bool:
        return self._folded.state.key_epoch is not None

    @property
    def envelope(self) -> Digest | None:
        """The last one; of a phone that is enrolled the one that the chain knows."""
        return self._folded.state.envelope

    @property
    def envelopes(self) -> Mapping[int, Digest]:
        """All that may be on their way, by window of rounds."""
        return self._folded.state.envelopes

    @property
    def sealed(self) -> Mapping[int, Sealed]:
        return self._folded.state.sealed

    @property
    def receipts(self) -> Mapping[int, SignedReceipt]:
        """The edge server's word for a round that its batch will hold the update."""
        return self._folded.state.receipts

    @property
    def included(self) -> Mapping[int, Included]:
        """Where the batch of a round holds the update; the chain may have taken that batch back."""
        return self._folded.state.included

    def keep_consent(
        self, binding: TaskBinding, data_set: str, consent: Consent, signature: Signature, shown: Mapping[str, bytes]
    ) -> None:
        """The first one stays."""
        kept = Change((Consented(binding, data_set, consent, signature),), shown)
        self._folded.change(lambda state: NOTHING if state.consented else kept)

    def shown(self, name: str) -> bytes:
        """What the owner was shown: ``consent.txt`` or ``consent.json``."""
        return self._records.blob(name)

    def keep_keys(self, keys: Mapping[Subset, bytes], epoch: int = 0) -> None:
        """The master keys of ``epoch``, 0 as enrolled; those of earlier ones are erased."""
        self._folded.change(lambda state: _keys_kept(state, keys, epoch))

    def keys_of(self, epoch: int) -> dict[Subset, bytes]:
        """Moves the master keys on to ``epoch``, for good. Raises EncryptionError ``E_EPOCH`` for one that is over."""
        state = self._folded.change(lambda state: self._keys_moved(state, epoch))
        return self._keys(state, epoch)

    def keep_envelope(self, window: int, data: bytes, digest: Digest) -> None:
        self._folded.change(lambda _: Change((EnvelopeKept(window, digest),), {_envelope_blob(window): data}))

    def envelope_bytes(self, window: int) -> bytes:
        return self._records.blob(_envelope_blob(window))

    def enrolled_with(self, digest: Digest) -> None:
        """The chain knows this one of the envelopes."""

        def change(state: AgentState) -> Change:
            (window,) = (window for window, kept in state.envelopes.items() if kept == digest)
            return NOTHING if state.envelope == digest else Change((EnvelopeKept(window, digest),))

        self._folded.change(change)

    def seal(self, sealed: Sealed, body: bytes) -> Sealed:
        """Keeps the update and moves the keys on past its round, in one change.

        No second update can be encrypted for a round that has one, and no thief of the phone opens the first.
        """
        number = sealed.commitment.commitment.round

        def change(state: AgentState) -> Change:
            moved = self._keys_moved(state, number + 1)
            return Change((sealed, *moved.entries), {_body_blob(number): body, **moved.keep}, moved.remove)

        self._folded.change(change)
        return sealed

    def body(self, round_number: int) -> bytes:
        """The ciphertext."""
        return self._records.blob(_body_blob(round_number))

    def keep_receipt(self, round_number: int, receipt: SignedReceipt) -> None:
        """Verified; the first one of a round stays."""
        kept = Change((ReceiptKept(round_number, receipt),))
        self._folded.change(lambda state: NOTHING if round_number in state.receipts else kept)

    def keep_inclusion(self, round_number: int, root: Digest, inclusion: InclusionProof) -> None:
        """Verified; another batch that the chain has instead takes its place."""
        kept = Included(round_number, root, inclusion)
        self._folded.change(lambda state: NOTHING if state.included.get(round_number) == kept else Change((kept,)))

    def _keys(self, state: AgentState, epoch: int) -> dict[Subset, bytes]:
        assert state.key_epoch is not None
        held = decode_master_keys(self._records.blob(_keys_blob(state.key_epoch)))
        return ratchet(held, epoch - state.key_epoch)

    def _keys_moved(self, state: AgentState, epoch: int) -> Change:
        if state.key_epoch is None or epoch <= state.key_epoch:
            return NOTHING
        return _keys_kept(state, self._keys(state, epoch), epoch)


def _keys_kept(state: AgentState, keys: Mapping[Subset, bytes], epoch: int) -> Change:
    before = () if state.key_epoch is None else (_keys_blob(state.key_epoch),)
    return Change((KeysKept(epoch),), {_keys_blob(epoch): encode_master_keys(keys)}, before)


def _keys_blob(epoch: int) -> str:
    return f"master-keys-{epoch}.json"


def _envelope_blob(window: int) -> str:
    return f"envelope-{window}.json"


def _body_blob(round_number: int) -> str:
    return f"body-{round_number}"
