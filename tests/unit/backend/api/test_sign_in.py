"""Who signs in is who signed, here, now and once; a session is short, and no other page can use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from backend.api.app import ApiOptions
from backend.api.eip4361 import SignInMessage, parse_message
from backend.api.sessions import (
    CHALLENGE_SECONDS,
    MOST_OF_ALL,
    MOST_OF_ONE,
    SESSION_SECONDS,
    Session,
    SignInError,
    SignIns,
    Site,
)
from backend.api.sites import Sites, origins_of
from backend.problem import RequestError
from protocol.errors import HearthError
from protocol.identifiers import to_hex
from protocol.signing import address_of
from tests.samples import private_key
from tests.unit.backend.api.scene_api import Api, played

KEY = private_key("manufacturer")
ME = address_of(KEY)
HERE = Site("https", "edge.example")
NOW = 1_800_000_000


class Signing:
    """Sign-ins whose clock stands still until a test moves it."""

    def __init__(self) -> None:
        self.time, self.block_time, self.drawn = 0.0, NOW, 0
        self.sign_ins = SignIns(31337, lambda: self.block_time, lambda: self.time, self.draw)

    def draw(self, count: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(count, "big")

    def challenge(self) -> SignInMessage:
        return self.sign_ins.challenge(ME, HERE, "1.2.3.4")[0]

    def sign_in(self, text: str, site: Site = HERE, key: bytes = KEY) -> Session:
        return self.sign_ins.sign_in(text, sign(text, key), site, "1.2.3.4")[1]


def sign(text: str, key: bytes = KEY) -> bytes:
    return bytes(Account.sign_message(encode_defunct(text=text), key).signature)


@pytest.fixture
def signing() -> Signing:
    return Signing()


def test_a_signed_challenge_opens_one_session(signing: Signing) -> None:
    text = str(signing.challenge())
    token, session = signing.sign_ins.sign_in(text, sign(text), HERE, "1.2.3.4")
    assert (session.address, session.expires_at) == (ME, NOW + SESSION_SECONDS)
    assert signing.sign_ins.session(token) == session
    with pytest.raises(SignInError, match="used"):
        signing.sign_in(text)


def test_a_session_ends(signing: Signing) -> None:
    text = str(signing.challenge())
    token, _ = signing.sign_ins.sign_in(text, sign(text), HERE, "1.2.3.4")
    signing.time += SESSION_SECONDS - 1
    assert signing.sign_ins.session(token).address == ME
    signing.time += 1
    with pytest.raises(SignInError, match="over"):
        signing.sign_ins.session(token)


def test_tokens_are_not_kept(signing: Signing) -> None:
    text = str(signing.challenge())
    token, _ = signing.sign_ins.sign_in(text, sign(text), HERE, "1.2.3.4")
    assert token not in repr(vars(signing.sign_ins)) and token.encode().hex() not in repr(vars(signing.sign_ins))


def written(**changes: Any) -> Callable[[Signing], str]:
    """A message of the signer's own, with the server's nonce."""

    def make(signing: Signing) -> str:
        message = replace(signing.challenge(), statement="my own words", expires_at=None)
        return str(replace(message, **changes))

    return make


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (written(), None),
        (written(issued_at="2027-01-15T08:04:59Z"), None),
        (written(issued_at="2027-01-15T08:05:01Z"), "issued at"),
        (written(issued_at="2027-01-15T07:54:59Z"), "issued at"),
        (written(issued_at="now"), "no instant"),
        (written(expires_at="2027-01-15T08:00:01Z"), None),
        (written(expires_at="2027-01-15T08:00:00Z"), "was good until"),
        (written(not_before="2027-01-15T08:00:00Z"), None),
        (written(not_before="2027-01-15T08:00:01Z"), "not good before"),
        (written(domain="evil.example"), "signed for evil.example"),
        (written(uri="https://evil.example/"), "is not one of"),
        (written(uri="http://edge.example/"), "is not one of"),
        (written(uri="https://edge.example/tasks/new"), None),
        (written(scheme="http"), "is not one of"),
        (written(chain_id=1), "signed for chain 1"),
        (written(nonce="0000000000"), "unknown"),
        (written(address=b"\1" * 20), "not signed by"),
    ],
)
def test_what_a_message_says_is_checked(signing: Signing, make: Callable[[Signing], str], why: str | None) -> None:
    text = make(signing)
    if why is None:
        assert signing.sign_in(text).address == ME
        return
    with pytest.raises(HearthError, match=why):
        signing.sign_in(text)


def test_a_failed_attempt_uses_the_challenge_up(signing: Signing) -> None:
    text = str(signing.challenge())
    with pytest.raises(SignInError, match="not signed by"):
        signing.sign_in(text, key=private_key("somebody"))
    with pytest.raises(SignInError, match="used"):
        signing.sign_in(text)


def test_a_challenge_is_for_one_site_and_five_minutes(signing: Signing) -> None:
    with pytest.raises(SignInError, match="and this is other"):
        signing.sign_in(str(signing.challenge()), Site("https", "other.example"))
    text = str(signing.challenge())
    signing.time += CHALLENGE_SECONDS
    with pytest.raises(SignInError, match="too old"):
        signing.sign_in(text)


def test_attempts_are_counted_by_address_and_together(signing: Signing) -> None:
    for _ in range(MOST_OF_ONE):
        signing.challenge()
    with pytest.raises(RequestError) as caught:
        signing.challenge()
    assert caught.value.code == "E_RATE"
    for number in range(MOST_OF_ALL - MOST_OF_ONE):
        signing.sign_ins.challenge(ME, HERE, str(number))
    with pytest.raises(RequestError):
        signing.sign_ins.challenge(ME, HERE, "another one")
    signing.time += CHALLENGE_SECONDS
    signing.challenge()
    assert len(signing.sign_ins._challenges) == 1, "what is over is forgotten"


# over HTTP


def enter(api: Api, key: bytes = KEY, **headers: str) -> Any:
    address = to_hex(address_of(key))
    asked = api.client.post("/api/v1/sign-in/challenges", json={"address": address}, headers=headers)
    if asked.status_code != 201:
        return asked
    text = asked.json()["message"]
    signed = {"message": text, "signature": to_hex(sign(text, key))}
    return api.client.post("/api/v1/sign-in/sessions", json=signed, headers=headers)


def local(**options: Any) -> Api:
    api = Api(played().scene, ApiOptions(**options))
    api.client.base_url = "http://127.0.0.1:8000"
    return api


def test_a_program_signs_in_and_out() -> None:
    api = local()
    answer = enter(api)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    api.client.cookies.clear()
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert api.client.get("/api/v1/sign-in/session", headers=bearer).json()["address"] == to_hex(ME)
    assert api.client.delete("/api/v1/sign-in/session", headers=bearer).status_code == 204
    again = api.client.get("/api/v1/sign-in/session", headers=bearer)
    assert (again.status_code, again.json()["code"], again.headers["www-authenticate"]) == (401, "E_SIGN_IN", "Bearer")


def test_a_page_has_a_cookie_that_no_other_page_can_use() -> None:
    api = local()
    cookie = enter(api).headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={SESSION_SECONDS}"):
        assert part in cookie
    assert "Secure" not in cookie
    assert api.client.get("/api/v1/sign-in/session").status_code == 200
    for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert api.client.delete("/api/v1/sign-in/session", headers=origin).status_code == 401
    own = {"Origin": "http://127.0.0.1:8000"}
    gone = api.client.delete("/api/v1/sign-in/session", headers=own)
    assert (gone.status_code, "hearth_session=" in gone.headers["set-cookie"]) == (204, True)
    assert api.client.get("/api/v1/sign-in/session").status_code == 401


def test_a_name_that_the_server_was_not_told_signs_nobody_in() -> None:
    refused = enter(local(), Host="evil.example")
    assert (refused.status_code, refused.json()["code"]) == (401, "E_SIGN_IN")
    told = local(sites=Sites(("https://edge.example",)))
    assert enter(told, Host="evil.example").status_code == 401
    assert enter(told, Host="127.0.0.1:8000").status_code == 401, "then only under its name"
    answer = enter(told, Host="edge.example")
    assert answer.status_code == 201 and "Secure" in answer.headers["set-cookie"]


def test_a_page_of_an_allowed_origin_signs_in_under_its_own_name() -> None:
    api = local(sites=Sites(("https://edge.example",), ("https://board.example",)))
    headers = {"Host": "edge.example", "Origin": "https://board.example"}
    asked = api.client.post("/api/v1/sign-in/challenges", json={"address": to_hex(ME)}, headers=headers)
    assert parse_message(asked.json()["message"]).domain == "board.example"
    assert asked.headers["access-control-allow-origin"] == "https://board.example"


def test_other_origins_are_allowed_one_by_one() -> None:
    asked = {"Origin": "https://board.example", "Access-Control-Request-Method": "POST"}
    api = local()
    assert "access-control-allow-origin" not in api.client.options("/api/v1/tasks", headers=asked).headers
    api = local(sites=Sites((), ("https://board.example",)))
    assert api.client.options("/api/v1/tasks", headers=asked).status_code == 200
    answer = api.client.get("/api/v1/tasks", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-credentials" not in api.client.get("/api/v1/tasks", headers=asked).headers


@pytest.mark.parametrize(
    "url",
    [
        "edge.example",
        "ftp://edge.example",
        "https://",
        "https://a.b/c",
        "https://a.b?c",
        "https://u@a.b",
        "https://A.b",
    ],
)
def test_an_origin_is_a_scheme_a_name_and_a_port(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        origins_of([url])


def test_origins_are_written_as_browsers_write_them() -> None:
    assert origins_of(["https://a.b/", "http://127.0.0.1:8000"]) == ("https://a.b", "http://127.0.0.1:8000")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"address": 1}',
        b'{"address": "0x12"}',
        b'{"address": "0x' + b"ab" * 20 + b'", "more": 1}',
    ],
)
def test_a_body_that_is_no_request_is_told_why(body: bytes) -> None:
    answer = local().client.post("/api/v1/sign-in/challenges", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "E_REQUEST")
    assert answer.json()["detail"]


def test_a_body_that_is_too_large_is_not_read() -> None:
    answer = local().client.post("/api/v1/sign-in/sessions", content=b" " * 20_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "E_TOO_LARGE")


def test_a_misspelt_address_is_refused() -> None:
    asked = {"address": "0x7E5F4552091A69125D5DfCb7b8C2659029395Bdf"}
    answer = local().client.post("/api/v1/sign-in/challenges", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "E_MALFORMED")
