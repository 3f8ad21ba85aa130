"""What stands in a phone's journal of one task: its entries, and the state that they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from client_agent.binding import TaskBinding
from client_agent.privacy.followed import FollowedTerms
from protocol.identifiers import Count, Digest, Range, Signature
from protocol.messages.consent import Consent
from protocol.messages.learning import ShortText
from protocol.messages.round import CohortPlace
from protocol.messages.submission import InclusionProof, SignedCommitment, SignedReceipt

Instant = Annotated[int, Range(0, 2**63 - 1)]


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


@dataclass(frozen=True, slots=True)
class SecretDrawn:
    """Of this enrolment, from which noise that spans several rounds follows; it is in a blob."""


@dataclass(frozen=True, slots=True)
class RungChosen:
    """Of the task's rungs of noise, counted from 0; for the whole task."""

    rung: Count


@dataclass(frozen=True, slots=True)
class RoundFollowed:
    """Lengths of single examples' gradients in its steps are in a blob."""

    round: Count
    terms: FollowedTerms


@dataclass(frozen=True, slots=True)
class VoucherPlanned:
    """When the voucher is redeemed, and when it is shown, in seconds of block time; what blinds it is in a blob."""

    redeem_at: Instant
    show_at: Instant


@dataclass(frozen=True, slots=True)
class VoucherKept:
    """It is in a blob, and what blinded it is not needed any more."""


@dataclass(frozen=True, slots=True)
class Restored:
    """This journal came out of a backup, so it does not know what was done after that.

    ``enrolment``: drawn, and what later rounds are charged to; a rung or a secret that was drawn meanwhile is lost.
    """

    enrolment: Digest


@dataclass(frozen=True, slots=True)
class Resumed:
    """What the chain shows of the time after the backup is charged; no round up to ``passed`` is joined any more."""

    passed: Count


AgentEntry = (
    Consented
    | KeysKept
    | EnvelopeKept
    | Sealed
    | ReceiptKept
    | Included
    | RungChosen
    | RoundFollowed
    | SecretDrawn
    | VoucherPlanned
    | VoucherKept
    | Restored
    | Resumed
)


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
    has_secret: bool = False
    rung: int | None = None
    voucher_plan: VoucherPlanned | None = None
    has_voucher: bool = False
    followed: Mapping[int, RoundFollowed] = field(default_factory=dict)
    restored: tuple[Digest, ...] = ()  # an enrolment of each time, the last one at the end
    resumed: bool = True  # what was done after the backup is accounted for
    passed: int = 0  # rounds that may have been joined by the phone that was lost


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
        case SecretDrawn():
            return replace(state, has_secret=True)
        case VoucherPlanned():
            return replace(state, voucher_plan=entry)
        case VoucherKept():
            return replace(state, has_voucher=True)
        case RungChosen(rung):
            return replace(state, rung=rung)
        case RoundFollowed(number, _):
            return replace(state, followed={**state.followed, number: entry})
        case Restored(enrolment):
            return replace(state, restored=(*state.restored, enrolment), resumed=False)
        case Resumed(passed):
            return replace(state, resumed=True, passed=max(passed, state.passed))
