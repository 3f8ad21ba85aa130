"""Drafts of tasks: a few answers become a canonical spec, and everybody sees beforehand what it means."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Final, cast

from fastapi import APIRouter, Request
from fastapi.security import HTTPAuthorizationCredentials
from starlette.concurrency import run_in_threadpool

from backend.api.answers import problems
from backend.api.bodies import read_model, sent_model
from backend.api.draft_models import (
    MAX_DRAFT_BYTES,
    DraftFigures,
    DraftRequest,
    DraftView,
    OwnerRefusal,
    PreparedDraft,
    RuleName,
    WrongAnswer,
)
from backend.api.fields import figure_of
from backend.api.kept_content import KeptContent
from backend.api.phones import prepared_post
from backend.api.prepared import PreparedCall
from backend.api.sessions import SignInError
from backend.api.sign_in import COOKIE, BearerToken, CookieToken, Door
from backend.drafting.draft import Answers, Draft, Place, Wrong, drafted
from backend.drafting.figures import POST_GAS, ROUND_GAS, SCREENING_GAS, Figures, figures_of
from backend.problem import RequestError
from backend.vouchers.issuer import Issuer
from protocol.canonical import encode
from protocol.content.cid import Cid
from protocol.errors import HearthError, MalformedError, Party
from protocol.identifiers import Address, Digest, from_hex, parse_address, sha256, to_hex
from protocol.messages.screening_terms import NONE
from storage.content.interface import ContentStore, StoreUnavailableError
from storage.ledger.block_times import measured_block_seconds
from storage.ledger.interface import Ledger, LedgerError

AT_ONCE: Final = 2  # drafts that are computed; figures of privacy take half a second
BODIES: Final = (DraftRequest,)


def draft_routes(ledger: Ledger, store: ContentStore, door: Door, issuer: Issuer | None = None) -> APIRouter:
    """``issuer``: whose voucher keys a draft can name."""
    router = APIRouter(tags=["drafts"])
    desk = _Desk(ledger, store, issuer)

    @router.post(
        "/api/v1/drafts",
        operation_id="draft",
        response_model=DraftView,
        responses=problems(400, 408, 413),
        openapi_extra=sent_model(DraftRequest),
    )
    async def draft(request: Request) -> DraftView:
        """What a task of these answers would be. Keeps nothing, and answers what is wrong beside the answers. Needs no
        session; with one, content that is named is looked up."""
        asked = await read_model(request, DraftRequest, MAX_DRAFT_BYTES)
        return await run_in_threadpool(desk.view, asked, _account(door, request))

    @router.post(
        "/api/v1/drafts/prepare",
        operation_id="prepare_draft",
        response_model=PreparedDraft,
        responses=problems(400, 401, 408, 413),
        openapi_extra=sent_model(DraftRequest),
    )
    async def prepare(request: Request, bearer: BearerToken = None, cookie: CookieToken = None) -> PreparedDraft:
        """Stores a draft's spec, and its model where it is drawn, and answers with the call that posts the task."""
        door.enter(request, bearer, cookie)
        asked = await read_model(request, DraftRequest, MAX_DRAFT_BYTES)
        return await run_in_threadpool(desk.prepare, asked)

    return router


class _Desk:
    """Asks ledger and store; in threads of the pool."""

    def __init__(self, ledger: Ledger, store: ContentStore, issuer: Issuer | None) -> None:
        self._ledger, self._store, self._kept, self._issuer = ledger, store, KeptContent(store), issuer
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def view(self, asked: DraftRequest, account: Address | None) -> DraftView:
        with self._turn():
            answers, unknown = self._answers(asked)
            draft = drafted(answers, self._place())
            wrong, examples = [*draft.wrong, *unknown], None
            if account is not None and draft.spec is not None:
                missing, examples = self._content(answers, draft)
                wrong += missing
            figures = None if draft.spec is None else self._figures(figures_of(draft.spec, self._ledger.domain))
        spec = encode(draft.spec) if draft.spec is not None and not wrong and examples is not None else None
        return DraftView(
            wrong=[WrongAnswer(field=one.field, reason=one.reason) for one in wrong],
            figures=figures,
            task_file=draft.task_file or None,
            spec=None if spec is None else spec.decode(),
            digest=None if spec is None else to_hex(sha256(spec)),
            test_set_examples=examples,
            unscreened=draft.unscreened or None,
            signed_in=None if account is None else to_hex(account),
        )

    def prepare(self, asked: DraftRequest) -> PreparedDraft:
        """Raises RequestError for a draft that is not complete."""
        with self._turn():
            answers, unknown = self._answers(asked)
            draft = drafted(answers, self._place())
            wrong = [*draft.wrong, *unknown]
            if draft.spec is not None:
                wrong += self._content(answers, draft)[0]
                if answers.test_set is None:
                    wrong.append(Wrong("test_set", "is missing"))
            if draft.spec is None or wrong:
                raise RequestError(f"{wrong[0].field or 'draft'}: {wrong[0].reason}", fault=Party.CLIENT)
            spec = encode(draft.spec)
            if draft.drawn is not None:
                self._store.put(draft.drawn)
            call, digest = prepared_post(self._ledger, self._store, spec)
        return PreparedDraft(
            digest=to_hex(digest),
            spec=spec.decode(),
            call=PreparedCall(
                to=to_hex(call.to),
                data=to_hex(call.data),
                value=str(call.value_wei),
                chain_id=self._ledger.domain.chain_id,
                spec=to_hex(digest),
            ),
        )

    def _answers(self, asked: DraftRequest) -> tuple[Answers, list[Wrong]]:
        """With the voucher key that is named, if it is one of this server's."""
        answers = _answers(asked)
        if asked.voucher_key is None:
            return answers, []
        terms = None if self._issuer is None else self._issuer.terms_of(bytes.fromhex(asked.voucher_key))
        if terms is None:
            return answers, [Wrong("voucher_key", "is none of this server's voucher keys")]
        return replace(answers, vouchers=terms), []

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=5.0):
            raise RequestError("too many drafts at once", fault=Party.CLIENT, code="E_BUSY")
        try:
            yield
        finally:
            self._turns.release()

    def _place(self) -> Place:
        ledger = self._ledger
        return Place(ledger.sender, ledger.domain, ledger.rules(), ledger.task_count(), measured_block_seconds(ledger))

    def _content(self, answers: Answers, draft: Draft) -> tuple[list[Wrong], int | None]:
        """What is wrong with the content that was named, and how many examples the test set has."""
        assert draft.spec is not None  # its callers look
        wrong, examples = list[Wrong](), None
        if answers.test_set is not None:
            try:
                examples = self._kept.examples(answers.test_set, draft.spec.model)
            except StoreUnavailableError:
                raise
            except HearthError as error:
                wrong.append(Wrong("test_set", str(error.args[0])))
        if answers.initial_model is not None:
            try:
                self._kept.check_model(answers.initial_model, draft.spec.model)
            except StoreUnavailableError:
                raise
            except HearthError as error:
                wrong.append(Wrong("initial_model", str(error.args[0])))
        return wrong, examples

    def _figures(self, figures: Figures) -> DraftFigures:
        round_gas = ROUND_GAS + (SCREENING_GAS if figures.screening != NONE else 0)
        return DraftFigures(
            escrow=str(figures.escrow),
            reward=str(figures.reward),
            reward_flat=str(figures.flat),
            privacy=figure_of(figures.privacy),
            noise_multiplier_micro=figures.noise_micro,
            screening=cast(RuleName, figures.screening),
            seconds=figures.work.seconds,
            bytes=figures.work.bytes,
            smallest_cohort=figures.smallest,
            expected_cohort=figures.expected,
            post_gas=POST_GAS,
            post_fee=self._fee(POST_GAS),
            round_gas=round_gas,
            round_fee=self._fee(round_gas),
            refusals=[OwnerRefusal(**asdict(one)) for one in figures.refusals],
            doubts=list(figures.doubts),
        )

    def _fee(self, gas: int) -> str | None:
        try:
            return str(self._ledger.fee_wei(gas))
        except LedgerError:
            return None


def _account(door: Door, request: Request) -> Address | None:
    """Who is signed in, if anybody is. Read by hand: a route that declares a session is one that needs it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = HTTPAuthorizationCredentials(scheme=scheme, credentials=token) if scheme.lower() == "bearer" else None
    try:
        return door.enter(request, bearer, request.cookies.get(COOKIE)).address
    except SignInError:
        return None


def _answers(asked: DraftRequest) -> Answers:
    """Raises MalformedError for a misspelt address."""
    return Answers(
        kind=asked.kind,
        title=asked.title,
        households=asked.households,
        rounds=asked.rounds,
        reward=int(asked.reward),
        privacy=asked.privacy,
        days=asked.days,
        authorities=_addresses(asked.authorities),
        substitutes=_addresses(asked.substitutes),
        test_set=_digest(asked.test_set),
        initial_model=_digest(asked.initial_model),
        own=asked.own,
        confirmations=asked.confirmations,
        screening=asked.screening,
    )


def _addresses(texts: list[str]) -> tuple[Address, ...]:
    try:
        return tuple(map(parse_address, texts))
    except MalformedError as error:
        raise MalformedError(str(error.args[0]), fault=Party.CLIENT) from error


def _digest(text: str | None) -> Digest | None:
    if text is None:
        return None
    try:
        return Cid.parse(text).digest if text.startswith("b") else from_hex(text, 32)
    except MalformedError as error:
        raise MalformedError(str(error.args[0]), fault=Party.CLIENT) from error
