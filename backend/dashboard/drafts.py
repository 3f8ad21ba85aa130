"""Drafts as the dashboard asks the API for them, for whoever is signed in with this browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from backend.dashboard.answers import Amount, Answer, Figure
from backend.dashboard.api import Api, ApiError, read
from backend.dashboard.typed import Fault, Faults, merged, request_of, typed

SESSION_COOKIE: Final = "hearth_session"


class Wrong(Answer):
    field: str
    reason: str


class Refusal(Answer):
    owner: str
    line: str
    asked: str
    allowed: str
    reason: str


class Figures(Answer):
    escrow: Amount
    reward: Amount
    reward_flat: Amount
    privacy: Figure
    noise_multiplier_micro: int
    screening: str
    seconds: int
    bytes: int
    smallest_cohort: int
    expected_cohort: int
    post_gas: int
    post_fee: Amount | None
    round_gas: int
    round_fee: Amount | None
    refusals: tuple[Refusal, ...]
    doubts: tuple[str, ...]

    def refused_by(self, owner: str) -> tuple[Refusal, ...]:
        return tuple(one for one in self.refusals if one.owner == owner)


class Draft(Answer):
    wrong: tuple[Wrong, ...]
    figures: Figures | None
    task_file: str | None
    spec: str | None
    digest: str | None
    test_set_examples: int | None
    unscreened: str | None
    signed_in: str | None


@dataclass(frozen=True, slots=True)
class Drafted:
    """``values``: as typed. ``asked``: what the API was asked. ``draft``: None where it could not say anything."""

    values: dict[str, str]
    asked: dict[str, Any]
    faults: Faults
    draft: Draft | None

    @property
    def complete(self) -> bool:
        return not self.faults and self.draft is not None and self.draft.task_file is not None

    @property
    def ready(self) -> bool:
        """To be signed here: its test set is in the store, too."""
        return self.complete and self.draft is not None and self.draft.spec is not None

    @property
    def asked_json(self) -> str:
        return json.dumps(self.asked, sort_keys=True)


async def drafted(api: Api, request: Request, decimals: int) -> Drafted:
    """Of the request's query. What the API says of an answer becomes a fault; raises ApiError where it has trouble."""
    values = typed(request.query_params)
    asked, faults = request_of(values, decimals)
    try:
        content = json.dumps(asked).encode()
        draft = read(Draft, await api.send("POST", "drafts", content=content, headers=session_of(request)))
    except ApiError as error:
        if error.code not in ("E_REQUEST", "E_MALFORMED", "E_BUSY"):
            raise
        said = {"": (Fault("busy" if error.code == "E_BUSY" else "as_said", str(error.args[0])),)}
        return Drafted(values, asked, merged(faults, said), None)
    told = dict[str, tuple[Fault, ...]]()
    for one in draft.wrong:
        told[one.field] = (*told.get(one.field, ()), Fault(_code(one.reason), one.reason))
    return Drafted(values, asked, merged(faults, told), draft)


def session_of(request: Request) -> dict[str, str]:
    """The reader's session, as the API takes it from programs: a page of this server asks on the reader's behalf."""
    token = request.cookies.get(SESSION_COOKIE, "")
    return {"authorization": f"Bearer {token}"} if token.isascii() and token.isalnum() else {}


def _code(reason: str) -> str:
    return {"is missing": "missing", "at least two are needed, better five": "two"}.get(reason, "as_said")
