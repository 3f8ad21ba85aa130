"""Unsigned transactions for a wallet: what a manufacturer posts, gets back, or has a server judged with.

Who signs one checks it first; this server's word is not needed for anything in it.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from backend.api.answers import problems
from backend.api.bodies import read_model, sent_model
from backend.api.books import balance_of
from backend.api.directory import Directory
from backend.api.fields import Amount, HexAddress, HexBytes, HexDigest, Shown
from backend.api.message_schema import sent
from backend.api.phones import prepared_post
from backend.api.sign_in import BearerToken, CookieToken, Door
from backend.problem import RequestError, read_body
from protocol.errors import HearthError, MalformedError, Party
from protocol.identifiers import to_hex
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from storage.content.interface import ContentStore
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.calls import encode_call
from storage.ledger.interface import Ledger
from storage.ledger.proof_file import MAX_PROOF_BYTES


class NotYoursError(HearthError):
    """Only the task's manufacturer may."""

    code = "E_NOT_YOURS"


class RefundRequest(BaseModel):
    """Of which task."""

    model_config = ConfigDict(extra="forbid")
    task: int = Field(ge=1, le=2**63, examples=[1])


class DisputeRequest(BaseModel):
    """A proof as `hearth audit --proofs` writes it."""

    model_config = ConfigDict(extra="forbid")
    proof: str = Field(
        pattern="^0x([0-9a-f]{2})+$", min_length=10, max_length=2 + 2 * MAX_PROOF_BYTES, examples=["0x8c1d2f4a"]
    )


BODIES: Final = (RefundRequest, DisputeRequest)


class PreparedCall(Shown):
    """What `eth_sendTransaction` takes, with the chain that it is for."""

    to: HexAddress = Field(description="the ledger")
    data: HexBytes
    value: Amount = Field(description="wei that go along")
    chain_id: int = Field(ge=1, examples=[31337])
    spec: HexDigest | None = Field(description="of a post: the digest of the spec that was stored")


class Fee(Shown):
    """What so much gas costs now at most, in wei, as this server would offer for it."""

    gas: int = Field(ge=1, examples=[500_000])
    fee: Amount


def prepared_routes(ledger: Ledger, store: ContentStore, directory: Directory, door: Door) -> APIRouter:
    router = APIRouter(tags=["transactions"])

    def call(name: str, argument: object) -> PreparedCall:
        domain = ledger.domain
        data = to_hex(encode_call(name, argument))
        return PreparedCall(to=to_hex(domain.ledger), data=data, value="0", chain_id=domain.chain_id, spec=None)

    @router.post(
        "/api/v1/transactions/post",
        operation_id="prepare_post_call",
        response_model=PreparedCall,
        responses=problems(400, 401, 408, 413),
        openapi_extra=sent(TaskSpec),
    )
    async def post(request: Request, bearer: BearerToken = None, cookie: CookieToken = None) -> PreparedCall:
        """As `prepare_post` (which needs no sign-in), with amounts that no program rounds."""
        door.enter(request, bearer, cookie)
        body = await read_body(request, MAX_SPEC_BYTES)
        prepared, digest = await run_in_threadpool(prepared_post, ledger, store, body)
        return PreparedCall(
            to=to_hex(prepared.to),
            data=to_hex(prepared.data),
            value=str(prepared.value_wei),
            chain_id=ledger.domain.chain_id,
            spec=to_hex(digest),
        )

    @router.post(
        "/api/v1/transactions/refund",
        operation_id="prepare_refund",
        response_model=PreparedCall,
        responses=problems(401, 403, 404, 408, 409, 413),
        openapi_extra=sent_model(RefundRequest),
    )
    async def refund(request: Request, bearer: BearerToken = None, cookie: CookieToken = None) -> PreparedCall:
        """Pays the manufacturer what no client can claim any more. For the task's manufacturer."""
        session, asked = door.enter(request, bearer, cookie), await read_model(request, RefundRequest)
        entry = directory.entry(asked.task)
        if session.address != entry.posted.manufacturer:
            raise NotYoursError(f"task {asked.task} is not yours", fault=Party.CLIENT)
        if not balance_of(entry.posted, entry.state, entry.events, directory.now()).refundable:
            raise RequestError("there is nothing to refund now", fault=Party.CLIENT, code="E_NOTHING")
        return call("refund", asked.task)

    @router.post(
        "/api/v1/transactions/dispute",
        operation_id="prepare_dispute",
        response_model=PreparedCall,
        responses=problems(400, 401, 408, 413),
        openapi_extra=sent_model(DisputeRequest),
    )
    async def dispute(request: Request, bearer: BearerToken = None, cookie: CookieToken = None) -> PreparedCall:
        """Has the ledger's judge look at a proof; the sender gets half of what is left of the bond."""
        door.enter(request, bearer, cookie)
        asked = await read_model(request, DisputeRequest, 3 * MAX_PROOF_BYTES)
        proof = bytes.fromhex(asked.proof[2:])
        if proof[:4] not in {entry.hash[:4] for entry in abi.proofs().values()}:
            raise MalformedError("the judge has no name for such a proof", fault=Party.CLIENT)
        return call("dispute", proof)

    @router.get("/api/v1/fees", operation_id="fees", response_model=Fee, responses=problems())
    async def fees(gas: Annotated[int, Query(ge=21_000, le=100_000_000)]) -> Fee:
        """Asks the chain."""
        return Fee(gas=gas, fee=str(await run_in_threadpool(ledger.fee_wei, gas)))

    return router
