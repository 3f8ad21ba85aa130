"""What is asked again, how long, and what is an answer: with every wording that providers have for it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from storage.ledger.ethereum.rpc import SHOWN_CHARACTERS, JsonRpcProvider, RpcRefusedError
from storage.ledger.interface import LedgerError, UnansweredError
from storage.patience import LONGEST_PAUSE_SECONDS, Patience

URL = "https://name:secret@node.example/v2/0123456789abcdef0123456789abcdef"
NO_HEADERS: dict[str, str] = {}
Reply = Callable[[httpx2.Request, int], httpx2.Response]


@dataclass
class Endpoint:
    """Gives these replies, the last one again and again; time passes in pauses alone."""

    replies: list[Reply]
    pauses: list[float] = field(default_factory=list)
    asked: int = 0
    time: float = 0.0

    def send(self, request: httpx2.Request) -> httpx2.Response:
        reply = self.replies[min(self.asked, len(self.replies) - 1)]
        self.asked += 1
        return reply(request, json.loads(request.content)["id"])

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds

    def patience(self, drawn: float = 0.0) -> Patience:
        return Patience(monotonic=lambda: self.time, sleep=self.sleep, drawn=lambda: drawn, clock=lambda: 0.0)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Asks an endpoint with these replies."""
    providers: list[JsonRpcProvider] = []

    def ask(*replies: Reply, method: str = "eth_chainId", drawn: float = 0.0) -> tuple[Endpoint, Callable[[], Any]]:
        endpoint = Endpoint(list(replies))
        monkeypatch.setattr(httpx2.Client, "send", lambda _, request, **__: endpoint.send(request))
        providers.append(JsonRpcProvider(URL, patience=endpoint.patience(drawn)))
        return endpoint, lambda: providers[-1].make_request(method, [])["result"]

    yield ask
    for provider in providers:
        provider.close()


def page(status: int, content: bytes | str = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, _: httpx2.Response(status, headers=named, content=content, request=request)


def error(
    code: int,
    message: str,
    status: int = 200,
    data: object = None,
    number: object = ...,
    more: dict[str, str] = NO_HEADERS,
) -> Reply:
    def reply(request: httpx2.Request, asked: int) -> httpx2.Response:
        said = {"code": code, "message": message} | ({} if data is None else {"data": data})
        body = {"jsonrpc": "2.0", "id": asked if number is ... else number, "error": said}
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        return httpx2.Response(status, headers=headers, json=body, request=request)

    return reply


def good(request: httpx2.Request, asked: int) -> httpx2.Response:
    return httpx2.Response(200, json={"jsonrpc": "2.0", "id": asked, "result": "0x1"}, request=request)


def broken(request: httpx2.Request, _: int) -> httpx2.Response:
    raise httpx2.RemoteProtocolError("peer closed connection without sending complete message body", request=request)


def away(request: httpx2.Request, _: int) -> httpx2.Response:
    raise httpx2.ConnectError("connection refused", request=request)


HTML = "<html><head><style>b{}</style><title>502</title></head><body><h1>Bad\n Gateway</h1></body></html>"
LATER = [
    page(429),
    page(429, HTML),
    page(408),
    page(500, "oops"),
    page(502, HTML),
    page(503),
    page(504),
    page(403, "error code: 1015"),
    error(-32005, "daily request count exceeded, request rate limited"),
    error(-32005, "limit exceeded"),
    error(-32029, "call rate limit"),
    error(429, "Your app has exceeded its compute units per second capacity"),
    error(-32007, "50/second request limit reached - reduce calls per second", status=429),
    error(-32000, "Too Many Requests", number=None),
    error(-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s"),
    error(-32000, "whatever", status=429),
    error(-32005, "rate limited", data={"see": "https://provider.example"}),
]


@pytest.mark.parametrize("reply", LATER)
def test_a_node_that_says_later_is_asked_later(ask: Callable[..., Any], reply: Reply) -> None:
    endpoint, question = ask(*[reply] * 5, good)
    assert question() == "0x1"
    assert endpoint.pauses == [0.05, 0.1, 0.2, 0.4, 0.8]


@pytest.mark.parametrize("reply", LATER)
def test_one_that_never_answers_is_said_in_time(ask: Callable[..., Any], reply: Reply) -> None:
    endpoint, question = ask(reply, method="eth_getLogs")
    with pytest.raises(UnansweredError) as caught:
        question()
    assert endpoint.time <= 10 and endpoint.asked > 4
    assert not isinstance(caught.value, RpcRefusedError), "no answer to the question, so no refusal of a range"


@pytest.mark.parametrize(
    "reply",
    [
        broken,
        away,
        page(200),
        page(200, HTML),
        page(200, b'{"jsonrpc": "2.0", "id": 1, "resu'),
        page(200, b'{"jsonrpc": "2.0", "id": 99, "result": "0x7"}'),
        page(200, b"\xff\x00"),
        error(-32000, "header not found"),
        error(-32603, "Internal error"),
        error(-32000, "block range extends beyond current head block"),
        error(-32000, "strange", status=500),
    ],
)
def test_what_is_no_answer_is_asked_a_few_times(ask: Callable[..., Any], reply: Reply) -> None:
    endpoint, question = ask(*[reply] * 3, good)
    assert question() == "0x1"
    endpoint, question = ask(reply)
    with pytest.raises(LedgerError):
        question()
    assert endpoint.asked == 4 and endpoint.time < 1, "soon, so that a wrong address is said at once"


@pytest.mark.parametrize(
    "reply",
    [
        error(3, "execution reverted: rate limit", data="0x08c379a0"),
        error(-32000, "execution reverted: too many requests"),
        error(-32000, "execution reverted", status=500),
        error(-32603, "VM Exception while processing transaction: revert try again later"),
        error(-32000, "nonce too low"),
        error(-32005, "query returned more than 10000 results"),
        error(-32601, "the method does not exist"),
        page(401, "Must be authenticated!"),
        page(404, "<h1>Not Found</h1>"),
        page(301, "", location="https://elsewhere.example"),
    ],
)
def test_an_answer_is_taken_at_once(ask: Callable[..., Any], reply: Reply) -> None:
    endpoint, question = ask(reply, good)
    with pytest.raises(LedgerError):
        question()
    assert endpoint.asked == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": "2"}, 2.0),
        ({"retry_after": "3600"}, LONGEST_PAUSE_SECONDS),
        ({"retry_after": "Thu, 01 Jan 1970 00:00:03 GMT"}, 3.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:03 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 3.0),
        ({"retry_after": "Wed, 21 Oct 1960 07:28:00 GMT"}, 0.05),
        ({"retry_after": "soon"}, 0.05),
        ({"retry_after": "-5"}, 0.05),
    ],
)
def test_not_before_the_node_wants_it(ask: Callable[..., Any], headers: dict[str, str], expected: float) -> None:
    endpoint, question = ask(page(429, **headers), good)
    assert question() == "0x1"
    assert endpoint.pauses == [expected]
    endpoint, question = ask(error(-32005, "rate limited", more=headers), good)
    assert question() == "0x1"
    assert endpoint.pauses == [expected]


def test_pauses_grow_and_are_drawn(ask: Callable[..., Any]) -> None:
    endpoint, question = ask(page(429), drawn=1.0)
    with pytest.raises(UnansweredError):
        question()
    assert endpoint.pauses[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]


def test_the_message_names_status_words_and_endpoint_but_no_key(ask: Callable[..., Any]) -> None:
    for reply in (page(503, HTML), page(404, HTML), away, error(-32000, "nonce too low"), error(429, "slow down")):
        _, question = ask(reply)
        with pytest.raises(LedgerError) as caught:
            question()
        said = str(caught.value.args[0])
        assert "node.example" in said and "eth_chainId" in said
        assert "secret" not in said and "0123456789abcdef" not in said and "\n" not in said
    _, question = ask(page(503, HTML))
    with pytest.raises(UnansweredError, match="HTTP 503: 502 Bad Gateway"):
        question()
    _, question = ask(page(503, "\x1b[2J" + "x" * 10_000))
    with pytest.raises(UnansweredError) as caught:
        question()
    assert "\x1b" not in str(caught.value) and len(str(caught.value)) < SHOWN_CHARACTERS + 200


def test_a_refusal_after_a_repetition_says_so(ask: Callable[..., Any]) -> None:
    """Of a transaction that was taken at the first attempt."""
    for replies, repeated in (((broken,), True), ((page(502),), True), ((), False)):
        _, question = ask(*replies, error(-32000, "nonce too low"), method="eth_sendRawTransaction")
        with pytest.raises(RpcRefusedError) as caught:
            question()
        assert caught.value.repeated is repeated


def test_a_block_that_a_node_lacks_is_asked_of_the_next(ask: Callable[..., Any]) -> None:
    def lacks(request: httpx2.Request, asked: int) -> httpx2.Response:
        return httpx2.Response(200, json={"jsonrpc": "2.0", "id": asked, "result": None}, request=request)

    _, question = ask(lacks, lacks, good, method="eth_getBlockByNumber")
    assert question() == "0x1"
    endpoint, question = ask(lacks, method="eth_getBlockByNumber")
    assert question() is None and endpoint.asked == 4
    endpoint, question = ask(lacks, method="eth_getTransactionReceipt")
    assert question() is None and endpoint.asked == 1, "who waits for one asks again by himself"


def test_an_answer_that_trickles_in_for_ever_ends(ask: Callable[..., Any]) -> None:
    class Trickle(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in itertools.count():
                endpoint.time += 1
                yield b" "

    endpoint, question = ask(lambda request, _: httpx2.Response(200, stream=Trickle(), request=request))
    with pytest.raises(UnansweredError, match="does not end"):
        question()
    assert endpoint.asked == 2 and endpoint.time < 50
