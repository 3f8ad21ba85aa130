"""Pages of a played task say what the API says, and every other state has a page of its own."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest
from markupsafe import escape

from backend.api.app import ApiOptions
from backend.dashboard.app import OF_THE_API, add_dashboard
from backend.dashboard.frame import LOOPBACK_NAMES, names_of, pages_of
from backend.dashboard.invitation import picture_of
from protocol.errors import Party, VerificationError
from protocol.invitation import parse_invitation
from tests.unit.backend.api.scene_api import played as played_api
from tests.unit.backend.api.serving import serving
from tests.unit.backend.api.test_audits import Auditing, told
from tests.unit.backend.dashboard.scene_dashboard import HOST, both, browser, enrolling, played, text
from tests.unit.backend.dashboard.scene_many import HOSTILE, Many
from tests.unit.storage.pages.scene_face import Counting

PAGES = ["/", "/tasks/1", "/tasks/1/rounds", "/tasks/1/rounds/1", "/tasks/1/households", "/tasks/1/models", "/compare"]


def many_pages(many: Many):  # type: ignore[no-untyped-def]
    app = many.app
    add_dashboard(app, pages_of(frozenset(LOOPBACK_NAMES), Counting()))
    return browser(app)


def token(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_page_is_there_in_both_languages(path: str, language: str) -> None:
    page = text(played(), f"{path}?lang={language}")
    assert f'<html lang="{language}"' in page and page.count("<h1") == 1


def test_a_task_shows_its_numbers() -> None:
    page, scene = text(played(), "/tasks/1?lang=en"), played_api().scene
    record = scene.record(2)
    assert escape(str(record.charge.figure)) in page, "a figure stands with its sentence"
    assert f"{record.correct} of {record.examples} on the public test set" in page
    assert page.count('href="/tasks/1/rounds/') >= 2 and "/api/v1/tasks/1/events" in page


def test_a_round_shows_its_transactions() -> None:
    page, facts = text(played(), "/tasks/1/rounds/2?lang=en"), played_api().scene.facts(2)
    for event in (facts.opened, facts.batched, facts.requested, facts.ended):
        assert event is not None and event.transaction.hex() in page
    assert 'href="/tasks/1/rounds/1"' in page and 'href="/tasks/1/rounds/3"' not in page


def test_rounds_as_a_table() -> None:
    answer = played().get("/tasks/1/rounds.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="task-1-rounds.csv"'
    head, first, second = [line.split(",") for line in answer.text.splitlines()]
    assert len(head) == len(first) == len(second)
    row, record = dict(zip(head, second, strict=True)), played_api().scene.record(2)
    assert (row["round"], row["state"], row["accepted"]) == ("2", "published", "3")
    assert (row["correct"], row["epsilon"]) == (str(record.correct), record.charge.figure.decimal)


def test_gas_stands_beside_seconds_and_bytes() -> None:
    many = Many(rounds=12)
    client = many_pages(many)
    page = text(client, "/tasks/1?lang=en")
    assert "Uploaded (kB)" in page and "680,010" in page and "Its receipts are being read." in page
    page = text(client, "/tasks/1/rounds/3?lang=en")
    assert "680,003" in page and "18,378" in page and "250,000" in page, "together, for each update, of direct ones"
    assert "The chain gives no receipt" in text(client, "/tasks/1/rounds/11?lang=en")
    assert "This server reads no receipts." in text(played(), "/tasks/1/rounds/1?lang=en")


def test_an_open_task_shows_its_invitation() -> None:
    _, client = enrolling()
    page = text(client, "/tasks/1?lang=en")
    (link,) = re.findall(r'<pre id="invitation-link" tabindex="0">(.*)</pre>', page)
    invitation = parse_invitation(link)
    assert (invitation.task, invitation.edge_urls) == (1, (HOST,))
    picture = client.get("/tasks/1/invitation.svg")
    assert picture.headers["content-type"] == "image/svg+xml" and picture.content.startswith(b"<svg")
    assert picture.content == picture_of(link)
    assert "invitation" not in text(played(), "/tasks/1?lang=en"), "nobody can join any more"
    assert played().get("/tasks/1/invitation.svg").status_code == 404


def test_the_list_of_tasks_hears_of_all() -> None:
    page = text(played(), "/?lang=en")
    assert 'hx-sse:connect="/api/v1/events"' in page and "every 10s" not in page


def test_before_the_first_round() -> None:
    _, client = enrolling()
    assert "Households enrol." in text(client, "/tasks/1?lang=en")
    assert "No round was opened yet." in text(client, "/tasks/1/rounds?lang=en")
    assert "No model was published yet." in text(client, "/tasks/1/models?lang=en")


def test_a_document_that_is_lacking_is_told_in_plain_words() -> None:
    lack = {"document": "record", "lack": "missing", "keeper": "0x" + "ab" * 20}
    page = text(many_pages(Many(lacking=[lack])), "/tasks/1/rounds/3?lang=en")
    assert "The record of the round is not in the content store." in page and "ab" * 20 in page


def test_without_tasks() -> None:
    assert "No task names this server yet." in text(many_pages(Many(tasks=0)), "/?lang=en")


def test_a_server_that_starts_says_so_and_looks_again() -> None:
    page = text(many_pages(Many(fail="E_STARTING")), "/?lang=en", 503)
    assert "This server is starting" in page and 'http-equiv="refresh"' in page


def test_a_failing_api_is_a_page_of_one_line() -> None:
    client = many_pages(Many(fail="E_LEDGER"))
    for path in ("/", "/tasks/1", "/compare"):
        page = text(client, f"{path}?lang=en", 503)
        assert "Something went wrong here" in page and "<img src=x" not in page and "E_LEDGER" in page


@pytest.mark.parametrize(
    "path", ["/tasks/2", "/tasks/0", "/tasks/x", "/tasks/1/rounds/9", "/nothing", "/tasks/1/audits/1"]
)
def test_what_is_not_there_is_a_page(path: str) -> None:
    assert "There is nothing here" in text(played(), f"{path}?lang=en", 404)


def test_a_thousand_tasks_come_in_pages_that_lead_back() -> None:
    client, seen, address = many_pages(Many()), list[str](), "/?lang=en"
    for number in range(1, 21):
        page = text(client, address)
        seen += re.findall(r'href="/tasks/(\d+)"', page)
        back = re.search(r'rel="prev" href="([^"]+)"', page)
        assert (back is None) == (number == 1)
        later = re.search(r'rel="next" href="([^"]+)"', page)
        address = later[1].replace("&amp;", "&") if later else ""
    assert address == "" and seen == [str(number) for number in range(1000, 0, -1)]
    assert back is not None
    assert 'href="/tasks/100"' in text(client, back[1].replace("&amp;", "&"))


def test_filters_are_asked_of_the_api_and_shown() -> None:
    many = Many()
    client = many_pages(many)
    page = text(client, f"/?lang=en&state=running&manufacturer=0x{'AB' * 20}")
    assert "2 filters are on" in page and '<option value="running" selected>' in page
    assert f"state=running&manufacturer=0x{'ab' * 20}" in many.asked[-1]
    assert f"state=running&amp;manufacturer=0x{'ab' * 20}&amp;cursor=" in page, "the next page has them too"
    wrong = text(client, "/?lang=en&manufacturer=me&state=odd", 422)
    assert "An address is 0x" in wrong and "manufacturer" not in many.asked[-1] and "odd" not in many.asked[-1]


def test_hostile_text_is_one_line_of_text() -> None:
    client = many_pages(Many(tasks=3, title=HOSTILE))
    for path in ("/", "/tasks/1", "/tasks/1/rounds/1", "/compare?a=1&b=2"):
        page = text(client, path)
        assert "<img src=x" not in page and "\u202e" not in page and "&lt;img src=x" in page, path


def test_two_tasks_beside_each_other() -> None:
    client = many_pages(Many(tasks=3))
    page = text(client, "/compare?lang=en&a=1&b=2")
    assert page.count("data-chart=") == 2 and '<a href="/tasks/2">' in page
    assert "There is no such task here." in text(client, "/compare?lang=en&a=1&b=9", 404)
    assert "Choose two tasks." in text(client, "/compare?lang=en")


def test_an_audit_from_the_page(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path / "audits")
    client = browser(both(played_api().scene, ApiOptions(audits=auditing.runs)))
    form = {"csrf": token(text(client, "/tasks/1/audits"))}
    assert client.post("/tasks/1/audits", data={}).status_code == 403
    sent = client.post("/tasks/1/audits", data=form, headers={"origin": HOST})
    assert (sent.status_code, sent.headers["location"]) == (303, "/tasks/1/audits/1")
    page = text(client, "/tasks/1/audits/1?lang=en")
    assert "The audit is running" in page and 'http-equiv="refresh"' in page and 'hx-trigger="every 2s"' in page
    auditing.finish(told(VerificationError("the ciphertext of 0x01 is another one", fault=Party.EDGE_SERVER)))
    page = text(client, "/tasks/1/audits/1?lang=en")
    assert "At fault: the edge server" in page and played_api().scene.spec.edge_server.hex() in page
    assert "This does not hold:" in page and "the ciphertext of 0x01 is another one." in page
    assert "hx-trigger" not in page and 'href="/api/v1/tasks/1/audits/1/evidence"' in page
    assert "--evidence task-1-audit-1-evidence.json" in page and "--ledger 31337:0x1e" in page
    assert "something does not hold" in text(client, "/tasks/1?lang=en")
    file = client.get("/tasks/1/audits/1/file")
    assert file.json()["verdict"] == "FAIL" and "task-1-audit-1.json" in file.headers["content-disposition"]


def test_an_audit_that_holds(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path)
    client = browser(both(played_api().scene, ApiOptions(audits=auditing.runs)))
    auditing.runs.start(1)
    auditing.finish(told())
    assert "Everything holds." in text(client, "/tasks/1/audits/1?lang=en")


def test_a_server_without_audits_says_how_to_run_one() -> None:
    assert "This server runs no audits." in text(played(), "/tasks/1/audits?lang=en")


def test_the_api_stays_what_it_is() -> None:
    client = played()
    assert client.get("/api/v1/nothing").json()["code"] == "E_NOT_FOUND"
    assert client.post("/api/v1/tasks/1/rounds").json()["code"] == "E_METHOD"
    assert client.get("/healthz").json()["chain_id"] and client.get("/openapi.json").json()["openapi"]
    assert client.get("/api/v1/tasks", headers={"host": "phone.example"}).status_code == 200
    api = played_api().app
    paths = {route.path for route in api.routes if hasattr(route, "path")} - {""}
    assert all(path.startswith(OF_THE_API) for path in paths), "a route of the API that pages would hide"


def test_pages_answer_under_their_own_names_alone() -> None:
    assert played().get("/", headers={"host": "evil.example"}).status_code == 421
    names = names_of(("https://tasks.example:8443", "http://[2001:db8::1]"))
    assert (
        all(name in names for name in ("tasks.example", "[2001:db8::1]", "localhost")) and "evil.example" not in names
    )


def test_what_a_browser_may_do_with_a_page() -> None:
    answer = played().get("/tasks/1")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "<script>" not in answer.text and " style=" not in answer.text


def test_pages_and_api_behind_the_real_server() -> None:
    with serving(both(played_api().scene)) as running:
        running.stream("/api/v1/tasks/1/events").until(b"event: state")
        assert "<h1>sample</h1>" in httpx2.get(f"{running.url}/tasks/1").text
        assert running.stop(), "an open stream does not keep it"
