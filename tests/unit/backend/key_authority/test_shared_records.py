"""Several processes of one authority over one database: whoever is first has signed, and the others say the same."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL

from backend.key_authority.windows import Windows, drawn
from protocol.canonical import decode, encode
from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import Digest
from protocol.messages.keys import PartialKeyAnswer, SignedSighting
from storage.records.database import Database, database_url
from storage.records.interface import Change
from tests.ports.postgresql import PostgreSQL, running_postgresql
from tests.unit.backend.key_authority.scene import CLIENTS, TASK, Scene, authority_signer, plan, request, spec

PROCESSES = 3
ROUNDS = 4


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    if request.param == "sqlite":
        return database_url(f"sqlite:///{tmp_path}/records.sqlite3")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.url


@pytest.fixture
def processes(url: URL, tmp_path: Path) -> Iterator[list[Scene]]:
    """Each with connections of its own, and a chain of its own that shows what a test lets it show."""
    with ExitStack() as opened:
        databases = [opened.enter_context(Database(url)) for _ in range(PROCESSES)]
        made = [Scene(tmp_path, 1, lambda of=of: of.records(str(tmp_path))) for of in databases]  # type: ignore[misc]
        made[0].prepare()
        for other in made[1:]:
            other.ledger.posted, other.ledger.enrolled = made[0].ledger.posted, made[0].ledger.enrolled
            other.ledger.specs, other.ledger.envelopes = made[0].ledger.specs, made[0].ledger.envelopes
        yield made


def at_once(acts: list[Callable[[], bytes]]) -> list[bytes | str]:
    """What each of them answered, or the code of its refusal."""
    together, answers = threading.Barrier(len(acts)), dict[int, bytes | str]()

    def act(number: int) -> None:
        together.wait()
        try:
            answers[number] = acts[number]()
        except HearthError as error:
            answers[number] = error.code

    threads = [threading.Thread(target=act, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(acts))]


def test_each_shown_another_request_they_sign_and_answer_one(processes: list[Scene]) -> None:
    """As if each asked another endpoint, and all but one lied."""
    for number in range(1, ROUNDS + 1):
        agreed = plan(number)
        shown = [request(agreed), request(agreed, CLIENTS[:2]), request(agreed, CLIENTS[1:])]
        for process, its in zip(processes, shown, strict=True):
            process.ledger.record(its, number)

        def sight(process: Scene, its: Any, number: int = number) -> bytes:
            return process.authority.sight(TASK, number, encode(its))

        def answer(process: Scene, its: Any, number: int = number, agreed: Any = agreed) -> bytes:
            return process.ask(agreed, its, number)

        pairs = list(zip(processes, shown, strict=True))
        if number % 2:
            said = at_once([lambda p=p, its=its: sight(p, its) for p, its in pairs])  # type: ignore[misc]
            assert sorted(map(type, said), key=str) == [bytes, str, str]
            assert {code for code in said if isinstance(code, str)} == {"E_SIGHTED"}
        answers = at_once([lambda p=p, its=its: answer(p, its) for p, its in pairs])  # type: ignore[misc]
        given = {one for one in answers if isinstance(one, bytes)}
        assert len(given) == 1
        signed = decode(PartialKeyAnswer, given.pop()).signed.statement
        late = {"E_SIGHTED", "E_LABEL_USED", "E_EPOCH", "E_RECORDS"}  # the last: keys erased while it read them
        assert {one for one in answers if isinstance(one, str)} <= late
        for process, its in pairs:  # and nobody ever says anything else
            sure = sight if its.digest() == signed.request else refused
            sure(process, its)


def refused(process: Scene, its: Any) -> None:
    number = max(number for _, number in process.ledger.rounds)
    with pytest.raises(EncryptionError, match="E_SIGHTED"):
        process.authority.sight(TASK, number, encode(its))


def test_asked_the_same_they_say_the_same_bytes(processes: list[Scene]) -> None:
    agreed, keys = plan(), list[Windows]()
    for process in processes:
        process.ledger.record(request(agreed))
        reader: Any = process.ledger
        keys.append(Windows(reader, process.records, authority_signer(1), drawn))  # each would draw another one
    sightings = at_once([lambda p=p: p.authority.sight(TASK, 1, encode(request(agreed))) for p in processes])  # type: ignore[misc]
    answers = at_once([lambda p=p: p.ask(agreed, request(agreed)) for p in processes])  # type: ignore[misc]
    windows = at_once([lambda w=w: encode(w.signed_key(TASK, spec(), 1)) for w in keys])  # type: ignore[misc]
    assert decode(SignedSighting, bytes(sightings[0])).statement.digest == request(agreed).digest()  # type: ignore[arg-type]
    for said in (sightings, answers, windows):
        assert isinstance(said[0], bytes) and set(said) == {said[0]}


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_commit_of_an_answer_it_has_one_or_none(url: URL, tmp_path: Path, when: str) -> None:
    """A real SIGKILL right before, or right after, the commit; then the chain shows another request."""
    agreed = plan()

    def opened() -> tuple[Database, Scene]:
        database = Database(url)
        return database, Scene(tmp_path, 1, lambda: database.records(str(tmp_path)))

    database, scene = opened()
    scene.prepare()
    ledger = scene.ledger
    database.close()
    child = os.fork()
    if child == 0:
        try:
            _, scene = opened()
            scene.ledger = ledger
            scene.restart()
            ledger.record(request(agreed))
            _kill_at_commit(scene, when)
            scene.ask(agreed, request(agreed))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    database, scene = opened()
    scene.ledger = ledger
    scene.restart()
    other, codes, given = request(agreed, CLIENTS[:2]), set[str](), set[Digest]()
    for shown in (other, request(agreed), other):
        ledger.record(shown)
        try:
            given.add(decode(PartialKeyAnswer, scene.ask(agreed, shown)).signed.statement.request)
        except HearthError as error:
            codes.add(error.code)
    assert given == {(request(agreed) if when == "after" else other).digest()}
    assert codes == {"E_EPOCH"}
    if url.drivername == "sqlite":  # what moved on is in no file any more, though it was killed in between
        database.close()
        shares = {
            path
            for path in tmp_path.glob("records.sqlite3*")
            if b"share-1-" + CLIENTS[0].hex().encode() in path.read_bytes()
        }
        assert not shares
    database.close()


def _kill_at_commit(scene: Scene, when: str) -> None:
    """Of the change that keeps an answer."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    records: Any = scene.records._records
    append = records.append

    def armed(change: Change, after: int) -> None:
        if when == "before":
            event.listen(Engine, "commit", die)
        else:
            records._seen = die  # the first thing after the transaction
        append(change, after)

    records.append = armed
