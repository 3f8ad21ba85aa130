"""Key authorities may be dead, slow of wit or liars: what counts is what they have signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from backend.rounds.authority_channel import MAX_STATEMENT_BYTES
from backend.rounds.committee_client import CommitteeClient
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.identifiers import Address, sha256, to_hex
from protocol.messages.keys import (
    KeyAcceptanceStatement,
    PartialKeyAnswer,
    PartialKeyStatement,
    PlannedKeyRequest,
    SignedKeyAcceptance,
    SignedPartialKey,
    SignedSighting,
    SignedWindowKey,
    WindowKeyStatement,
)
from protocol.round.sightings import sighting
from storage.ledger.proof_file import read_proof
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key
from tests.unit.backend.rounds.scene_round import CLIENTS, PlannedRound

AUTHORITIES = [Signer(private_key("authority", j)) for j in (1, 2, 3)]
URLS = tuple(f"http://authority-{j}" for j in (1, 2, 3))
SCENE = PlannedRound()
REQUEST = PlannedKeyRequest(SCENE.plan, SCENE.request(), ())
PAUSES = list[float]()
Answer = Callable[[httpx2.Request, int], httpx2.Response]


def _client(answer: Answer, proofs: Path = Path("no-proofs")) -> CommitteeClient:
    """``answer`` says what authority number 1 to 3 replies to all but the question who it is."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        number = int(request.url.host[-1])
        if request.url.path.endswith("/identity"):
            return httpx2.Response(200, json={"address": to_hex(AUTHORITIES[number - 1].address)})
        return answer(request, number)

    client = CommitteeClient(URLS, DOMAIN, proofs, pause=PAUSES.append)
    client._http = httpx2.Client(transport=httpx2.MockTransport(handle))
    return client


def _partial(number: int, share: bytes | None = None, **changes: object) -> bytes:
    residues = SCENE.partial(number) if share is None else share
    fields: dict[str, object] = {
        "task": 1,
        "round": 1,
        "label": SCENE.plan.label(),
        "request": SCENE.request().digest(),
        "authority": AUTHORITIES[number - 1].address,
        "key_epoch": 1,
        "residues": cid_of(residues).digest,
    }
    statement = PartialKeyStatement(**(fields | changes))  # type: ignore[arg-type]
    signature = AUTHORITIES[number - 1].sign(DOMAIN, statement)
    return encode(PartialKeyAnswer(SignedPartialKey(statement, signature), residues))


def _ok(content: bytes) -> httpx2.Response:
    return httpx2.Response(200, content=content)


def test_all_answers() -> None:
    found = _client(lambda _, number: _ok(_partial(number))).partial_keys(SCENE.spec.committee, REQUEST)
    assert set(found) == {authority.address for authority in AUTHORITIES}


@pytest.mark.parametrize(
    "bad",
    [
        lambda: _ok(_partial(2, round=2)),
        lambda: _ok(_partial(2, request=b"\1" * 32)),
        lambda: _ok(_partial(2, label=b"\1" * 32)),
        lambda: _ok(_partial(2, residues=b"\1" * 32)),
        lambda: _ok(_partial(2, authority=AUTHORITIES[0].address)),
        lambda: _ok(_partial(3)),
        lambda: _ok(_partial(2, SCENE.partial(2)[:-4])),  # signed, and too short
        lambda: _ok(_partial(2)[:-1]),
        lambda: _ok(b"x" * (MAX_STATEMENT_BYTES + 2 * 49_152 + 1)),
        lambda: _ok(b"[" * 100_000),
        lambda: httpx2.Response(409, json={"code": "E_NOT_ON_CHAIN"}),
        lambda: httpx2.Response(500),
    ],
)
def test_one_bad_answer_costs_only_itself(bad: Callable[[], httpx2.Response]) -> None:
    client = _client(lambda _, number: bad() if number == 2 else _ok(_partial(number)))
    found = client.partial_keys(SCENE.spec.committee, REQUEST)
    assert set(found) == {AUTHORITIES[0].address, AUTHORITIES[2].address}


def test_a_second_key_for_one_label_is_kept_as_proof(tmp_path: Path) -> None:
    wrong = bytes([SCENE.partial(2)[0] ^ 1]) + SCENE.partial(2)[1:]
    answers = {1: [_partial(1)] * 3, 2: [_partial(2, wrong), _partial(2), _partial(2)], 3: [_partial(3)] * 3}
    client = _client(lambda _, number: _ok(answers[number].pop()), tmp_path / "proofs")
    for _ in range(2):
        assert len(client.partial_keys(SCENE.spec.committee, REQUEST)) == 3
    assert not (tmp_path / "proofs").exists()
    client.partial_keys(SCENE.spec.committee, REQUEST)
    (file,) = (tmp_path / "proofs").iterdir()
    found = read_proof(file)
    assert (found.kind, found.task, found.round, found.culprit) == ("twoKeys", 1, 1, AUTHORITIES[1].address)


def _sighting(number: int, **changes: object) -> bytes:
    request = SCENE.request()
    said = sighting(1, 1, request.kind, request.label, request.digest(), AUTHORITIES[number - 1].address)
    said = replace(said, **changes)  # type: ignore[arg-type]
    return encode(SignedSighting(said, AUTHORITIES[number - 1].sign(DOMAIN, said)))


@pytest.mark.parametrize(
    "bad",
    [
        lambda: _ok(_sighting(2, digest=b"\1" * 32)),
        lambda: _ok(_sighting(2, label=b"\1" * 32)),
        lambda: _ok(_sighting(2, round=2)),
        lambda: _ok(_sighting(3)),
        lambda: _ok(_sighting(2)[:-1]),
        lambda: _ok(b"x" * (MAX_STATEMENT_BYTES + 1)),
        lambda: httpx2.Response(409, json={"code": "E_SIGHTED"}),
    ],
)
def test_only_a_sighting_of_this_request_counts(bad: Callable[[], httpx2.Response]) -> None:
    client = _client(lambda _, number: bad() if number == 2 else _ok(_sighting(number)))
    found = client.sightings(SCENE.spec.committee, SCENE.plan, SCENE.request())
    assert found.keys() == {AUTHORITIES[0].address, AUTHORITIES[2].address}
    assert encode(found[AUTHORITIES[0].address]) == _sighting(1)


def test_a_second_sighting_for_one_label_is_kept_as_proof(tmp_path: Path) -> None:
    answers = [_sighting(2), _sighting(2, digest=b"\1" * 32), _sighting(2)]
    client = _client(lambda _, number: _ok(answers.pop() if number == 2 else _sighting(number)), tmp_path / "proofs")
    for written in (0, 1, 1):
        client.sightings(SCENE.spec.committee, SCENE.plan, SCENE.request())
        assert len(list((tmp_path / "proofs").glob("twoSightings-*"))) == written
    (file,) = (tmp_path / "proofs").iterdir()
    assert read_proof(file).culprit == AUTHORITIES[1].address


def test_a_dead_authority_is_asked_again_later() -> None:
    dead = True

    def answer(request: httpx2.Request, number: int) -> httpx2.Response:
        if dead and number == 3:
            raise httpx2.ConnectError("refused", request=request)
        return _ok(_partial(number))

    client = _client(answer)
    assert len(client.partial_keys(SCENE.spec.committee, REQUEST)) == 2
    dead = False
    assert len(client.partial_keys(SCENE.spec.committee, REQUEST)) == 3


def test_an_authority_that_is_busy_is_asked_again_after_its_pause() -> None:
    asked = dict.fromkeys((1, 2, 3), 0)

    def answer(_: httpx2.Request, number: int) -> httpx2.Response:
        asked[number] += 1
        if asked[number] == 1:
            return httpx2.Response(429 if number == 1 else 503, headers={"retry-after": str(number)})
        return _ok(_partial(number))

    PAUSES.clear()
    assert len(_client(answer).partial_keys(SCENE.spec.committee, REQUEST)) == 3
    assert sorted(PAUSES) == [1, 2, 3]


def test_acceptances_are_for_the_very_envelope() -> None:
    digest, other = b"\5" * 32, b"\6" * 32

    def answer(_: httpx2.Request, number: int) -> httpx2.Response:
        said = other if number == 2 else digest
        statement = KeyAcceptanceStatement(1, CLIENTS[0], said, AUTHORITIES[number - 1].address)
        signed = SignedKeyAcceptance(statement, AUTHORITIES[number - 1].sign(DOMAIN, statement))
        return _ok(encode(signed))

    missing: dict[Address, dict[Address, tuple[bytes, bytes]]] = {
        authority.address: {CLIENTS[0]: (digest, b"envelope")} for authority in AUTHORITIES
    }
    found = _client(answer).show_envelopes(1, SCENE.spec.committee, missing)
    assert [found[authority.address].accepted for authority in AUTHORITIES] == [{CLIENTS[0]}, set(), {CLIENTS[0]}]
    assert not any(word.refused for word in found.values())


def test_a_refused_envelope_is_a_word_too() -> None:
    def answer(_: httpx2.Request, number: int) -> httpx2.Response:
        return httpx2.Response(422, json={"code": "E_ENROLMENT" if number == 2 else "E_LEDGER", "detail": "no"})

    missing = {authority.address: {CLIENTS[0]: (b"\5" * 32, b"envelope")} for authority in AUTHORITIES}
    found = _client(answer).show_envelopes(1, SCENE.spec.committee, missing)
    assert [found[authority.address].refused for authority in AUTHORITIES] == [set(), {CLIENTS[0]}, set()]
    assert not any(word.accepted for word in found.values())


def _window_key(number: int, **changes: object) -> bytes:
    key = bytes([number]) * 1216
    fields = {"task": 1, "window": 2, "authority": AUTHORITIES[number - 1].address, "key": sha256(key)}
    statement = WindowKeyStatement(**(fields | changes))  # type: ignore[arg-type]
    return encode(SignedWindowKey(statement, key, AUTHORITIES[number - 1].sign(DOMAIN, statement)))


@pytest.mark.parametrize("change", [{"window": 1}, {"task": 2}, {"authority": bytes(20)}, {"key": bytes(32)}])
def test_only_keys_that_the_authority_signed_for_this_window_are_kept(change: dict[str, object]) -> None:
    asked, bad = list[str](), change

    def answer(request: httpx2.Request, number: int) -> httpx2.Response:
        asked.append(request.url.path)
        return _ok(_window_key(number, **(bad if number == 2 else {})))

    client = _client(answer)
    found = client.window_keys(1, SCENE.spec.committee, 2)
    assert [key.statement.authority for key in found] == [AUTHORITIES[0].address, AUTHORITIES[2].address]
    bad = {}
    assert len(client.window_keys(1, SCENE.spec.committee, 2)) == 3
    assert set(asked) == {"/api/v1/tasks/1/windows/2/key"}
