"""Fields that the models of the API share: how an address, an amount, an instant and a figure of privacy are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from protocol.identifiers import to_hex
from protocol.privacy.figure import PrivacyFigure

T = TypeVar("T")
LAST_SECOND: Final = 253_402_300_799  # of the year 9999

HexAddress = Annotated[str, Field(pattern="^0x[0-9a-f]{40}$", examples=["0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"])]
HexDigest = Annotated[
    str,
    Field(pattern="^0x[0-9a-f]{64}$", examples=["0x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]),
]
HexBytes = Annotated[str, Field(pattern="^0x([0-9a-f]{2})*$", examples=["0x612e45a3"])]
Amount = Annotated[
    str,
    Field(pattern="^(0|[1-9][0-9]*)$", description="smallest units of the task's token", examples=["1500000000000000"]),
]
Instant = Annotated[datetime, Field(description="block time, UTC", examples=["2026-11-30T09:00:00Z"])]
Number = Annotated[int, Field(ge=0, examples=[3])]


class Shown(BaseModel):
    """Whatever the API answers: it is made once and not changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Shown, Generic[T]):
    """Part of a list. Ask for the rest with ``cursor=next``; the last page has none."""

    items: list[T]
    next: str | None = Field(description="cursor of the next page", examples=["12"])


class Problem(Shown):
    """RFC 9457. ``code`` is stable: programs compare it, people read ``detail``."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(description="the code again", examples=["E_NOT_FOUND"])
    status: int = Field(ge=400, le=599, examples=[404])
    detail: str = Field(examples=["no task 7 here"])
    code: str = Field(pattern="^E_[A-Z0-9_]{1,40}$", examples=["E_NOT_FOUND"])


class Figure(Shown):
    """A figure of privacy: an epsilon says nothing without the rest of it."""

    epsilon_micro: int = Field(ge=0, description="millionths, rounded up", examples=[1_250_000])
    epsilon: str = Field(description="the same as a decimal number", examples=["1.25"])
    delta_exponent: int = Field(description="delta is 10 to the power of minus this", examples=[5])
    accountant: str = Field(examples=["PLD/1"])
    unit: str = Field(description="what is protected: all that one of these contributes", examples=["example"])
    definition: str = Field(examples=["classical"])
    adjacency: str = Field(examples=["add or remove one"])
    honest_clients: int = Field(ge=1, description="clients whose noise counts", examples=[1])
    indicative: bool = Field(description="estimated from so few examples that it is no claim", examples=[False])
    sentence: str = Field(
        description="all of this for people",
        examples=["differential privacy of one example (add or remove one) with epsilon 1.25 at delta 1e-5"],
    )


class Lack(Shown):
    """A document that cannot be read, and who was to keep it."""

    document: str = Field(examples=["record"])
    lack: str = Field(description="awaited, missing, corrupt or malformed", examples=["missing"])
    keeper: HexAddress


class Score(Shown):
    """Right answers of a published model on the task's public test set."""

    correct: Number
    examples: Number


def instant(seconds: int) -> datetime:
    """Of block time; what lies behind the year 9999 is its last second."""
    return datetime.fromtimestamp(min(seconds, LAST_SECOND), UTC)


def instant_or_none(seconds: int) -> datetime | None:
    """None where it is not known yet."""
    return instant(seconds) if seconds else None


def hex_or_none(value: bytes) -> str | None:
    """None for nothing but zeros."""
    return to_hex(value) if any(value) else None


def figure_of(figure: PrivacyFigure) -> Figure:
    return Figure(
        epsilon_micro=figure.epsilon_micro,
        epsilon=figure.decimal,
        delta_exponent=figure.delta_exponent,
        accountant=figure.accountant,
        unit=figure.unit,
        definition=figure.definition,
        adjacency=figure.adjacency,
        honest_clients=figure.honest_clients,
        indicative=bool(figure.indicative),
        sentence=str(figure),
    )
