"""A public endpoint as it really is, in front of a chain: it limits, lags, breaks off, and is several nodes at once.

What goes wrong is drawn from a seed. The nodes behind it disagree for some blocks: one shows the chain as it was.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

from scripts.chain.development import DevelopmentChain
from scripts.chain.methods import ChainMethods
from scripts.chain.server import answer_of
from storage.ledger.ethereum.rpc import NodeProvider
from tests.answering_server import Answer, answering

SLOW_SECONDS: Final = 0.05
LAG_BLOCKS: Final = 3  # that the other node is behind, at most
HTML: Final = b"<html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>"
AS_OF: Final = ("eth_call", "eth_getTransactionCount", "eth_getBalance", "eth_getCode")  # a block, named last
REVEALING: Final = ("eth_getBlockByNumber", "eth_blockNumber", "eth_getLogs", "eth_getTransactionReceipt", *AS_OF)
RANGE_WORDINGS: Final[tuple[tuple[int, str], ...]] = (
    (-32602, "block range is too wide"),
    (-32000, "exceed maximum block range: {limit}"),
    (-32600, "limit of {limit} blocks"),
    (-32614, "eth_getLogs is limited to a {limit:,} range"),
    (-32602, "Log response size exceeded. this block range should work: [{start:#x}, {end:#x}]"),
)
RESULT_WORDINGS: Final[tuple[tuple[int, str], ...]] = (
    (-32005, "query returned more than {limit} results"),
    (-32602, "Query timeout exceeded. Consider reducing your block range"),
)

Chain = Callable[[bytes], bytes]


def at(url: str) -> Chain:
    """A chain behind HTTP."""
    parts = urlsplit(url)

    def ask(body: bytes) -> bytes:
        connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=30)
        try:
            connection.request("POST", "/", body, {"content-type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    return ask


def here(clock: Callable[[], float]) -> Chain:
    """A fresh one in this process."""
    methods, lock = ChainMethods(DevelopmentChain(clock)), threading.Lock()

    def ask(body: bytes) -> bytes:
        with lock:
            return json.dumps(answer_of(methods, json.loads(body))).encode()

    return ask


class UnfriendlyRpc:
    """``one_in``: how many calls, on average, there is a bad answer in. ``range_limit`` of blocks and ``result_limit``
    of logs hold for each query. ``told`` counts what was done to whom; ``calls`` how often each method was asked for.
    ``ahead``: blocks by which the head is pretended to be further, as of a chain that is that long.
    """

    def __init__(
        self,
        chain: Chain,
        seed: int = 1,
        one_in: float = 20,
        range_limit: int | None = 40,
        result_limit: int | None = 20,
        ahead: int = 0,
        lags: bool = True,
    ) -> None:
        self._chain = chain
        self._random, self._lock, self._one_in = Random(seed), threading.Lock(), one_in
        self._range_limit, self._result_limit = range_limit, result_limit
        self.ahead, self._lags = ahead, lags
        self.told: dict[str, int] = {}
        self.calls: dict[str, int] = {}

    def answer(self, body: bytes) -> Answer:
        """One request: what a node says to it, or what is said in its place."""
        question = json.loads(body)
        with self._lock:
            method = question["method"]
            self.calls[method] = self.calls.get(method, 0) + 1
            struck = self._random.uniform(0, self._one_in) < 1
            what = self._random.choice([*_ANSWERS, "lag", "lag"]) if struck else ""
            lag = self._random.randint(1, LAG_BLOCKS)
            if what == "lag" and not (self._lags and method in REVEALING):
                what = "busy"
            if what:
                self.told[what] = self.told.get(what, 0) + 1
        limited = self._limit(question)
        if limited is not None:
            return Answer(json.dumps({"jsonrpc": "2.0", "id": question["id"], "error": limited}).encode())
        if what == "lag":
            return Answer(self._lagging(question, lag))
        if what:
            return _ANSWERS[what](self, question, body)
        return Answer(self._bounded(question, self.forward(self._within(question))))

    def _within(self, question: dict[str, Any]) -> bytes:
        """The chain's own question: a block that is only pretended is its last one."""
        if self.ahead:
            height = self._height()

            def known(value: Any) -> Any:
                is_block = isinstance(value, str) and value.startswith("0x") and len(value) < 12
                return hex(height) if is_block and int(value, 16) > height else value

            asked = [
                {name: known(member) if name.endswith("Block") else member for name, member in one.items()}
                if isinstance(one, dict)
                else known(one)
                for one in question["params"]
            ]
            question = {**question, "params": asked}
        return json.dumps(question).encode()

    def forward(self, body: bytes) -> bytes:
        """As the chain answers it."""
        return self._chain(body)

    def ask(self, method: str, *parameters: object) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": parameters}).encode()
        return json.loads(self.forward(body)).get("result")

    def _height(self) -> int:
        return int(self.ask("eth_blockNumber"), 16)

    def _span(self, question: dict[str, Any]) -> tuple[int, int] | None:
        query = question["params"][0] if question["method"] == "eth_getLogs" else None
        if query is None:
            return None
        last = query["toBlock"]
        end = self._height() + self.ahead if last == "latest" else int(last, 16)
        return int(query["fromBlock"], 16), end

    def _limit(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """A refusal of too many blocks."""
        span = self._span(question)
        if span is None or self._range_limit is None or span[1] - span[0] < self._range_limit:
            return None
        return self._refusal(RANGE_WORDINGS, self._range_limit, span[0])

    def _refusal(self, wordings: tuple[tuple[int, str], ...], limit: int, start: int) -> dict[str, Any]:
        with self._lock:
            self.told["limit"] = self.told.get("limit", 0) + 1
            code, text = self._random.choice(wordings)
        return {"code": code, "message": text.format(limit=limit, start=start, end=start + limit - 1)}

    def _bounded(self, question: dict[str, Any], content: bytes) -> bytes:
        """With as many logs as are allowed, and the head where it is pretended to be."""
        answer, method = json.loads(content), question["method"]
        span = self._span(question)
        found, most = len(answer.get("result") or ()) if span is not None else 0, self._result_limit
        if span is not None and most is not None and span[0] != span[1] and found > most:
            del answer["result"]
            answer["error"] = self._refusal(RESULT_WORDINGS, most, span[0])
        if self.ahead and question["params"][:1] in ([], ["latest"]):
            if method == "eth_blockNumber":
                answer["result"] = hex(int(answer["result"], 16) + self.ahead)
            elif method == "eth_getBlockByNumber":
                answer["result"]["number"] = hex(int(answer["result"]["number"], 16) + self.ahead)
        return json.dumps(answer).encode()

    def _lagging(self, question: dict[str, Any], lag: int) -> bytes:
        """From a node that does not have the last blocks."""
        method, parameters = question["method"], question["params"]
        head = max(0, self._height() - lag)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": question["id"]}
        if method in AS_OF and parameters[-1] in ("latest", "pending"):
            question = {**question, "params": [*parameters[:-1], hex(head)]}
        honest = json.loads(self.forward(json.dumps(question).encode()))
        if "error" in honest:
            return json.dumps(honest).encode()
        found = honest["result"]
        if method == "eth_blockNumber":
            found = hex(head)
        elif method == "eth_getBlockByNumber":
            found = self.ask(method, hex(head), False) if parameters[0] == "latest" else found
            found = None if found is not None and int(found["number"], 16) > head else found
        elif method == "eth_getTransactionReceipt":
            found = None if found is not None and int(found["blockNumber"], 16) > head else found
        elif method == "eth_getLogs":
            found = [log for log in found if int(log["blockNumber"], 16) <= head]
        return json.dumps({**answer, "result": found}).encode()

    def _refuse(self, question: dict[str, Any], code: int, message: str, status: int = 200) -> Answer:
        error = {"code": code, "message": message}
        return Answer(json.dumps({"jsonrpc": "2.0", "id": question["id"], "error": error}).encode(), status)

    def _swallow(self, question: dict[str, Any], body: bytes) -> Answer:
        """It is done, and only its answer is lost."""
        self.forward(body)
        return Answer(HTML, 502)

    def _truncate(self, question: dict[str, Any], body: bytes) -> Answer:
        content = self.forward(body)
        return Answer(content[: len(content) // 2], headers={"content-length": str(len(content))})

    def _slow(self, question: dict[str, Any], body: bytes) -> Answer:
        threading.Event().wait(SLOW_SECONDS)
        return Answer(self._bounded(question, self.forward(body)))


_ANSWERS: Final[dict[str, Callable[[UnfriendlyRpc, dict[str, Any], bytes], Answer]]] = {
    "429": lambda *_: Answer(b"Too Many Requests", 429),
    "429 with Retry-After": lambda *_: Answer(b"", 429, {"retry-after": "0"}),
    "busy": lambda rpc, question, _: rpc._refuse(question, -32005, "request rate limited"),
    "busy with status": lambda rpc, question, _: rpc._refuse(question, 429, "compute units per second", 429),
    "5xx": lambda *_: Answer(HTML, 503),
    "page": lambda *_: Answer(HTML),
    "empty": lambda *_: Answer(),
    "internal": lambda rpc, question, _: rpc._refuse(question, -32603, "Internal error"),
    "swallowed": UnfriendlyRpc._swallow,
    "truncated": UnfriendlyRpc._truncate,
    "slow": UnfriendlyRpc._slow,
    "lag": lambda *_: Answer(),  # see answer
}


class Private(NodeProvider):
    """The chain behind it, as the test knows it to be."""

    def __init__(self, rpc: UnfriendlyRpc) -> None:
        self._rpc = rpc

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        return {"result": self._rpc.ask(method, *params)}


@contextmanager
def unfriendly(rpc: UnfriendlyRpc) -> Iterator[str]:
    """Gives the URL under which it answers."""

    with answering(lambda asked: rpc.answer(asked.body)) as url:
        yield url
