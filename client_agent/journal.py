"""What the phone must remember of one task across a kill: keys, sealed updates; durable before use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from client_agent.binding import TaskBinding
from client_agent.keystore import decode_master_keys, encode_master_keys
from client_agent.privacy.followed import FollowedRound, decode_followed, encode_followed
from client_agent.remembered import (
    AgentEntry,
    AgentState,
    Consented,
    EnvelopeKept,
    Included,
    KeysKept,
    ReceiptKept,
    Restored,
    Resumed,
    RoundFollowed,
    RungChosen,
    Sealed,
    SecretDrawn,
    VoucherKept,
    VoucherPlanned,
    apply,
)
from protocol.encryption.committee import Subset, ratchet
from protocol.identifiers import Digest, Signature
from protocol.messages.consent import Consent
from protocol.messages.submission import InclusionProof, SignedReceipt
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records

__all__ = ["AgentJournal", "Consented", "Included", "Sealed"]

SECRET_BLOB: Final = "enrolment-secret"
BLINDING_BLOB: Final = "voucher-blinding"
VOUCHER_BLOB: Final = "voucher"


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
    def enrolment(self) -> Digest | None:
        """What rounds are charged to: the envelope, or what was drawn when this journal last came out of a backup."""
        return self._folded.state.restored[-1] if self.is_restored else self.envelope

    @property
    def enrolments(self) -> frozenset[Digest]:
        """All that rounds of this phone were ever charged to, or may have been."""
        state = self._folded.state
        return frozenset({*state.envelopes.values(), *state.restored})

    @property
    def is_restored(self) -> bool:
        """This journal came out of a backup, at some time."""
        return bool(self._folded.state.restored)

    @property
    def is_resumed(self) -> bool:
        """False from a restore on until :meth:`resume`: nothing may be joined before."""
        return self._folded.state.resumed

    @property
    def passed(self) -> int:
        """Rounds up to this one are joined no more: the phone that was lost may have been in them."""
        return self._folded.state.passed

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

    def restore(self, enrolment: Digest) -> None:
        """Says that this journal came out of a backup; ``enrolment`` is drawn."""
        self._folded.change(lambda _: Change((Restored(enrolment),)))

    def resume(self, passed: int, missed: Mapping[int, FollowedRound], *, enrolled: bool) -> None:
        """What happened after the backup is accounted for: ``missed`` are rounds that may have been trained in.

        The keys move on past all rounds up to ``passed``, so no update can be encrypted for one of them again. Those of
        an account that is not ``enrolled`` were in no round, and are still to be sealed.
        """

        def change(state: AgentState) -> Change:
            moved = self._keys_moved(state, passed + 1) if enrolled else NOTHING
            kept = [_followed(number, one) for number, one in missed.items() if number not in state.followed]
            entries = [entry for one in kept for entry in one.entries]
            keep = {name: data for one in kept for name, data in one.keep.items()}
            return Change((*entries, Resumed(passed), *moved.entries), {**keep, **moved.keep}, moved.remove)

        self._folded.change(change)

    def secret(self, drawn: bytes) -> bytes:
        """Of this enrolment, for noise that spans several rounds: the first one that was ``drawn`` stays."""
        kept = Change((SecretDrawn(),), {SECRET_BLOB: drawn})
        self._folded.change(lambda state: NOTHING if state.has_secret else kept)
        return self._records.blob(SECRET_BLOB)

    def plan_voucher(self, plan: VoucherPlanned, blinding: bytes) -> tuple[VoucherPlanned, bytes]:
        """When to redeem and to show, and what blinds: the first ones stay, so that one value alone is ever shown."""
        kept = Change((plan,), {BLINDING_BLOB: blinding})
        state = self._folded.change(lambda state: NOTHING if state.voucher_plan else kept)
        assert state.voucher_plan is not None
        return state.voucher_plan, self._records.blob(BLINDING_BLOB)

    @property
    def voucher_plan(self) -> VoucherPlanned | None:
        return self._folded.state.voucher_plan

    @property
    def voucher(self) -> bytes | None:
        """Once it is redeemed."""
        return self._records.blob(VOUCHER_BLOB) if self._folded.state.has_voucher else None

    def blinding(self) -> bytes:
        """Of the plan."""
        return self._records.blob(BLINDING_BLOB)

    def keep_voucher(self, voucher: bytes) -> None:
        """Verified."""
        kept = Change((VoucherKept(),), {VOUCHER_BLOB: voucher})
        self._folded.change(lambda state: NOTHING if state.has_voucher else kept)

    @property
    def rung(self) -> int | None:
        """The phone's choice, once it is made."""
        return self._folded.state.rung

    def keep_rung(self, rung: int) -> int:
        """For good: the first one stays, and is returned."""
        state = self._folded.change(lambda state: NOTHING if state.rung is not None else Change((RungChosen(rung),)))
        assert state.rung is not None
        return state.rung

    @property
    def followed(self) -> list[FollowedRound]:
        """What was kept of the rounds whose updates hold examples of this household, in their order."""
        found = list[FollowedRound]()
        for number, kept in sorted(self._folded.state.followed.items()):
            found.append(FollowedRound(kept.terms, *decode_followed(self._records.blob(_followed_blob(number)))))
        return found

    def seal(self, sealed: Sealed, body: bytes, followed: FollowedRound | None = None) -> Sealed:
        """Keeps the update and moves the keys on past its round, in one change.

        No second update can be encrypted for a round that has one, and no thief of the phone opens the first. With
        the update stands what it took of single examples: neither is there without the other.
        """
        number = sealed.commitment.commitment.round
        kept = NOTHING if followed is None else _followed(number, followed)

        def change(state: AgentState) -> Change:
            moved = self._keys_moved(state, number + 1)
            keep = {_body_blob(number): body, **moved.keep, **kept.keep}
            return Change((sealed, *kept.entries, *moved.entries), keep, moved.remove)

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


def _followed(number: int, one: FollowedRound) -> Change:
    blob = encode_followed(one.held_out, one.trained)
    return Change((RoundFollowed(number, one.terms),), {_followed_blob(number): blob})


def _keys_blob(epoch: int) -> str:
    return f"master-keys-{epoch}.json"


def _envelope_blob(window: int) -> str:
    return f"envelope-{window}.json"


def _body_blob(round_number: int) -> str:
    return f"body-{round_number}"


def _followed_blob(round_number: int) -> str:
    return f"followed-{round_number}.safetensors"
