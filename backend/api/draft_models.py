"""What a draft is made from, and what it is answered with."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.api.fields import Amount, Figure, HexAddress, HexDigest, Number, Shown
from backend.api.prepared import PreparedCall
from backend.drafting.kinds import MAX_OWN_BYTES
from protocol.messages.task import MAX_CLIENTS

TypedAddress = Annotated[
    str, Field(pattern="^0x[0-9a-fA-F]{40}$", examples=["0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"])
]
Content = Annotated[
    str,
    Field(
        pattern="^(b[a-z2-7]{58}|0x[0-9a-f]{64})$",
        description="a CID as this server's store has it, or its digest",
        examples=["0x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]
KindName = Literal["appliances", "next_hour", "digits", "own"]
PrivacyWord = Literal["strong", "usual", "weak"]
RuleName = Literal["foolsgold", "alignment", "krum", "none"]
MAX_DRAFT_BYTES: Final = 64 * 1024
TASK_FILE: Final = '[task]\ntitle = "Which appliance is it?"\n'
SPEC: Final = '{"cohort":{"flap_changes":4}}'


class DraftRequest(BaseModel):
    """The few answers that a task follows from."""

    model_config = ConfigDict(extra="forbid")
    kind: KindName = Field(examples=["appliances"])
    title: str = Field(default="", max_length=120, examples=["Which appliance is it?"])
    households: int = Field(
        ge=2, le=MAX_CLIENTS, description="places; when a round has no room for all, it is drawn", examples=[20]
    )
    rounds: int = Field(ge=1, le=1_000, examples=[10])
    reward: str = Field(
        pattern="^(0|[1-9][0-9]{0,37})$",
        description="wei for one household that takes part in every round",
        examples=["10000000000000000"],
    )
    privacy: PrivacyWord = Field(
        description="epsilon of the whole task for one example: 2, 4 or 8 at most", examples=["usual"]
    )
    days: int = Field(ge=1, le=3_650, description="from posting until no round begins", examples=[30])
    authorities: list[TypedAddress] = Field(default=[], max_length=16)
    substitutes: list[TypedAddress] = Field(default=[], max_length=15, description="edge servers that take over")
    test_set: Content | None = None
    initial_model: Content | None = Field(default=None, description="without it: drawn by a rule that all can repeat")
    own: str = Field(
        default="",
        max_length=MAX_OWN_BYTES,
        description="of kind `own`: tables `model` and `learning` of a task file",
        examples=["[model]\ninput_shape = [4]\nclasses = 2\n"],
    )
    confirmations: int = Field(default=3, ge=0, le=1_000, examples=[3])
    screening: RuleName = Field(
        default="foolsgold",
        description="by which updates that nobody sees are compared: `foolsgold` where households' data differ much,"
        " `alignment` or `krum` where they are alike",
        examples=["foolsgold"],
    )
    voucher_key: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="of a key of this server: each household then needs a code; without it nobody needs one",
        examples=["86a9f2a55140bc1d3e6482527e49a5defda257e6be90a6dadcc8654d6595a8b0"],
    )


class WrongAnswer(Shown):
    """One answer that cannot stand."""

    field: str = Field(description="of the request; empty: no single answer makes it good", examples=["title"])
    reason: str = Field(examples=["is missing"])


class OwnerRefusal(Shown):
    """Owners who would not take part."""

    owner: Literal["unchanged", "trusting"] = Field(
        description="unchanged: a policy as it comes; trusting: it lists this ledger and these authorities besides"
    )
    line: str = Field(description="of the policy", examples=["cohort.min_clients"])
    asked: str = Field(description="what the task asks for", examples=["3"])
    allowed: str = Field(description="what this line of the policy allows", examples=["at least 5"])
    reason: str = Field(examples=["the least cohort is 3; the policy allows at least 5 (cohort.min_clients)"])


class DraftFigures(Shown):
    """What the draft means. Fees are null while the chain cannot be asked."""

    escrow: Amount
    reward: Amount = Field(description="of one household that takes part in every round, at most")
    reward_flat: Amount = Field(description="of it, whatever the rounds gain")
    privacy: Figure = Field(description="after all rounds, as households will be shown")
    noise_multiplier_micro: Number
    screening: RuleName = Field(description="by which updates are compared")
    seconds: int = Field(ge=0, description="of training on a slow phone, in each round", examples=[2])
    bytes: int = Field(ge=0, description="that a phone sends and fetches in each round", examples=[1160])
    smallest_cohort: Number
    expected_cohort: Number
    post_gas: Number
    post_fee: Amount | None
    round_gas: Number = Field(description="that the edge server pays in each round")
    round_fee: Amount | None
    refusals: list[OwnerRefusal]
    doubts: list[str]


class DraftView(Shown):
    """A draft. ``task_file`` is there once every answer stands, ``spec`` once the store has the test set, too."""

    wrong: list[WrongAnswer]
    figures: DraftFigures | None
    task_file: str | None = Field(
        description="as `hearth task post` reads it, with its files beside it", examples=[TASK_FILE]
    )
    spec: str | None = Field(description="canonical TaskSpec", examples=[SPEC])
    digest: HexDigest | None = Field(description="of the spec")
    test_set_examples: int | None = Field(description="null: the test set was not looked at", examples=[360])
    unscreened: str | None = Field(
        description="why updates are not compared as they were to be",
        examples=["cohort.max_clients: 5000 is more than the 4000 clients whose histories can be compared"],
    )
    signed_in: HexAddress | None = Field(description="only for somebody signed in is content looked up")


class PreparedDraft(Shown):
    """The draft's spec is stored, and its model where it was drawn. Compare the digest before you sign."""

    digest: HexDigest
    spec: str = Field(description="canonical TaskSpec", examples=[SPEC])
    call: PreparedCall
