"""What phones ask most goes by the framework, and is answered as the framework's routes answer it."""

from __future__ import annotations

from unittest import mock

import httpx2
import pytest
from fastapi.testclient import TestClient

from backend.api.fast_paths import FastPaths
from backend.api.phone_answers import PhoneAnswers
from protocol.canonical import decode, encode
from protocol.messages.chain import RoundPublished
from protocol.messages.submission import InclusionProof, SignedReceipt
from tests.unit.backend.api.scene_api import Api, enrolling
from tests.unit.backend.rounds.scene_committee import CLIENTS

ROUNDS = "/api/v1/tasks/1/rounds"
PLANS = f"{ROUNDS}/2/plans/0x{CLIENTS[0].address.hex()}"
PROOFS = f"{ROUNDS}/1/inclusion-proofs/0x{CLIENTS[0].address.hex()}"


@pytest.fixture(scope="module")
def api() -> Api:
    """Round 1 is published, round 2 takes commitments."""
    found = enrolling()
    found.scene.submit(1)
    found.scene.ended(RoundPublished, 1)
    found.scene.announced(2)
    return found


def _both(api: Api, method: str, path: str, body: bytes | None = None) -> tuple[httpx2.Response, httpx2.Response]:
    """By the short way, and by the routes."""
    fast = TestClient(api.app).request(method, path, content=body)
    with mock.patch.object(FastPaths, "_answering", return_value=None):
        return fast, TestClient(api.app).request(method, path, content=body)


def _same(fast: httpx2.Response, slow: httpx2.Response) -> bool:
    return (fast.status_code, fast.content, fast.headers) == (slow.status_code, slow.content, slow.headers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{ROUNDS}/next?after=1&wait=0", 200),
        ("GET", f"{ROUNDS}/next?after=2&wait=0", 204),
        ("GET", f"{ROUNDS}/next?after=1&wait=31", 422),
        ("GET", f"{ROUNDS}/next?wait=0&after=1", 200),
        ("GET", f"{ROUNDS}/next", 422),
        ("GET", "/api/v1/tasks/99/rounds/next?after=1&wait=0", 404),
        ("GET", "/api/v1/tasks/0/rounds/next?after=1&wait=0", 422),
        ("GET", f"{PROOFS}?wait=0", 200),
        ("GET", PROOFS, 200),
        ("GET", PROOFS.replace("/1/incl", "/7/incl") + "?wait=0", 503),
        ("GET", f"{ROUNDS}/1/inclusion-proofs/0x{'00' * 20}?wait=0", 409),
        ("GET", f"{ROUNDS}/1/inclusion-proofs/0x{'AA' * 20}?wait=0", 400),
        ("GET", f"{PLANS}?wait=0", 204),
        ("GET", PLANS, 204),
        ("GET", PLANS.replace("/2/plans", "/1/plans") + "?wait=0", 409),
        ("GET", PLANS.replace("/2/plans", "/7/plans") + "?wait=0", 503),
        ("GET", f"{ROUNDS}/2/commitments", 405),
        ("POST", f"{ROUNDS}/next?after=1&wait=0", 405),
        ("POST", f"{ROUNDS}/2/commitments", 400),
        ("POST", f"{ROUNDS}/99999999999/commitments", 422),
    ],
)
def test_both_ways_say_the_same(api: Api, method: str, path: str, status: int) -> None:
    fast, slow = _both(api, method, path, b"{}" if method == "POST" else None)
    assert fast.status_code == status and _same(fast, slow), (fast.text, slow.text)


def test_a_commitment_gets_the_same_receipt_both_ways(api: Api) -> None:
    body = encode(api.scene.submission(0, 2))
    fast, slow = _both(api, "POST", f"{ROUNDS}/2/commitments", body)
    assert fast.status_code == 202 and _same(fast, slow)
    decode(SignedReceipt, fast.content)
    decode(InclusionProof, TestClient(api.app).get(f"{PROOFS}?wait=0").content)


def test_phones_go_by_the_short_way(api: Api) -> None:
    """As its client writes them; else the way would be there for nobody."""
    taken = list[str]()
    whole = FastPaths._answering

    def noting(self: FastPaths, *asked: object) -> object:
        found = whole(self, *asked)  # type: ignore[arg-type]
        taken.extend([str(asked[2])] if found is not None else [])
        return found

    with mock.patch.object(FastPaths, "_answering", noting):
        for path in (f"{ROUNDS}/next?after=1&wait=0", f"{PLANS}?wait=0", f"{PROOFS}?wait=0", f"{ROUNDS}/1/statement"):
            TestClient(api.app).get(path)
        TestClient(api.app).post(f"{ROUNDS}/2/commitments", content=b"")
    assert taken == [f"{ROUNDS}/next", PLANS, PROOFS, f"{ROUNDS}/2/commitments"]


def test_what_goes_wrong_inside_is_said_by_neither(api: Api) -> None:
    with mock.patch.object(PhoneAnswers, "next_round", side_effect=ZeroDivisionError("a secret")):
        answer = TestClient(api.app).get(f"{ROUNDS}/next?after=1&wait=0")
    assert answer.status_code == 500 and "secret" not in answer.text and answer.json()["code"] == "E_INTERNAL"
