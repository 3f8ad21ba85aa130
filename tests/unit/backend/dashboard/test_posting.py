"""The wizard without a browser: what is typed comes back, what is wrong stands beside it, nothing is asked by POST."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from backend.dashboard.posting import query_of
from backend.dashboard.typed import DEFAULTS, Fault, request_of, typed, units
from protocol.identifiers import sha256, to_hex
from scripts.commands.task_file import TaskFile
from tests.unit.backend.api.scene_api import enrolling
from tests.unit.backend.api.test_drafts import AUTHORITIES, a_test_set, uploaded
from tests.unit.backend.api.test_prepared import signed_in
from tests.unit.backend.dashboard.scene_dashboard import both, browser, played, text

HOSTILE = '"><script>alert(1)</script>'
GOOD = {"title": "Which appliance is it?", "authorities": "\n".join(AUTHORITIES)}


def post(client: TestClient, path: str = "/post", status: int = 200, **changed: str) -> str:
    return text(client, f"{path}?{urlencode({**GOOD, **changed})}", status)


def shown(page: str, name: str) -> str:
    """The value of a field, as a browser would send it again."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page) or re.search(
        rf'<textarea[^>]*name="{name}"[^>]*>\n?([^<]*)</textarea>', page
    )
    assert found is not None, name
    return html.unescape(found[1])


def test_the_first_view_blames_nobody_and_shows_figures() -> None:
    page = text(played(), "/post")
    assert "This is missing." not in page and 'class="error"' not in page
    assert "You pay into escrow" in page and "Go on to sign" not in page


def test_figures_are_those_of_the_answers() -> None:
    page = post(played(), households="30", rounds="5", reward="0.02")
    assert f'value="{5 * (30 * 4 * 10**15 + 2 * 10**15 + 5 * 4 * 10**14)}"' in page
    assert "15 households at least; 30 are expected" in page
    assert "/post/sign?" in page and "Owners who changed nothing refuse" in page


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name not in ("kind", "privacy", "screening")])
def test_whatever_is_typed_comes_back_as_text(name: str) -> None:
    typed_in = {**GOOD, name: HOSTILE, "kind": "own" if name == "own" else "digits"}
    page = text(played(), f"/post?{urlencode(typed_in)}")
    assert shown(page, name) == HOSTILE
    assert "<script>alert" not in page


def test_what_is_wrong_stands_beside_its_field_and_in_the_summary() -> None:
    page = post(played(), title="", rounds="0", reward="much", authorities="0x12 0x13", test_set="x")
    for name in ("title", "rounds", "reward", "authorities", "test_set"):
        assert f'id="w-{name}"' in page and f'href="#f-{name}"' in page
    assert "Go on to sign" not in page


def test_how_updates_are_screened_or_why_not_stands_with_the_figures() -> None:
    page = post(played(), screening="foolsgold")
    assert "are screened (foolsgold): how long updates are" in page and "They cannot be screened" not in page
    assert 'value="foolsgold" checked' in page
    page = post(played(), screening="foolsgold", households="5000")
    assert "count like any other" in page
    assert "They cannot be screened:" in page and "cohort.max_clients: 5000" in page


def test_an_own_model_s_errors_name_their_line() -> None:
    page = post(played(), kind="own", own="[model]\nx = 1\n[learning]\n")
    assert "own model, line 2: model.x" in html.unescape(page)


def test_who_is_not_done_is_sent_back_with_what_is_there() -> None:
    for path in ("/post/sign", "/post/task.toml"):
        answer = played().get(f"{path}?{urlencode({'title': 'Half done', 'rounds': '7'})}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/post?title=Half+done&rounds=7")


def test_the_task_file_is_one(tmp_path: Path) -> None:
    answer = played().get(f"/post/task.toml?{urlencode(GOOD)}")
    assert answer.headers["content-disposition"] == 'attachment; filename="task.toml"'
    (tmp_path / "task.toml").write_bytes(answer.content)
    spec = TaskFile(tmp_path / "task.toml").spec(bytes(32), bytes(32), lambda _: bytes(20))
    assert [to_hex(member) for member in spec.committee.members] == AUTHORITIES


def test_the_page_to_sign_carries_the_digest_of_what_is_signed() -> None:
    api = enrolling()
    headers = signed_in(api)
    digest = uploaded(api, headers, a_test_set()).json()["cid"]
    stranger = post(browser(both(api.scene)), "/post/sign", test_set=digest)
    assert "looked at once you are signed in" in stranger
    app = both(api.scene)
    pages = browser(app)
    api.client = TestClient(app)
    token = signed_in(api)["Authorization"].removeprefix("Bearer ")
    pages.cookies.set("hearth_session", token)
    page = post(pages, "/post/sign", test_set=digest)
    found = re.search(r'data-wallet="([^"]*)"', page)
    assert found is not None and "10 examples" in page
    facts = json.loads(html.unescape(found[1]))
    assert facts["digest"] == to_hex(sha256(facts["spec"].encode()))
    assert facts["account"] and facts["draft"]["test_set"] == digest


@given(st.text(max_size=60), st.sampled_from(sorted(DEFAULTS)))
def test_nothing_typed_stops_the_page(value: str, name: str) -> None:
    values = typed({name: value})
    asked, _ = request_of(values, 18)
    assert isinstance(asked["rounds"], int) and 1 <= asked["rounds"] <= 1_000
    assert asked["reward"].isdecimal()


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("0.01", 10**16), ("0,01", 10**16), (" 1 ", 10**18), ("0.0000000000000000001", None), ("-1", None),
        ("1e400", None), ("nan", None), ("", None), ("1,000.5", None),
    ],
)  # fmt: skip
def test_amounts_are_exact_or_nothing(written: str, found: int | None) -> None:
    assert units(written, 18) == found


def test_an_address_has_the_answers_that_are_not_the_usual_ones() -> None:
    values = typed({"rounds": "7", "title": "a b"})
    assert query_of(values) == "title=a+b&rounds=7"
    _, faults = request_of(typed({"authorities": " ".join(AUTHORITIES * 4)}), 18)
    assert faults == {"authorities": (Fault("many", "16"),)}
