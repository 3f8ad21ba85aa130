"""What servers answer to a manufacturer: the right thing, or one error that says who answered what."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from protocol.canonical import encode
from protocol.errors import Party, VerificationError
from protocol.identifiers import sha256, to_hex
from scripts.commands.servers import MAX_ANSWER_BYTES, ApiError, identify_authority, prepare_call
from storage.ledger.interface import PreparedTransaction
from tests.answering_server import Answer, answering
from tests.samples import sample_spec

ADDRESS = b"\x0a" * 20
SPEC = sample_spec()
PREPARED = {"spec": to_hex(sha256(encode(SPEC))), "to": to_hex(ADDRESS), "data": "0x01", "value_wei": 7}


@dataclass
class Server:
    url: str = ""
    answer: Answer = field(default_factory=Answer)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    with answering(lambda _: made.answer) as made.url:
        yield made


def saying(server: Server, body: Any, status: int = 200) -> str:
    server.answer = Answer(body if isinstance(body, bytes) else json.dumps(body).encode(), status)
    return f"{server.url}/"


def test_who_answers_rightly_is_believed(server: Server) -> None:
    assert identify_authority(saying(server, {"address": to_hex(ADDRESS)})) == ADDRESS
    assert prepare_call(saying(server, PREPARED), SPEC) == PreparedTransaction(ADDRESS, b"\1", 7)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"<html>", 200, "not JSON"),
        (b"[" * 100_000, 200, "not JSON"),
        (b"\xff\xfe", 200, "not JSON"),
        ([], 200, "something else"),
        ({}, 200, ""),
        ({"address": 7, "spec": 7}, 200, ""),
        ({"address": "0x12", "spec": "0x12"}, 200, ""),
        ({**PREPARED, "value_wei": [], "address": None}, 200, ""),
        (b"0" * (MAX_ANSWER_BYTES + 1), 200, "more than"),
        (b"<html>\x1b[2J", 502, "status 502"),
        ({"detail": "the \x1bspec names another edge server"}, 422, "status 422: the [U+001B]spec names another"),
    ],
)
def test_whatever_else_they_answer_is_one_error_of_theirs(body: Any, status: int, said: str, server: Server) -> None:
    def prepared(url: str) -> object:
        return prepare_call(url, SPEC)

    asked: tuple[tuple[Callable[[str], object], Party], ...] = (
        (identify_authority, Party.KEY_AUTHORITY),
        (prepared, Party.EDGE_SERVER),
    )
    for ask, fault in asked:
        with pytest.raises(ApiError) as caught:
            ask(saying(server, body, status))
        message = str(caught.value.args[0])
        assert said in message and message.isprintable() and "127.0.0.1" in message
        assert caught.value.fault is fault


def test_another_spec_than_the_manufacturers_is_not_signed(server: Server) -> None:
    with pytest.raises(VerificationError, match="another spec"):
        prepare_call(saying(server, {**PREPARED, "spec": to_hex(b"\2" * 32)}), SPEC)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[::1", "http://a:99999", "nothing", "http://" + "a" * 300]
)
def test_where_nobody_answers_it_is_said(url: str) -> None:
    with pytest.raises(ApiError):
        identify_authority(url)
