"""What the routes of servers and tasks answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.api.fields import (
    Amount,
    Figure,
    HexAddress,
    HexBytes,
    HexDigest,
    Instant,
    Lack,
    Number,
    Score,
    Shown,
)

TaskStage = Literal["unknown", "enrolling", "running", "ended", "stopped"]
Service = Literal["served", "waiting", "refused"]


class Identity(Shown):
    """Which edge server answers, and which ledger it serves."""

    address: HexAddress
    chain_id: int = Field(ge=0, examples=[31337])
    ledger: HexAddress
    version: str = Field(description="of the protocol", examples=["3"])
    block: int = Field(ge=0, description="the last one that it has read; 0: none yet", examples=[1200])


class PreparedPost(Shown):
    """An unsigned `postTask`. Check that it carries your spec before you sign it."""

    to: HexAddress
    data: HexBytes
    value_wei: int = Field(ge=0, examples=[1500000000000000])
    spec: HexDigest


class AnnouncedRound(Shown):
    """A round that phones can read; the signature is of its `RoundStatement`."""

    round: int = Field(ge=1, examples=[1])
    plan: HexDigest
    label: HexDigest
    signature: HexBytes


class AnnouncedEnd(Shown):
    """No round will be opened any more."""

    ended: Literal[1]


Announcement = AnnouncedRound | AnnouncedEnd


class Rewards(Shown):
    """What one accepted update earns, and what each round pays to servers."""

    participation: Amount = Field(description="in every settled round")
    contribution: Amount = Field(description="at most, in a published one")
    edge_fee: Amount
    authority_fee: Amount


class TaskSummary(Shown):
    """One task of this server. What is not known yet is null."""

    task: int = Field(ge=1, examples=[1])
    title: str = Field(examples=["Appliance types from power"])
    state: TaskStage
    service: Service = Field(description="whether this server serves it, waits (spec, depth, bond) or refuses it")
    manufacturer: HexAddress
    edge_server: HexAddress = Field(description="the acting one")
    edge_servers: list[HexAddress]
    spec: HexDigest
    token: HexAddress = Field(description="zero: the chain's own coin")
    escrow: Amount
    rewards: Rewards
    enrolled: Number = Field(description="clients, those who left included")
    left: Number
    min_clients: Number
    max_clients: Number
    max_cohort: Number
    needs_voucher: bool = Field(description="each household needs the code of an appliance", examples=[False])
    rounds: Number = Field(description="opened so far")
    published: Number = Field(description="of them, those that made their model public")
    max_rounds: Number
    posted_block: Number
    posted_transaction: HexDigest
    enrol_until: Instant | None
    task_until: Instant | None
    claim_until: Instant | None
    score: Score | None = Field(description="of the last published model")
    privacy: Figure | None = Field(description="spent so far by a client that trained in every round")
    lacking: list[Lack]


class Mechanism(Shown):
    """How a phone trains; `spec` has every term."""

    kind: str = Field(examples=["example"])
    unit: str = Field(examples=["example"])
    local_steps: int = Field(examples=[1])
    sampling_rate_ppm: int = Field(examples=[100_000])
    noise_multiplier_micro: int = Field(examples=[1_000_000])
    density_ppm: int = Field(description="share of the model that a round sends", examples=[250_000])


class Agreed(Shown):
    """What follows from the spec, once it can be read."""

    suite: str = Field(examples=["FE64-A/1"])
    confirmations: Number
    input_shape: list[int] = Field(examples=[[1, 28, 28]])
    classes: int = Field(ge=1, examples=[10])
    layers: list[str] = Field(examples=[["flatten", "linear"]])
    parameters: int = Field(ge=1, examples=[7850])
    mechanism: Mechanism
    epsilon_budget_micro: int = Field(ge=0, examples=[8_000_000])
    delta_exponent: int = Field(examples=[5])
    accountant: str = Field(examples=["PLD/1"])
    ciphertext_bytes: int | None = Field(description="that a phone sends in a round", examples=[62_800])
    training_seconds: Number
    commit_seconds: Number
    settle_seconds: Number
    dispute_seconds: Number
    initial_model: HexDigest
    test_set: HexDigest


class EdgeServer(Shown):
    """A server of the task's list, in its order."""

    address: HexAddress
    acting: bool = Field(examples=[True])
    dismissed: bool = Field(description="a dispute, or a round left alone, ended its role", examples=[False])
    bond: Amount = Field(description="that the ledger holds of it")


class TaskDetails(TaskSummary):
    """One task with its terms and servers."""

    threshold: int = Field(description="authorities that a key needs", examples=[2])
    authorities: list[HexAddress]
    servers: list[EdgeServer]
    agreed: Agreed | None
    invitation: str | None = Field(
        description="for households, as `hearth join` takes it; null where nobody can enrol, or no public URL is known",
        examples=["hearth:31337:0x5fbdb2315678afecb367f032d93f642f64180aa3@7/1/0x9f86…?edge=https://tasks.example"],
    )
