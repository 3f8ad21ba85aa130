"""Sign-in on pages without script: the shown message, a signature pasted back, and where it leads."""

from __future__ import annotations

import html
import re

import pytest
from fastapi.testclient import TestClient

from protocol.identifiers import to_hex
from tests.unit.backend.api.scene_api import played as played_api
from tests.unit.backend.api.test_sign_in import KEY, ME, sign
from tests.unit.backend.dashboard.scene_dashboard import HOST, both, browser

NEXT = "/post/sign?title=x"


def fresh() -> TestClient:
    return browser(both(played_api().scene))


def value(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page, re.DOTALL)
    assert found is not None, page
    return html.unescape(found[1])


def sent(client: TestClient, path: str, page: str, **fields: str):  # type: ignore[no-untyped-def]
    return client.post(path, data={"csrf": value(page, "csrf"), **fields}, headers={"origin": HOST})


def challenged(client: TestClient, next_page: str = NEXT) -> str:
    page = client.get("/sign-in", params={"next": next_page}).text
    answer = sent(client, "/sign-in", page, address=to_hex(ME), next=value(page, "next"))
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def test_a_signature_pasted_back_signs_in_and_goes_on() -> None:
    client = fresh()
    page = challenged(client)
    message = value(page, "message")
    assert "127.0.0.1:8300 wants you to sign in" in message and "cast wallet sign" in page
    signature = to_hex(sign(message, KEY))
    answer = sent(client, "/sign-in/signature", page, message=message, signature=signature, next=value(page, "next"))
    assert (answer.status_code, answer.headers["location"]) == (303, NEXT)
    assert "HttpOnly" in answer.headers["set-cookie"] and "samesite=strict" in answer.headers["set-cookie"].lower()
    page = client.get("/sign-in").text
    assert "You are signed in." in page
    answer = sent(client, "/sign-out", page, next=NEXT)
    assert answer.status_code == 303 and "You are signed in." not in client.get("/sign-in").text


@pytest.mark.parametrize("signature", ["", "0x12", "0x" + "11" * 65, "<b>"])
def test_another_signature_is_refused_beside_its_field(signature: str) -> None:
    client = fresh()
    page = challenged(client)
    answer = sent(client, "/sign-in/signature", page, message=value(page, "message"), signature=signature, next=NEXT)
    assert answer.status_code == 422 and 'id="w-signature"' in answer.text and "<b>" not in answer.text
    assert value(answer.text, "message") == value(page, "message")


def test_no_account_gets_no_message() -> None:
    client = fresh()
    answer = sent(client, "/sign-in", client.get("/sign-in").text, address="nobody", next=NEXT)
    assert answer.status_code == 422 and 'id="w-address"' in answer.text and value(answer.text, "address") == "nobody"


@pytest.mark.parametrize(
    "next_page", ["https://evil.example/", "//evil.example", "/post/sign?\r\nx: y", "/tasks/1", ""]
)
def test_nobody_is_led_elsewhere(next_page: str) -> None:
    client = fresh()
    page = client.get("/sign-in", params={"next": next_page}).text
    assert value(page, "next") == "/post"


def test_a_form_from_elsewhere_signs_nobody_out() -> None:
    client = fresh()
    assert client.post("/sign-out", headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post("/sign-out", headers={"origin": HOST}).status_code == 403
