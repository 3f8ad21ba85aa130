"""Pages say the same in every language, show what others wrote as text, and load assets that never change."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from storage.pages.languages import chosen
from tests.unit.storage.pages.scene_face import make_client

HOSTILE = '<script>alert(1)</script>\n\x1b[31m"\u202ereversed'


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return make_client(tmp_path)


def test_hostile_text_is_one_line_of_text(tmp_path: Path) -> None:
    page = make_client(tmp_path, HOSTILE).get("/").text
    assert "<script>alert" not in page and "\u202e" not in page.partition("<textarea")[0]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;[U+000A][U+001B][31m&#34;[U+202E]reversed" in page


def test_an_error_page_says_what_was_wrong_and_nothing_of_the_inside(client: TestClient) -> None:
    malformed, broken = client.get("/malformed"), client.get("/broken")
    assert malformed.status_code == 400 and "&lt;b&gt;line one&lt;/b&gt;[U+000A]line two" in malformed.text
    assert broken.status_code == 500 and "secret" not in broken.text and "E_INTERNAL" in broken.text
    assert client.get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "language"),
    [
        ("de", "en", "en", "de"),
        (None, "de", "en", "de"),
        (None, None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, None, "fr, en;q=0.2, de;q=0.1", "en"),
        (None, None, "de;q=0", "en"),
        ("xx", "yy", "zz;q=oops,,;q=", "en"),
        (None, None, "", "en"),
    ],
)
def test_the_language_is_the_readers(asked: str | None, remembered: str | None, accepted: str, language: str) -> None:
    assert chosen(asked, remembered, accepted) == language


def test_a_chosen_language_stays(client: TestClient) -> None:
    assert '<html lang="en"' in client.get("/").text
    assert "Diese Adresse gibt es hier nicht" in client.get("/?lang=de").text
    assert '<html lang="de"' in client.get("/").text


def test_an_asset_is_asked_for_once(client: TestClient) -> None:
    page = client.get("/").text
    url = page.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
    first = client.get(url)
    assert first.headers["cache-control"].endswith("immutable") and first.headers["content-encoding"] == "gzip"
    again = client.get(url, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content
    assert client.get("/static/own.js").headers["cache-control"] == "no-cache"
    assert client.get("/static/..%2ftemplates%2fpage.html").status_code == 404
    assert client.get("/static/gone.css").status_code == 404


def test_a_page_is_private_and_packed(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["cache-control"] == "no-store" and answer.headers["content-encoding"] == "gzip"
