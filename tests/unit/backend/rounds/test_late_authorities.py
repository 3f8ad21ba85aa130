"""A key authority that takes as long as it likes, in silence or byte by byte: no question waits for it once a
quorum has answered, and where it was late before, hardly at all.

A wait that must not be is FOREVER here: a channel that waits so long fails by the timeout.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from backend.rounds import authority_channel, committee_client
from backend.rounds.committee_client import CommitteeClient
from protocol.canonical import encode
from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from protocol.messages.keys import KeyAcceptanceStatement, SignedKeyAcceptance
from tests.answering_server import Answer, Asked, answering
from tests.samples import DOMAIN
from tests.unit.backend.rounds.scene_round import CLIENTS
from tests.unit.backend.rounds.test_committee_client import AUTHORITIES, REQUEST, SCENE, URLS, _ok, _partial, _sighting

COMMITTEE = SCENE.spec.committee
FOREVER, SHORT = 1e6, 0.2
LATE = AUTHORITIES[2].address

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes the channel's constants."""

    def change(**constants: float) -> None:
        for name, value in constants.items():
            monkeypatch.setattr(authority_channel, f"{name}_SECONDS", value)

    change(TIMEOUT=FOREVER, GRACE=SHORT)
    return change


class Committees:
    """Authorities 1 and 2 answer at once. Authority 3 says who it is, and answers nothing else until ``gate`` is set;
    with ``who`` that question alone waits for the gate."""

    def __init__(self, answer: Callable[[int, httpx2.Request], bytes], *, who: bool = False) -> None:
        self.gate, self.at_gate, self.held = threading.Event(), threading.Event(), 0
        self._answer, self._who = answer, who
        self.heard = dict[Address, HearthError | None]()
        self.client = CommitteeClient(URLS, DOMAIN, Path("no-proofs"), heard=self._hear)
        self.client._http = httpx2.Client(transport=httpx2.MockTransport(self._handle))

    def _hear(self, authority: Address, error: HearthError | None, _seconds: float) -> None:
        self.heard[authority] = error

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        number, who = int(request.url.host[-1]), request.url.path.endswith("/identity")
        if number == 3 and who == self._who:
            self.held += 1
            self.at_gate.set()
            self.gate.wait()
        if who:
            return httpx2.Response(200, json={"address": to_hex(AUTHORITIES[number - 1].address)})
        return _ok(self._answer(number, request))

    def sightings(self) -> set[Address]:
        return set(self.client.sightings(COMMITTEE, SCENE.plan, SCENE.request()))

    def __enter__(self) -> Committees:
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.client.close()


PROMPT = {signer.address for signer in AUTHORITIES[:2]}


def test_who_was_late_is_hardly_waited_for_until_it_answers(seconds: Callable[..., None]) -> None:
    with Committees(lambda number, _: _sighting(number)) as scene:
        scene.client.identify()
        seconds(TIMEOUT=SHORT)
        assert scene.sightings() == PROMPT
        assert str(scene.heard[LATE]).endswith("no answer in time")
        seconds(TIMEOUT=FOREVER)
        for _ in range(2 * authority_channel.QUESTIONS):  # nor do the others wait for its threads
            assert scene.sightings() == PROMPT
        assert scene.held == authority_channel.QUESTIONS
        scene.gate.set()
        seconds(GRACE=FOREVER)
        assert scene.sightings() == {*PROMPT, LATE}
        assert scene.heard[LATE] is None
        assert LATE not in scene.client._late


def test_who_does_not_say_who_it_is_is_hardly_waited_for_the_next_time(seconds: Callable[..., None]) -> None:
    with Committees(lambda number, _: _sighting(number), who=True) as scene:
        seconds(TIMEOUT=1.0)
        assert scene.sightings() == PROMPT
        seconds(TIMEOUT=FOREVER)
        assert scene.sightings() == PROMPT
        assert scene.held == 1, "it is asked once, until it answers"
        scene.gate.set()
        seconds(GRACE=FOREVER)
        assert scene.sightings() == {*PROMPT, LATE}


def test_what_a_late_authority_said_before_counts(seconds: Callable[..., None]) -> None:
    digest, (first, second) = b"\5" * 32, CLIENTS[:2]

    def accept(number: int, client: Address) -> httpx2.Response:
        said = KeyAcceptanceStatement(1, client, digest, AUTHORITIES[number - 1].address)
        return _ok(encode(SignedKeyAcceptance(said, AUTHORITIES[number - 1].sign(DOMAIN, said))))

    with Committees(lambda number, _: _sighting(number)) as scene:
        scene.client.identify()
        hold = scene._handle

        def handle(request: httpx2.Request) -> httpx2.Response:
            number = int(request.url.host[-1])
            if request.url.path.endswith(to_hex(first)):
                return accept(number, first)
            if number == 3:
                return hold(request)
            scene.at_gate.wait()
            return accept(number, second)

        scene.client._http = httpx2.Client(transport=httpx2.MockTransport(handle))
        seconds(TIMEOUT=SHORT)
        envelopes = {first: (digest, b"envelope"), second: (digest, b"envelope")}
        words = scene.client.show_envelopes(1, COMMITTEE, dict.fromkeys(COMMITTEE.members, envelopes))
    assert [words[signer.address].accepted for signer in AUTHORITIES] == [{first, second}, {first, second}, {first}]


def test_without_a_quorum_patience_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committee_client, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(committee_client, "MIN_BYTES_PER_SECOND", FOREVER)
    with Committees(lambda number, _: _partial(number) if number == 1 else b"nonsense") as scene:
        assert set(scene.client.partial_keys(COMMITTEE, REQUEST)) == {AUTHORITIES[0].address}
        assert str(scene.heard[LATE]).endswith("no answer in time")


@contextlib.contextmanager
def trickling(start: bytes) -> Iterator[str]:
    """An authority that says who it is, and begins every other answer with ``start`` and never ends it."""
    ended, who = threading.Event(), b'{"address": "%s"}' % to_hex(LATE).encode()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the other side has gone
                while b"/identity " in self.request.recv(65536):
                    self.request.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(who), who))
                self.request.sendall(start)
                while not ended.wait(SHORT / 10):
                    self.request.sendall(b"1")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            ended.set()
            server.shutdown()


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"])
def test_an_answer_that_trickles_in_for_ever_holds_up_no_round(start: bytes, seconds: Callable[..., None]) -> None:
    def prompt(number: int) -> Callable[[Asked], Answer]:
        who = b'{"address": "%s"}' % to_hex(AUTHORITIES[number - 1].address).encode()
        return lambda asked: Answer(_sighting(number) if asked.body else who)

    with answering(prompt(1)) as first, answering(prompt(2)) as second, trickling(start) as third:
        client = CommitteeClient((first, second, third), DOMAIN, Path("no-proofs"))
        try:
            client.identify()
            seconds(TIMEOUT=SHORT)
            assert set(client.sightings(COMMITTEE, SCENE.plan, SCENE.request())) == PROMPT
            assert client._late == {LATE}
        finally:
            client.close()
