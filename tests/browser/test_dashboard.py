"""A manufacturer looks at its tasks in a real browser: every page, every state, live, by keyboard, without script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from backend.dashboard.app import add_dashboard
from backend.dashboard.frame import LOOPBACK_NAMES, pages_of
from protocol.canonical import encode
from protocol.messages.chain import RoundPublished
from protocol.round.planning import terms_of
from tests.browser.page_checks import (
    DESK,
    LOOKS,
    PHONE,
    check_first_view,
    check_page,
    check_shown,
    chromium,
    tab,
    violations,
)
from tests.browser.served import served
from tests.unit.backend.dashboard.scene_dashboard import enrolling
from tests.unit.backend.dashboard.scene_many import HOSTILE, Many
from tests.unit.storage.pages.scene_face import Counting

FULL = [
    ("/", 200), ("/tasks/1", 200), ("/tasks/1/rounds", 200), ("/tasks/1/rounds/12", 200), ("/tasks/1/households", 200),
    ("/tasks/1/models", 200), ("/tasks/1/audits", 200), ("/tasks/1/audits/1", 200), ("/tasks/1/audits/2", 200),
    ("/tasks/1/audits/3", 200), ("/compare?a=1&b=2", 200), ("/?manufacturer=x", 422), ("/tasks/5000", 404),
]  # fmt: skip
AT_A_DESK = ("/", "/tasks/1", "/tasks/1/audits/2", "/compare?a=1&b=2")  # that are laid out in another way there
EMPTY = [("/", 200), ("/compare", 200)]


# the last news are looked at up to a second after they came, and a list that grows takes the focus along
_QUIET: Final = """() => new Promise((quiet) => {
    let timer = setTimeout(quiet, 1500);
    const again = () => { clearTimeout(timer); timer = setTimeout(quiet, 1500); };
    const all = {subtree: true, childList: true, attributes: true, characterData: true};
    new MutationObserver(again).observe(document.getElementById("main"), all);
})"""


@dataclass
class Shown:
    """``full``: a thousand tasks; ``few``: a dozen, which is enough for a thorough look; ``empty``: none. Titles are
    hostile. A test may change what ``full`` and ``few`` say."""

    browser: Browser
    full: Many
    origin: str
    few: Many
    few_origin: str
    empty_origin: str


def pages(many: Many):  # type: ignore[no-untyped-def]
    app = many.app
    add_dashboard(app, pages_of(frozenset(LOOPBACK_NAMES), Counting()))
    return app


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    lacking = [{"document": "record", "lack": "missing", "keeper": "0x" + "ab" * 20}]
    full = Many(title=HOSTILE, lacking=lacking)
    few = Many(tasks=12, rounds=12, clients=12, title=HOSTILE, lacking=lacking)
    with served(pages(full)) as origin, served(pages(few)) as few_origin, served(pages(Many(tasks=0))) as empty_origin:
        with chromium() as browser:
            yield Shown(browser, full, origin, few, few_origin, empty_origin)


@pytest.fixture(autouse=True)
def audits(shown: Shown) -> None:
    for many in (shown.full, shown.few):
        many.runs.clear()
        many.audited(1)
        many.audited(2, HOSTILE, "Round 2: every ciphertext is what its commitment says. This does not hold: ...")
        many.audited(3, state="running")


@pytest.mark.parametrize(("width", "language", "scheme", "thorough"), LOOKS)
def test_every_page(shown: Shown, width: int, language: str, scheme: str, thorough: bool) -> None:
    with tab(shown.browser, shown.few_origin if thorough else shown.origin, width, language, scheme) as watched:
        for path, status in FULL:
            most = thorough and (width == PHONE or path in AT_A_DESK)
            check_page(watched, path, language, status, thorough=most)
    with tab(shown.browser, shown.empty_origin, width, language, scheme) as watched:
        for path, status in EMPTY:
            check_page(watched, path, language, status, thorough=thorough and width == PHONE)


def test_the_first_view_is_small(shown: Shown) -> None:
    for path in ("/", "/tasks/1", "/compare?a=1&b=2"):
        with tab(shown.browser, shown.origin) as watched:
            check_first_view(watched, path)


def test_pictures_are_drawn_and_named(shown: Shown) -> None:
    with tab(shown.browser, shown.few_origin, DESK) as watched:
        page = watched.open("/tasks/1")
        expect(page.locator(".plot[data-drawn]")).to_have_count(4)
        names = page.locator(".u-legend").first.locator(".u-series:visible")
        assert names.all_inner_texts() == ["Right answers in percent", "Privacy spent (ε)"]
        page.get_by_text("The numbers as a table").first.click()
        expect(page.get_by_role("cell", name="77.8", exact=True).first).to_be_visible()
        page = watched.open("/compare?a=1&b=2")
        expect(page.locator(".u-legend").first).to_contain_text("1: <img src=x")
        assert watched.said == []


def test_an_audit_is_watched_until_it_tells_who_is_at_fault(shown: Shown) -> None:
    shown.few.runs.clear()
    with tab(shown.browser, shown.few_origin, PHONE) as watched:
        page = watched.open("/tasks/1")
        page.get_by_role("button", name="Audit now").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Audit 1")
        expect(page.get_by_text("The audit is running:")).to_be_visible()
        shown.few.audited(1, "Round 1: every ciphertext is what its commitment says. This does not hold: it differs.")
        expect(page.get_by_text("At fault: the edge server")).to_be_visible()  # by news alone
        expect(page.get_by_role("progressbar")).to_have_count(0)
        check_shown(watched, "an audit that failed", thorough=True)


def test_without_a_script(shown: Shown, tmp_path: Path) -> None:
    shown.full.runs.clear()
    with tab(shown.browser, shown.origin, PHONE, java_script_enabled=False) as watched:
        page = watched.open("/")
        page.get_by_role("link", name="Next page").click()
        expect(page.get_by_text("Page 2")).to_be_visible()
        page.get_by_text("Filter", exact=True).click()
        page.get_by_label("State", exact=True).select_option("running")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_text("1 filter is on")).to_be_visible()
        page.goto(f"{shown.origin}/tasks/1/audits")
        page.get_by_role("button", name="Audit now").click()
        expect(page.get_by_text("The audit is running:")).to_be_visible()
        shown.full.audited(1)
        expect(page.get_by_text("Everything holds.")).to_be_visible(timeout=8000)  # the page loads itself again
        page.goto(f"{shown.origin}/tasks/1/models")
        with page.expect_download() as download:
            page.get_by_role("link", name="All rounds as a table").click()
        download.value.save_as(tmp_path / "rounds.csv")
        assert len((tmp_path / "rounds.csv").read_text().splitlines()) == shown.full.rounds + 1


def test_a_server_in_trouble(shown: Shown) -> None:
    with tab(shown.browser, shown.few_origin, PHONE, "de", "dark") as watched:
        page = watched.open("/tasks/1")
        shown.few.fail = "E_LEDGER"
        try:
            check_page(watched, "/tasks/1", "de", 503)
            shown.few.fail = "E_STARTING"
            check_page(watched, "/", "de", 503, thorough=False)
            assert violations(page) == []
        finally:
            shown.few.fail = None
        expect(page.get_by_role("heading", level=1)).to_have_text("Trainingsaufgaben", timeout=8000)


def test_a_task_is_seen_as_it_goes_on(shown: Shown) -> None:
    scene, client = enrolling()
    with served(client.app) as origin, tab(shown.browser, origin, DESK) as watched:
        page = watched.open("/tasks/1")
        expect(page.get_by_text("Households enrol.")).to_be_visible()
        for number in (1, 2):
            scene.submit(number)
            scene.ended(RoundPublished, number)
            scene.step()
            # by news alone: nobody loads this page again
            expect(page.get_by_role("link", name=f"Round {number}").first).to_be_visible()
        expect(page.locator(".plot[data-drawn]").first).to_be_visible()
        expect(page.get_by_text("of 2").first).to_be_visible()
        page.evaluate(_QUIET)
        check_shown(watched, "a task after two rounds", thorough=True)
        page = watched.open("/")
        expect(page.get_by_text("1 task", exact=True)).to_be_visible()
        spec = replace(scene.spec, title="Another one")
        scene.store.put(encode(spec))
        scene.bank.post_task(terms_of(spec), spec.budget())
        scene.step()
        expect(page.get_by_role("link", name="Another one")).to_be_visible()


def test_a_page_of_somebody_else_cannot_hold_this_one(shown: Shown) -> None:
    with tab(shown.browser, shown.few_origin) as watched:
        page = watched.open("/tasks/1")
        page.set_content(f'<iframe src="{shown.few_origin}/" title="held"></iframe>')
        frame = page.frames[-1]
        frame.wait_for_load_state()
        assert "Training tasks" not in frame.content()


def test_news_come_however_late_a_script_is(shown: Shown) -> None:
    with tab(shown.browser, shown.few_origin) as watched:
        watched.page.route("**/static/hx-sse*", lambda route: route.fulfill(response=route.fetch()))
        watched.open("/tasks/1").wait_for_function("() => document.getElementById('live')._htmx?.sse?.status === 200")
