"""The authority's HTTP surface: status, media type and code of every answer, and hostile bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx2
import pytest
import structlog
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.key_authority.app import authority_app
from backend.key_authority.service import MAX_PLANNED_REQUEST_BYTES
from protocol.canonical import decode, encode
from protocol.content.cid import cid_of
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES
from protocol.identifiers import sha256, to_hex
from protocol.messages.issued import IssuedRecord
from protocol.messages.keys import PartialKeyAnswer, SignedKeyAcceptance, SignedWindowKey
from protocol.messages.task import MAX_SPEC_BYTES
from protocol.round.windows import AHEAD
from tests.unit.backend.key_authority.scene import (
    CLIENTS,
    TASK,
    Scene,
    authority_signer,
    envelope,
    key_pair,
    plan,
    planned,
    request,
    spec,
)

TASK_PATH = f"/api/v1/tasks/{TASK}"
CLIENT_PATH = f"{TASK_PATH}/clients/{to_hex(CLIENTS[0])}"
KEY_PATH = f"{TASK_PATH}/rounds/1/partial-keys"


@pytest.fixture
def http(empty: Scene) -> Iterator[TestClient]:
    with TestClient(authority_app(empty.authority), raise_server_exceptions=False) as client:
        yield client


def problem(response: httpx2.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert (document["code"], document["status"]) == (code, status)
    assert all(document[name] for name in ("detail", "title", "type"))


def test_a_task_from_its_posting_to_a_key(empty: Scene, http: TestClient) -> None:
    assert http.get("/api/v1/identity").json() == {"address": to_hex(authority_signer(1).address)}
    empty.ledger.post(spec())
    for _ in range(2):
        assert http.put(TASK_PATH, content=encode(spec())).status_code == 204
    published = [http.get(f"{TASK_PATH}/windows/0/key") for _ in range(2)]
    assert published[0].content == published[1].content
    assert decode(SignedWindowKey, published[0].content).encryption_key == key_pair(1).public_bytes()
    for client in CLIENTS:
        empty.ledger.enrol(client)
        answers = [http.put(f"{TASK_PATH}/clients/{to_hex(client)}", content=envelope(client)) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        assert decode(SignedKeyAcceptance, answers[0].content).statement.client == client
    agreed = plan()
    shown = planned(agreed, request(agreed))
    problem(http.post(KEY_PATH, content=shown), 409, "E_NOT_RECORDED")
    empty.ledger.record(request(agreed))
    with structlog.testing.capture_logs() as log:
        keys = [http.post(KEY_PATH, content=shown) for _ in range(2)]
    assert [(entry["event"], entry["task"], entry["round"]) for entry in log] == [("gave a partial key", TASK, 1)] * 2
    assert keys[0].headers["content-type"] == "application/json"
    assert keys[0].content == keys[1].content
    assert decode(PartialKeyAnswer, keys[0].content).signed.statement.request == request(agreed).digest()
    issued = http.get(f"{TASK_PATH}/issued")
    assert issued.headers["content-type"] == "application/json"
    (said,) = decode(IssuedRecord, issued.content).issued
    assert said.statement.request == request(agreed).digest()
    other = request(agreed, CLIENTS[:2])
    problem(http.post(KEY_PATH, content=planned(agreed, other)), 409, "E_NOT_RECORDED")
    empty.ledger.record(other)
    problem(http.post(KEY_PATH, content=planned(agreed, other)), 409, "E_EPOCH")


def test_a_chain_that_cannot_be_asked_is_503_everywhere(empty: Scene, http: TestClient) -> None:
    empty.prepare()
    empty.ledger.record(request(plan()))
    empty.ledger.down = True
    problem(http.put(TASK_PATH, content=encode(spec())), 503, "E_LEDGER")
    problem(http.put(CLIENT_PATH, content=envelope(CLIENTS[0])), 503, "E_LEDGER")
    problem(http.post(KEY_PATH, content=planned(plan(), request(plan()))), 503, "E_LEDGER")


def test_refusals_carry_their_code(empty: Scene, http: TestClient) -> None:
    problem(http.put(CLIENT_PATH, content=envelope(CLIENTS[0])), 404, "E_NOT_FOUND")
    problem(http.get(f"{TASK_PATH}/issued"), 404, "E_NOT_FOUND")
    empty.prepare()
    problem(http.put(TASK_PATH, content=encode(spec()) + b" "), 409, "E_NOT_ON_CHAIN")
    lone = request(plan(), CLIENTS[:1])
    empty.ledger.record(lone)
    problem(http.post(KEY_PATH, content=planned(plan(), lone)), 422, "E_MIN_PARTICIPANTS")
    empty.ledger.envelopes[TASK, CLIENTS[0]] = cid_of(b"{}").digest
    problem(http.put(CLIENT_PATH, content=b"{}"), 400, "E_MALFORMED")
    empty.ledger.bond_view = replace(empty.ledger.bond_view, role=0)
    problem(http.post(KEY_PATH, content=planned(plan(), lone)), 409, "E_DISMISSED")


@pytest.mark.parametrize("task", ["0", "-1", "+7", "07", "7_0", " 7", "seven", "%D9%A7", "9" * 78, str(2**256)])
def test_a_task_is_a_plain_decimal_number(http: TestClient, task: str) -> None:
    problem(http.put(f"/api/v1/tasks/{task}", content=b"{}"), 404, "E_NOT_FOUND")


@pytest.mark.parametrize(
    "client", ["0x", to_hex(CLIENTS[0]).upper(), to_hex(CLIENTS[0])[2:], to_hex(bytes(19)), "0x" + "zz" * 20]
)
def test_a_client_is_a_plain_address(http: TestClient, client: str) -> None:
    problem(http.put(f"{TASK_PATH}/clients/{client}", content=b"{}"), 404, "E_NOT_FOUND")


def test_unknown_paths_methods_and_rounds(http: TestClient) -> None:
    problem(http.get("/"), 404, "E_NOT_FOUND")
    problem(http.get("/docs/elsewhere"), 404, "E_NOT_FOUND")
    problem(http.get(TASK_PATH), 405, "E_METHOD")
    problem(http.post(f"{TASK_PATH}/rounds/{2**32}/partial-keys", content=b"{}"), 404, "E_NOT_FOUND")
    for window in ("-1", "00", "1.0", str(2**32)):
        problem(http.get(f"{TASK_PATH}/windows/{window}/key"), 404, "E_NOT_FOUND")


def test_a_window_that_is_not_near_has_no_key(empty: Scene, http: TestClient) -> None:
    problem(http.get(f"{TASK_PATH}/windows/0/key"), 404, "E_NOT_FOUND")  # the task is not known yet
    empty.prepare(())
    assert http.get(f"{TASK_PATH}/windows/1/key").status_code == 200
    problem(http.get(f"{TASK_PATH}/windows/{AHEAD + 1}/key"), 409, "E_WINDOW")
    empty.ledger.down = True
    problem(http.get(f"{TASK_PATH}/windows/0/key"), 503, "E_LEDGER")


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("PUT", TASK_PATH, MAX_SPEC_BYTES),
        ("PUT", CLIENT_PATH, MAX_ENVELOPE_BYTES),
        ("POST", KEY_PATH, MAX_PLANNED_REQUEST_BYTES),
    ],
)
def test_a_body_is_refused_while_it_streams(empty: Scene, method: str, path: str, limit: int) -> None:
    """The sender would go on for ever; hardly more than the limit is ever taken from it."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65_536
            yield bytes(65_536)

    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(authority_app(empty.authority))
        async with httpx2.AsyncClient(transport=transport, base_url="http://authority") as client:
            return await client.request(method, path, content=endless())

    problem(asyncio.run(send()), 413, "E_TOO_LARGE")
    assert taken <= limit + 2 * 65_536


def _hostile() -> list[bytes]:
    good = planned(plan(), request(plan()))
    return [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"plan":' * 5_000,
        b'{"plan":1e400,"request":NaN}',
        b'{"plan":' + b"9" * 10_000 + b',"request":{}}',
        good[:-1],
        good + b"\n",
        good.replace(b'"round":1', b'"round":1.0'),
        good.replace(b'"round":1', b'"round":"1"'),
        good.replace(b'"round":1', b'"round":true'),
        good.replace(b'"round":1', b'"round":0'),
        good.replace(b'"label":"0x', b'"label":"0xZZ'),
        good.replace(b'"request":{', b'"extra":0,"request":{'),
        good.replace(b'"dimension":11', b'"dimension":0'),
    ]


@pytest.mark.parametrize("number", range(18))
def test_hostile_bodies_are_problems_of_the_sender(empty: Scene, http: TestClient, number: int) -> None:
    empty.prepare()
    body = _hostile()[number]
    problem(http.post(KEY_PATH, content=body), 400, "E_MALFORMED")
    problem(http.put(TASK_PATH, content=body), 409, "E_NOT_ON_CHAIN")
    problem(http.put(CLIENT_PATH, content=body), 409, "E_NOT_ON_CHAIN")
    # a hostile manufacturer or client can put the digest of anything on chain
    empty.ledger.specs[TASK] = sha256(body)
    empty.ledger.envelopes[TASK, CLIENTS[0]] = cid_of(body).digest
    problem(http.put(TASK_PATH, content=body), 400, "E_MALFORMED")
    problem(http.put(CLIENT_PATH, content=body), 400, "E_MALFORMED")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_a_byte_is_a_500(empty: Scene, http: TestClient, data: st.DataObject) -> None:
    if not empty.ledger.specs:
        empty.prepare()
        empty.ledger.record(request(plan()))
    body = bytearray(planned(plan(), request(plan())))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    response = http.post(KEY_PATH, content=bytes(body))
    assert response.status_code in (400, 409, 422)
    assert response.headers["content-type"] == "application/problem+json"
