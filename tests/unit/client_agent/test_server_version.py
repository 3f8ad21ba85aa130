"""An old phone says that it is old, and a phone says of a server that it is; whoever lies keeps nobody away."""

from __future__ import annotations

import json

import httpx2
import pytest

from client_agent.edge_client import EdgeRefusedError, EdgeUnavailableError
from tests.unit.client_agent.test_edge_client import ANNOUNCED, ANNOUNCEMENT, SUBMISSION, Handler, client_of


def _versioned(version: object, status: int = 422, seen: list[str] | None = None) -> Handler:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if seen is not None:
            seen.append(request.url.path)
        if request.url.path.endswith("/identity"):
            return httpx2.Response(200, json={"version": version})
        return httpx2.Response(status, json={"code": "E_BAD_SIG", "detail": "a signature of another domain"})

    return answer


def test_an_old_phone_says_that_it_is_old() -> None:
    seen = list[str]()
    client = client_of(_versioned("4", seen=seen))
    for _ in range(2):
        with pytest.raises(EdgeUnavailableError, match="version 4, this program 3: upgrade this program") as caught:
            client.submit(1, 3, SUBMISSION)
        assert caught.value.code == "E_UPGRADE"
    assert sum(path.endswith("/identity") for path in seen) == 1, "a phone pays for every request"


def test_a_phone_says_that_a_server_is_old() -> None:
    with pytest.raises(EdgeUnavailableError, match="its operator has to upgrade it"):
        client_of(_versioned("2")).next_round(1, 2, 0)


@pytest.mark.parametrize("version", ["3", None])
def test_a_refusal_by_a_server_of_this_version_stays_what_it_is(version: str | None) -> None:
    handler = _versioned(version) if version else lambda _: httpx2.Response(422, json={"code": "E_BAD_SIG"})
    with pytest.raises(EdgeRefusedError, match="E_BAD_SIG"):
        client_of(handler).submit(1, 3, SUBMISSION)


def test_a_server_that_lies_about_its_version_keeps_no_phone_from_the_others() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "liar":
            return _versioned("99999999999999999999999")(request)
        return httpx2.Response(200, content=json.dumps(ANNOUNCEMENT).encode())

    assert client_of(answer, ("http://liar", "http://two")).next_round(1, 2, 0) == ANNOUNCED
