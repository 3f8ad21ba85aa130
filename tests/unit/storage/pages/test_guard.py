"""Nothing is changed by a request that does not come from this site's own page; every answer tells the browser so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from storage.pages.guard import MAX_FORM_BYTES, POLICY, Tokens
from tests.unit.storage.pages.scene_face import HOST, Counting, make_client


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return make_client(tmp_path)


def token_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", ["/", "/nowhere", "/broken", "/malformed", "/static/pages.css"])
def test_every_answer_carries_the_policy(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in POLICY and "frame-ancestors 'none'" in POLICY and "unsafe" not in POLICY


def test_a_form_of_this_page_is_taken(client: TestClient) -> None:
    token = token_of(client.get("/").text)
    sent = client.post(
        "/", data={"csrf": token, "words": "ja"}, headers={"origin": HOST, "sec-fetch-site": "same-origin"}
    )
    assert sent.status_code == 200 and '<p id="said">ja</p>' in sent.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8301"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_page_is_not(client: TestClient, headers: dict[str, str]) -> None:
    token = token_of(client.get("/").text)
    assert client.post("/", data={"csrf": token}, headers=headers).status_code == 403


def test_a_form_whose_origin_our_own_policy_hides_is_taken(client: TestClient) -> None:
    token = token_of(client.get("/").text)
    headers = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert client.post("/", data={"csrf": token}, headers=headers).status_code == 200


def test_nor_one_without_token_or_with_anothers(client: TestClient, tmp_path: Path) -> None:
    token = token_of(client.get("/").text)
    assert client.post("/", data={"words": "x"}).status_code == 403
    assert client.post("/", json={"csrf": token}).status_code == 403
    assert client.post("/", data={"csrf": token[:-1] + ("0" if token[-1] != "0" else "1")}).status_code == 403
    client.cookies.clear()
    assert client.post("/", data={"csrf": token}).status_code == 403
    other = TestClient(client.app, HOST)
    other.get("/")
    assert other.post("/", data={"csrf": token}).status_code == 403


def test_a_token_looks_different_each_time_and_holds_for_its_visitor() -> None:
    tokens = Tokens(Counting())
    one, other = tokens.issue("a"), tokens.issue("a")
    assert one != other and tokens.accepts("a", one) and tokens.accepts("a", other)
    assert not tokens.accepts("b", one) and not tokens.accepts("", tokens.issue("")) and not tokens.accepts("a", "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8300", "127.0.0.1.evil.example", "", "[::2]:8300"])
def test_a_name_that_points_here_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8300", "localhost", "LOCALHOST:1", "[::1]:8300"])
def test_the_own_names_are_not(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


def test_a_large_form_is_refused_while_it_arrives(client: TestClient) -> None:
    token = token_of(client.get("/").text)
    sent = client.post("/", data={"csrf": token, "words": "x" * MAX_FORM_BYTES})
    assert sent.status_code == 413


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(client: TestClient) -> None:
    cookie = client.get("/").headers["set-cookie"]
    assert cookie.startswith("hearth_test_8300=")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
