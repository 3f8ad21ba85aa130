"""Questions of a screened round to key authorities: any may be dead or lie; what counts is what they have signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from backend.rounds.committee_client import CommitteeClient
from backend.rounds.opening_answers import OpeningAnswers, openings_to
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.identifiers import to_hex
from protocol.messages.keys import SignedSighting
from protocol.messages.screening import (
    GRAM_KIND,
    GramEntry,
    GramRequest,
    OpeningAnswer,
    PlannedGramRequest,
    SignedOpening,
)
from protocol.round.screening_answers import Sizes, opening_statement
from protocol.round.sightings import sighting
from storage.ledger.proof_file import read_proof
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key
from tests.unit.backend.rounds.scene_round import PlannedRound

AUTHORITIES = [Signer(private_key("authority", j)) for j in (1, 2, 3)]
URLS = tuple(f"http://authority-{j}" for j in (1, 2, 3))
SCENE = PlannedRound()
COMMITTEE = SCENE.spec.committee
Answer = Callable[[httpx2.Request, int], httpx2.Response]


def _request() -> GramRequest:
    entries = [
        GramEntry(client, one.commitment.nonce, one.commitment.ciphertext, one.signature)
        for client, one in SCENE.committed.items()
    ]
    return GramRequest(SCENE.plan.label(), bytes(32), tuple(entries), (), ())


REQUEST = _request()
SHOWN = PlannedGramRequest(SCENE.plan, REQUEST, ())
SIZE = Sizes.of(REQUEST).all_bytes


def _client(answer: Answer, proofs: Path = Path("no-proofs")) -> CommitteeClient:
    def handle(request: httpx2.Request) -> httpx2.Response:
        number = int(request.url.host[-1])
        if request.url.path.endswith("/identity"):
            return httpx2.Response(200, json={"address": to_hex(AUTHORITIES[number - 1].address)})
        return answer(request, number)

    client = CommitteeClient(URLS, DOMAIN, proofs, pause=lambda _: None)
    client._http = httpx2.Client(transport=httpx2.MockTransport(handle))
    return client


def _opening(number: int, size: int = SIZE, **changes: object) -> bytes:
    answers, signer = bytes([number]) * size, AUTHORITIES[number - 1]
    said = opening_statement(SCENE.plan, REQUEST.digest(), signer.address, cid_of(answers).digest)
    said = replace(said, **changes)  # type: ignore[arg-type]
    return encode(OpeningAnswer(SignedOpening(said, signer.sign(DOMAIN, said)), answers))


def _sighting(number: int, digest: bytes = REQUEST.digest(), kind: str = GRAM_KIND) -> bytes:
    signer = AUTHORITIES[number - 1]
    said = sighting(1, 1, kind, REQUEST.label, digest, signer.address)
    return encode(SignedSighting(said, signer.sign(DOMAIN, said)))


def _ok(content: bytes) -> httpx2.Response:
    return httpx2.Response(200, content=content)


def test_all_answer() -> None:
    asked = list[tuple[str, bytes]]()

    def answer(request: httpx2.Request, number: int) -> httpx2.Response:
        asked.append((request.url.path, request.read()))
        return _ok(_opening(number))

    found = _client(answer).openings(COMMITTEE, SHOWN)
    assert [found[signer.address].answers[0] for signer in AUTHORITIES] == [1, 2, 3]
    assert asked == [("/api/v1/tasks/1/rounds/1/openings", encode(SHOWN))] * 3


@pytest.mark.parametrize(
    "bad",
    [
        lambda: _ok(_opening(2, round=2)),
        lambda: _ok(_opening(2, label=b"\1" * 32)),
        lambda: _ok(_opening(2, request=b"\1" * 32)),
        lambda: _ok(_opening(2, answers=b"\1" * 32)),
        lambda: _ok(_opening(2, key_epoch=2)),
        lambda: _ok(_opening(2, authority=AUTHORITIES[0].address)),
        lambda: _ok(_opening(3)),
        lambda: _ok(_opening(2)[:-1]),
        lambda: _ok(_opening(2, 2 * SIZE + 1)),  # signed, and more than anybody reads of it
        lambda: _ok(b"x" * 100_000),
        lambda: _ok(b"[" * 10_000),
        lambda: httpx2.Response(409, json={"code": "E_NOT_ON_CHAIN"}),
        lambda: httpx2.Response(500),
    ],
)
def test_one_bad_answer_costs_only_itself(bad: Callable[[], httpx2.Response]) -> None:
    found = _client(lambda _, number: bad() if number == 2 else _ok(_opening(number))).openings(COMMITTEE, SHOWN)
    assert set(found) == {AUTHORITIES[0].address, AUTHORITIES[2].address}


@pytest.mark.parametrize("size", [1, SIZE - 6, 2 * SIZE])
def test_a_signed_answer_of_another_size_is_kept_as_a_lie(size: int) -> None:
    assert len(_client(lambda _, number: _ok(_opening(number, size))).openings(COMMITTEE, SHOWN)) == 3


def test_sightings_are_of_this_request_and_kind() -> None:
    said = {1: _sighting(1), 2: _sighting(2, bytes(32)), 3: _sighting(3, kind="sum")}
    found = _client(lambda _, number: _ok(said[number])).screening_sightings(COMMITTEE, SCENE.plan, REQUEST)
    assert set(found) == {AUTHORITIES[0].address}


def test_two_requests_seen_under_one_label_are_a_proof(tmp_path: Path) -> None:
    said = {1: [_sighting(1)] * 2, 2: [_sighting(2), _sighting(2, bytes(32))], 3: [_sighting(3)] * 2}
    client = _client(lambda _, number: _ok(said[number].pop()), tmp_path / "proofs")
    for _ in range(2):
        client.screening_sightings(COMMITTEE, SCENE.plan, REQUEST)
    (file,) = (tmp_path / "proofs").iterdir()
    assert (read_proof(file).kind, read_proof(file).culprit) == ("twoSightings", AUTHORITIES[1].address)


def test_nobody_is_asked_to_open_what_too_few_see_and_answers_are_kept() -> None:
    asked, away = list[tuple[str, int]](), {2, 3}

    def answer(request: httpx2.Request, number: int) -> httpx2.Response:
        question = request.url.path.rsplit("/", 1)[-1]
        asked.append((question, number))
        if number in away:
            return httpx2.Response(409, json={"code": "E_NOT_RECORDED"})
        return _ok(_opening(number) if question == "openings" else _sighting(number))

    client, answers = _client(answer), OpeningAnswers(COMMITTEE, SCENE.plan, REQUEST)
    answers.ask(client)
    assert not answers.enough and "openings" not in {question for question, _ in asked}
    away.clear()
    answers.ask(client)
    assert answers.enough and sorted(answers.given) == [1, 2, 3]
    assert openings_to(REQUEST, SCENE.plan, COMMITTEE, answers) is answers
    other = replace(REQUEST, beacon=b"\1" * 32)
    assert not openings_to(other, SCENE.plan, COMMITTEE, answers).given
