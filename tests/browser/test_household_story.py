"""A family and its page, in a real browser: it reads what is asked, says yes, is paid, and sees what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from client_agent.data.intake.plugs import Purpose
from client_agent.web.book import News, Noticed
from client_agent.web.recognition import Naming, Published
from client_agent.web.worker import Stage
from protocol.messages.chain import RoundPublished
from protocol.model.dataset import encode_labelled
from tests.browser.page_checks import (
    LOOKS,
    PHONE,
    Watched,
    check_first_view,
    check_other_width,
    check_page,
    chromium,
    tab,
)
from tests.browser.served import served
from tests.unit.client_agent.scene_recognition import MODEL, by_power
from tests.unit.client_agent.scene_server import ROUNDS
from tests.unit.client_agent.web.scene_home import NOON, PlayedHome, is_asked, plug_in

HOSTILE = "<img src=x onerror=alert(1)>\u202e" + "W" * 60
ALWAYS = [
    "/", "/tasks", "/tasks/find", "/appliances", "/appliances/1", "/appliances/1/forget", "/privacy", "/earnings",
    "/settings", "/policy", "/delete", "/notices", "/pair", "/offline",
]  # fmt: skip


@dataclass
class Story:
    played: PlayedHome
    origin: str
    browser: Browser

    def enter(self, watched: Watched, language: str = "en") -> Page:
        return watched.open(f"/open?token={self.played.devices.token}&lang={language}")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    played = PlayedHome(tmp_path_factory.mktemp("home"), "Tell appliances apart <b>now</b>")
    fridge = plug_in(played.readings, "Kitchen fridge", lambda at: 85.0 if at // 60 % 50 < 18 else 1.2)
    plug_in(played.readings, HOSTILE, lambda at: 1900.0 if at % 86_400 // 3600 == 10 else 0.4)
    played.readings.assign(fridge, "Refrigerator", "<i>Brand</i>", [Purpose.TYPE_HOUR], NOON)
    spec, ended = (
        replace(played.server.spec, model=MODEL),
        SimpleNamespace(round=3, model=bytes(32), correct=3, examples=4),
    )
    published = Published(1, HOSTILE, spec, cast(RoundPublished, ended))  # the sample's own model names nothing
    naming = Naming(published, "", by_power())
    played.home.recognition.naming = lambda standings: naming  # type: ignore[method-assign]
    generator = np.random.default_rng(3)
    inputs, labels = generator.normal(0, 2, (48, 6)).astype(np.float32), generator.integers(0, 3, 48)
    played.data.write_bytes(encode_labelled(inputs, labels))
    played.home.start()
    with served(played.app) as origin, chromium() as browser:
        yield Story(played, origin, browser)
    played.close()


def check_all(story: Story, paths: list[str]) -> None:
    """Thoroughly at one width in each language, in one scheme each; and that both languages fit both widths."""
    for width, language, scheme, thorough in LOOKS:
        if thorough:
            with tab(story.browser, story.origin, width, language, scheme) as watched:
                story.enter(watched, language)
                for path in paths:
                    check_page(watched, path, language)
                    check_other_width(watched, path)


def test_a_stranger_sees_nothing_but_the_page_that_asks_for_a_code(story: Story) -> None:
    with tab(story.browser, story.origin, PHONE) as watched:
        for path in ("/", "/earnings", "/policy", "/tasks/1"):
            page = watched.open(path)
            assert page.url == f"{story.origin}/pair"
        expect(page.get_by_label("Code")).to_be_visible()
        check_first_view(watched, "/pair")


def test_a_page_at_first(story: Story) -> None:
    check_all(story, ALWAYS)


def test_the_first_view_is_small(story: Story) -> None:
    with tab(story.browser, story.origin, PHONE) as watched:
        check_first_view(watched, f"/open?token={story.played.devices.token}")
        assert any("uPlot" in url for url in watched.weigh())


def test_the_story(story: Story) -> None:
    played = story.played
    with tab(story.browser, story.origin, PHONE) as watched:
        page = story.enter(watched)
        page.get_by_role("link", name="Find a task").first.click()
        page.get_by_label("Paste the invitation").fill(str(played.invitation).replace("hearth:", "https:"))
        page.get_by_role("button", name="Look at it").last.click()
        expect(page.get_by_text("is no invitation", exact=False)).to_be_visible()
        page.get_by_label("Paste the invitation").fill(str(played.invitation))
        page.get_by_role("button", name="Look at it").last.click()
        played.until(lambda: is_asked(played))
        page.goto(f"{story.origin}/tasks/1")
        expect(page.get_by_role("heading", level=1)).to_have_text("Tell appliances apart <b>now</b>")
        assert played.server.submitted == {} and len(played.server.chain.events()) == 3  # nothing was sent yet
    check_all(story, ["/", "/tasks", "/tasks/1"])

    with tab(story.browser, story.origin, PHONE) as watched:
        page = story.enter(watched)
        page.goto(f"{story.origin}/tasks/1")
        page.get_by_role("button", name="Yes, my phone may help").click()
        played.until(lambda: played.progress.standing is not None and played.progress.standing.enrolled is not None, 5)
        page.goto(f"{story.origin}/tasks/1")
        for number in range(1, ROUNDS + 1):
            played.play_round()
            # by news alone: nobody loads this page again
            expect(page.get_by_role("rowheader", name=f"Round {number}")).to_be_visible()
        played.until(lambda: played.progress.stage is Stage.OVER, 500)
        expect(page.get_by_text("It is over.", exact=False)).to_be_visible()
        assert watched.said == []
        page.goto(f"{story.origin}/tasks/1/sent")
        page.get_by_role("button", name="Compare with store and chain now").click()
        expect(page.get_by_text("byte for byte", exact=False)).to_be_visible()
        page.get_by_role("button", name="Run the attacks now").click()
        expect(page.get_by_text("within the promise").first).to_be_visible(timeout=60_000)  # by news alone
        page.goto(f"{story.origin}/earnings")
        page.get_by_role("table").get_by_role("link").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Proof of a payment")
        page.goto(f"{story.origin}/notices")
        page.get_by_role("button", name="I have read all").click()
        assert played.home.state.unread == 0
    check_all(story, ["/", "/tasks/1", "/tasks/1/sent", "/tasks/1/leave", "/privacy", "/earnings", "/earnings/1/1"])


def test_everything_can_be_done_without_a_script(story: Story) -> None:
    with tab(story.browser, story.origin, PHONE, java_script_enabled=False) as watched:
        page = story.enter(watched)
        page.goto(f"{story.origin}/appliances/2")
        page.get_by_label("Appliance", exact=True).select_option("WaterKettle")
        page.get_by_label("Foresee the power of the next hour").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Kettle")).to_be_visible()
        page.goto(f"{story.origin}/policy")
        page.get_by_label("policy.toml").fill("[privacy]\ntask_epsilon = 'much'\n")
        page.get_by_role("button", name="Check and save").click()
        expect(page.get_by_role("alert")).to_contain_text("privacy.task_epsilon")
        assert page.get_by_label("policy.toml").input_value() == "[privacy]\ntask_epsilon = 'much'\n"


def test_a_second_device_needs_the_code(story: Story) -> None:
    with tab(story.browser, story.origin) as own, tab(story.browser, story.origin, PHONE) as other:
        page = story.enter(own)
        page.goto(f"{story.origin}/settings")
        page.get_by_role("button", name="Pair another device").click()
        code = page.locator(".code-shown").inner_text()
        check = other.open("/")
        check.get_by_label("Code").fill("0" * 8)
        check.get_by_role("button", name="Open the page").click()
        expect(check.get_by_text("That is not the code", exact=False)).to_be_visible()
        check.get_by_label("Code").fill(code)
        check.get_by_role("button", name="Open the page").click()
        expect(check.get_by_role("heading", level=1)).to_have_text("Today at your home")


def test_a_page_of_somebody_else_cannot_hold_this_one(story: Story) -> None:
    async def stranger(scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse(f'<iframe src="{story.origin}/" title="held"></iframe>')(scope, receive, send)

    with tab(story.browser, story.origin) as watched, served(stranger) as elsewhere:
        story.enter(watched)
        page = watched.page
        page.goto(elsewhere)
        frame = page.frames[-1]
        frame.wait_for_load_state()
        assert frame != page.main_frame
        assert "Hearth" not in frame.content()  # not even the page that asks for a code


def test_without_the_program_its_offline_page_is_shown_and_nothing_private(story: Story) -> None:
    with tab(story.browser, story.origin, PHONE, service_workers="allow") as watched:
        page = story.enter(watched)
        page.evaluate("() => navigator.serviceWorker.ready")
        page.reload()
        page.context.set_offline(True)
        page.goto(f"{story.origin}/earnings")
        expect(page.get_by_role("heading", level=1)).to_have_text("Your phone's program is not reachable")
        kept = page.evaluate(
            "async () => { const kept = await caches.open((await caches.keys())[0]);"
            "return (await kept.keys()).map((one) => new URL(one.url).pathname); }"
        )
        assert all(path == "/offline" or path.startswith("/static/") for path in kept)


SPY = """
    window.shown = [];
    ServiceWorkerRegistration.prototype.showNotification = async (title, about) => { window.shown.push(about.body); };
    Object.defineProperty(document, "visibilityState", {get: () => "hidden"});
"""


def test_news_becomes_a_notification_while_no_page_is_in_front(story: Story) -> None:
    with tab(story.browser, story.origin, PHONE, service_workers="allow", permissions=["notifications"]) as watched:
        watched.page.add_init_script(SPY)
        page = story.enter(watched)
        page.evaluate("() => navigator.serviceWorker.ready")
        news = [Noticed(News.OFFER, 901), Noticed(News.JOINED, 902, 3), Noticed(News.PAID, 903, 0, 10**15)]
        story.played.home.tell(news)  # all at once: none of them hides another
        for words in ("There is an open task", "took part in round 3", "You were paid"):
            story.played.until(lambda words=words: words in " | ".join(page.evaluate("window.shown")))  # type: ignore[misc]


def test_files_are_where_a_browser_asks_for_them(story: Story, tmp_path: Path) -> None:
    with tab(story.browser, story.origin) as watched:
        page = story.enter(watched)
        page.goto(f"{story.origin}/settings")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download it").click()
        download.value.save_as(tmp_path / "all.zip")
        assert (tmp_path / "all.zip").stat().st_size > 1000
