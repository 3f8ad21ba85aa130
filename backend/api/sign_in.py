"""Sign-in with an account of the chain (EIP-4361): no password, no key of ours, and a session of fifteen minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from backend.api.answers import problems
from backend.api.bodies import read_model, sent_model
from backend.api.eip4361 import MAX_LETTERS
from backend.api.fields import HexAddress, Instant, Shown, instant
from backend.api.sessions import SESSION_SECONDS, Session, SignInError, SignIns
from backend.api.sites import Sites
from backend.connections import origin
from protocol.identifiers import parse_address, to_hex

COOKIE: Final = "hearth_session"
SAFE: Final = ("GET", "HEAD", "OPTIONS")
_NO_STORE: Final = {"Cache-Control": "no-store"}

BearerToken = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(HTTPBearer(auto_error=False, scheme_name="session", description="the token of a sign-in")),
]
CookieToken = Annotated[
    str | None,
    Security(
        APIKeyCookie(
            name=COOKIE, auto_error=False, scheme_name="sessionCookie", description="the same, for pages of this server"
        )
    ),
]


class ChallengeRequest(BaseModel):
    """Who wants to sign in."""

    model_config = ConfigDict(extra="forbid")
    address: str = Field(pattern="^0x[0-9a-fA-F]{40}$", examples=["0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"])


class Challenge(Shown):
    """Have the wallet sign `message` (`personal_sign`), as it stands, within five minutes."""

    message: str = Field(examples=["127.0.0.1:8000 wants you to sign in with your Ethereum account:\n0x7E5F..."])
    nonce: str = Field(pattern="^[A-Za-z0-9]{8,}$", examples=["f81d4fae7dec11d0a76500a0c91e6bf6"])
    expires_at: Instant


class SignedMessage(BaseModel):
    """The challenge's message, or one of your own with its nonce, and the signature."""

    model_config = ConfigDict(extra="forbid")
    message: str = Field(max_length=MAX_LETTERS, examples=["127.0.0.1:8000 wants you to sign in ..."])
    signature: str = Field(pattern="^0x[0-9a-fA-F]{130}$", examples=["0x" + "ab" * 65])


BODIES: Final = (ChallengeRequest, SignedMessage)


class SignedIn(Shown):
    """Send `token` as `Authorization: Bearer`; a browser has it as a cookie as well."""

    token: str = Field(examples=["6f1c…"])
    address: HexAddress
    expires_at: Instant


class SessionView(Shown):
    """Who is signed in."""

    address: HexAddress
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class Door:
    """Lets in who is signed in."""

    sign_ins: SignIns
    sites: Sites

    def enter(self, request: Request, bearer: HTTPAuthorizationCredentials | None, cookie: str | None) -> Session:
        """Raises SignInError. A cookie counts for pages of this server alone: browsers send it along with others'."""
        if bearer is not None:
            return self.sign_ins.session(bearer.credentials)
        if cookie is None:
            raise SignInError("nobody is signed in")
        if request.method not in SAFE and not self.sites.is_own(request):
            raise SignInError("the page that asks is not one of this server's")
        return self.sign_ins.session(cookie)


def sign_in_routes(door: Door) -> APIRouter:
    router = APIRouter(tags=["sign-in"])

    @router.post(
        "/api/v1/sign-in/challenges",
        operation_id="sign_in_challenge",
        status_code=201,
        response_model=Challenge,
        responses=problems(400, 401, 408, 413, 429),
        openapi_extra=sent_model(ChallengeRequest),
    )
    async def challenge(request: Request, response: Response) -> Challenge:
        """A message to be signed once. Twenty attempts a minute of one address."""
        asked = await read_model(request, ChallengeRequest)
        response.headers.update(_NO_STORE)
        address, site = parse_address(asked.address), door.sites.site_of(request)
        made, expires_at = door.sign_ins.challenge(address, site, _origin(request))
        return Challenge(message=str(made), nonce=made.nonce, expires_at=instant(expires_at))

    @router.post(
        "/api/v1/sign-in/sessions",
        operation_id="sign_in",
        status_code=201,
        response_model=SignedIn,
        responses=problems(400, 401, 408, 413, 429),
        openapi_extra=sent_model(SignedMessage),
    )
    async def sign_in(request: Request, response: Response) -> SignedIn:
        """A session for the account that signed."""
        signed = await read_model(request, SignedMessage)
        site = door.sites.site_of(request)
        signature = bytes.fromhex(signed.signature[2:])
        token, session = door.sign_ins.sign_in(signed.message, signature, site, _origin(request))
        response.set_cookie(
            COOKIE, token, SESSION_SECONDS, path="/", secure=site.scheme == "https", httponly=True, samesite="strict"
        )
        response.headers.update(_NO_STORE)
        return SignedIn(token=token, address=to_hex(session.address), expires_at=instant(session.expires_at))

    @router.get("/api/v1/sign-in/session", operation_id="session", response_model=SessionView, responses=problems(401))
    async def session(
        request: Request, response: Response, bearer: BearerToken = None, cookie: CookieToken = None
    ) -> SessionView:
        """Who is signed in, and how long."""
        response.headers.update(_NO_STORE)
        found = door.enter(request, bearer, cookie)
        return SessionView(address=to_hex(found.address), expires_at=instant(found.expires_at))

    @router.delete(
        "/api/v1/sign-in/session",
        operation_id="sign_out",
        status_code=204,
        response_class=Response,
        responses=problems(401),
    )
    async def sign_out(request: Request, bearer: BearerToken = None, cookie: CookieToken = None) -> Response:
        """Ends the session at once."""
        door.enter(request, bearer, cookie)
        door.sign_ins.sign_out(bearer.credentials if bearer is not None else cookie or "")
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    return router


def _origin(request: Request) -> str:
    return origin(request.scope.get("client"))
