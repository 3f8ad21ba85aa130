"""An edge server that lies to a key authority about a screened round gets no opening, and no key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from protocol.canonical import decode, encode
from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.identifiers import Digest, sha256
from protocol.messages.chain import ScreeningRequested
from protocol.messages.screening import GramRequest, OpeningAnswer
from protocol.round.screening_request import beacon_of
from protocol.task.documents import Kind, there
from storage.content.memory import MemoryStore
from storage.task_reader import TaskReader
from tests.attacks.screening.server_scene import ROUND, played, refused
from tests.unit.backend.key_authority.screened_scene import (
    Moment,
    Screened,
    Watched,
)


@pytest.fixture(scope="module")
def scene() -> Screened:
    return played("a lying server")


@pytest.fixture
def authority(scene: Screened) -> Iterator[Watched]:
    made = Watched(scene, 1)
    yield made
    made.records.close()


def lie(moment: Moment, number: int, request: GramRequest) -> Moment:
    """The chain, had this been requested."""
    lied = copy(moment)
    lied.views = {**moment.views, number: replace(moment.views[number], screening=request.digest())}
    lied.change(ScreeningRequested, number, request=request.digest())
    return lied


def asked(scene: Screened, authority: Watched, request: GramRequest) -> str:
    """Its refusal to open this, which content and chain have."""
    scene.player.put(encode(request))
    authority.at(lie(scene.open[ROUND], ROUND, request))
    code = refused(lambda: authority.open(ROUND, scene.ask_openings(ROUND, request)))
    assert decode(OpeningAnswer, authority.at(scene.open[ROUND]).open(ROUND)), "nothing was used up"
    return code


def test_a_request_that_is_not_the_one_that_everybody_derives(scene: Screened, authority: Watched) -> None:
    honest = scene.gram_request(ROUND)
    first, *others = honest.entries
    stranger = replace(first, ciphertext=sha256(b"another"))
    lies = {
        "fewer histories": (replace(honest, histories=honest.histories[1:]), "E_PARAMS"),
        "other histories": (replace(honest, histories=(*honest.histories[1:], b"\xff" * 20)), "E_PARAMS"),
        "another beacon": (replace(honest, beacon=sha256(b"chosen")), "E_PARAMS"),
        "no public vector": (replace(honest, public=()), "E_PARAMS"),
        "another public vector": (replace(honest, public=(sha256(b"chosen"),)), "E_PARAMS"),
        "another label": (replace(honest, label=scene.gram_request(2).label), "E_NOT_RECORDED"),
        "twice": (replace(honest, entries=(first, first, *others)), "E_DUP_CLIENT"),
        "not committed": (replace(honest, entries=(stranger, *others)), "E_UNKNOWN_CLIENT"),
    }
    assert honest.histories and honest.public
    for name, (request, code) in lies.items():
        assert asked(scene, authority, request) == code, name


def test_a_batch_with_a_commitment_that_its_client_did_not_sign(scene: Screened, authority: Watched) -> None:
    """So that an update of the server's choice is compared with all others."""
    honest, batch = scene.gram_request(ROUND), there(scene.state.batch(ROUND))
    target = batch.commitments[0]
    forged = replace(target, commitment=replace(target.commitment, ciphertext=sha256(b"the server's")))
    (facts,) = [facts for facts in scene.state.rounds if facts.number == ROUND]
    assert facts.batched is not None
    digest = scene.player.put(encode(replace(batch, commitments=(forged, *batch.commitments[1:]))))
    own = [entry.client for entry in honest.entries].index(target.commitment.client)
    entries = list(honest.entries)
    entries[own] = replace(entries[own], ciphertext=forged.commitment.ciphertext)
    request = replace(honest, entries=tuple(entries))
    moment = lie(scene.open[ROUND], ROUND, request)
    moment.change(type(facts.batched), ROUND, batch=digest)
    code = refused(lambda: authority.at(moment).open(ROUND, scene.ask_openings(ROUND, request)))
    assert code == "E_PARAMS", "the beacon draws on the commitments"
    drawn = _beacon(scene, moment)
    request = replace(request, beacon=drawn)
    moment = lie(moment, ROUND, request)
    code = refused(lambda: authority.at(moment).open(ROUND, scene.ask_openings(ROUND, request)))
    assert code == "E_BAD_SIG"


def _beacon(scene: Screened, moment: Moment) -> Digest:
    """As this chain draws it."""
    reader = TaskReader(scene.player.store, scene.player.task, list(Kind))
    reader.follow(moment.told)
    reader.fetch(0)
    event = reader.state.rounds[ROUND - 1].screening
    assert event is not None
    return beacon_of(reader.state, ROUND, event.beacon)


def test_a_sketch_drawn_while_somebody_could_still_commit(scene: Screened, authority: Watched) -> None:
    """A phone that knows it hides a poison in its kernel."""
    honest = scene.gram_request(ROUND)
    event = scene.state.rounds[ROUND - 1].screening
    assert event is not None
    for block in (event.beacon_block - 1, event.beacon_block + 1, scene.state.rounds[ROUND - 1].opened.block):
        moment = lie(scene.open[ROUND], ROUND, honest)
        moment.change(ScreeningRequested, ROUND, beacon_block=block)
        assert refused(lambda moment=moment: authority.at(moment).open(ROUND)) == "E_VERIFICATION"  # type: ignore[misc]


@pytest.mark.parametrize("by", [(), (1, 2), (1, 1, 2)])
def test_a_request_that_too_few_authorities_saw(scene: Screened, authority: Watched, by: tuple[int, ...]) -> None:
    """Else one authority whose chain is forged opens another set of updates than all others."""
    authority.at(scene.open[ROUND])
    assert refused(lambda: authority.open(ROUND, scene.ask_openings(ROUND, by=by))) == "E_SIGHTINGS"


class LyingStore(MemoryStore):
    """Gives what it is told to give in the place of one object, unchecked."""

    def __init__(self, honest: Any, false: dict[bytes, bytes]) -> None:
        super().__init__()
        self.objects, self._false = honest.objects, false

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        if cid.digest in self._false:
            return self._false[cid.digest]
        return super().get(cid, max_bytes, chunk_bytes)


def test_a_store_that_gives_another_ciphertext(scene: Screened) -> None:
    """The server's own: what an authority sketches is what the client signed."""
    target = scene.gram_request(ROUND).entries[0].ciphertext
    body = scene.player.read(target)
    false = bytes([body[0] ^ 1]) + body[1:]
    cheated = Watched(scene, 1, store=LyingStore(scene.player.store, {target: false})).at(scene.open[ROUND])
    assert refused(lambda: cheated.open(ROUND)) == "E_UNDERIVABLE"
    honest = Watched(scene, 1, store=LyingStore(scene.player.store, {})).at(scene.open[ROUND])
    assert decode(OpeningAnswer, honest.open(ROUND))


def test_a_ciphertext_that_is_not_there(scene: Screened, authority: Watched) -> None:
    target = scene.gram_request(ROUND).entries[0].ciphertext
    with _without(scene, target):
        assert refused(lambda: authority.at(scene.open[ROUND]).open(ROUND)) == "E_UNDERIVABLE"
    assert decode(OpeningAnswer, authority.open(ROUND))


@contextmanager
def _without(scene: Screened, digest: bytes) -> Iterator[None]:
    objects = scene.player.store.objects
    names = [cid.text for cid in (Cid("raw", digest), Cid("dag-pb", digest)) if cid.text in objects]
    taken = {name: objects.pop(name) for name in names}
    assert taken
    try:
        yield
    finally:
        objects.update(taken)


def test_a_second_request_of_a_round_whatever_the_chain_says_later(scene: Screened, authority: Watched) -> None:
    """Each opening of other rows says more of every update."""
    honest = scene.gram_request(ROUND)
    first = authority.at(scene.open[ROUND]).open(ROUND)
    fewer = replace(honest, entries=honest.entries[1:])
    scene.player.put(encode(fewer))
    authority.at(lie(scene.open[ROUND], ROUND, fewer))
    assert refused(lambda: authority.open(ROUND, scene.ask_openings(ROUND, fewer))) == "E_LABEL_USED"
    assert refused(lambda: authority.sight(ROUND, fewer)) == "E_SIGHTED"
    assert authority.at(scene.open[ROUND]).open(ROUND) == first
