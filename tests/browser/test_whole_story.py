"""One task from the wizard to the audit, in two browsers' windows: a manufacturer's and a family's. Every role is a
process of its own; the appliances are real days of power, told by plugs to a real broker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from protocol.identifiers import to_hex
from protocol.messages.chain import Left
from tests.browser.page_checks import DESK, PHONE, Watched, check_shown, chromium, tab
from tests.browser.scene_posting import PlayedWallet
from tests.browser.scene_whole_story import (
    OTHERS,
    OWN,
    OWN_PLUGS,
    PATIENCE_SECONDS,
    Story,
    authority_lines,
    examples_of,
    whole_story,
)

TITLE = "Which appliance is it, by its power?"
ROUNDS, TRAINED = 4, 3  # of the task, and up to when the household leaves
HOUSEHOLDS = OTHERS + 1


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with whole_story(tmp_path) as found:
        yield found


@contextmanager
def window(browser: Browser, origin: str, width: int) -> Iterator[Watched]:
    with tab(browser, origin, width) as watched:
        watched.page.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield watched


def post(story: Story, watched: Watched, wallet: PlayedWallet) -> None:
    """In the wizard, up to the page of the task, which stays open."""
    page = watched.open("/post")
    for name, text in (
        *(("Title", TITLE), ("Households", HOUSEHOLDS), ("Rounds", ROUNDS), ("Days", 1)),
        *(("Reward of a household", "0.04"), ("Key authorities", authority_lines(story))),
    ):
        page.get_by_role("textbox", name=name, exact=True).fill(str(text))
    page.get_by_role("radio", name="Not screened").check()  # authorities of this story read no content
    page.locator("summary", has_text="More").click()
    page.get_by_role("textbox", name="Confirmations", exact=True).fill("0")
    page.get_by_role("button", name="Show what it means").click()
    expect(page).to_have_url(re.compile("confirmations=0"))
    page.get_by_role("link", name="Go on to sign").click()
    page.get_by_role("button", name="Sign in with the wallet").click()
    expect(page.locator(".badge", has_text="signed in")).to_be_visible()
    file = story.stage.folder("manufacturer") / "test-set.safetensors"
    file.write_bytes(examples_of(story.played, owned=False))
    page.get_by_label("File").set_input_files(file)
    expect(page.locator(".badge", has_text="there")).to_be_visible()
    page.get_by_role("button", name="Post with the wallet").click()
    expect(page.locator("[data-status]")).to_have_text("The task is posted.")
    page.get_by_role("link", name="To the task").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    assert to_hex(story.reader.task(1).manufacturer) == wallet.account


def switch_on(page: Page) -> None:
    """Says which plug is which appliance, and what its readings may be used for."""
    page.get_by_role("link", name="Appliances").first.click()
    for number in range(OWN_PLUGS):
        expect(page.locator(".badge", has_text="nothing")).to_have_count(OWN_PLUGS - number)
        page.get_by_role("link", name="Change").nth(number).click()
        page.get_by_label("Recognise appliances from an hour of power").check()
        page.get_by_role("button", name="Save").click()
    expect(page.locator("dd", has_text=re.compile(r"^[1-9]\d* examples?$"))).to_be_visible()


def agree(page: Page, invitation: str) -> None:
    """Reads what is asked, and says yes."""
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_role("link", name="Find a task").first.click()
    page.get_by_label("Paste the invitation").fill(invitation)
    page.get_by_role("button", name="Look at it").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)  # its phone has looked
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_role("link", name=TITLE).click()
    expect(page.get_by_text("your readings:", exact=False)).to_be_visible()
    expect(page.get_by_text("0.04 ETH", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Yes, my phone may help").click()
    expect(page.get_by_text("You said yes.", exact=False)).to_be_visible()


def leave(story: Story, page: Page) -> None:
    page.get_by_role("link", name="Leave this task").click()
    page.get_by_role("button", name="Yes, leave").click()
    story.until(lambda: story.has(Left, 1))


def check_paid(page: Page, paid: int) -> None:
    """What the page says was paid is what the chain has, in wei."""
    assert paid >= TRAINED * 6 * 10**15  # for taking part alone
    page.get_by_role("link", name="Earnings").first.click()
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Proof of a payment")
    expect(page.get_by_text(f"{paid / 10**18:.6f}".rstrip("0"), exact=False).first).to_be_visible()
    expect(page.get_by_text(f"after round {TRAINED}:", exact=False)).to_be_visible()


def check_spent(page: Page) -> None:
    page.get_by_role("link", name="Privacy").first.click()
    line = page.get_by_role("row", name=re.compile(re.escape(TITLE)))
    expect(line.get_by_role("cell").first).to_have_text(str(TRAINED))


def audited(page: Page) -> Page:
    page.get_by_role("button", name="Audit now").click()
    expect(page.locator(".verdict .note:not(:has(progress))")).to_be_visible()
    return page


def test_a_task_from_the_wizard_to_the_audit(story: Story) -> None:
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    wallet = PlayedWallet(story.chain)
    link = story.start_page()
    story.start_plugs()
    with (
        chromium() as browser,
        window(browser, story.stage.edge_url, DESK) as maker,
        window(browser, link.partition("/open")[0], PHONE) as family,
    ):
        wallet.attach(maker.page.context)
        post(story, maker, wallet)
        maker.page.evaluate("() => { window.opened = 'once'; }")
        story.start_others()
        story.await_readings()
        home = family.open(link.removeprefix(family.origin))
        switch_on(home)
        assert not any(story.reader.enrolment(1, story.stage.addresses[OWN]).envelope)
        agree(home, story.invitation())
        story.enrol()

        live = maker.page
        for number in range(1, TRAINED + 1):
            story.train(number)
            expect(live.get_by_role("row", name=re.compile(f"Round {number}"))).to_be_visible()
            if number == TRAINED:
                leave(story, home)
            story.settle(number)
            for page in (live, home):  # by news alone: nobody loads them again
                line = page.get_by_role("row", name=re.compile(f"Round {number}"))
                expect(line.locator(".badge").first).to_have_text(re.compile("published|done"))
        expect(home.get_by_text("You left.", exact=False)).to_be_visible()
        paid = story.pay(TRAINED)
        expect(home.get_by_text(f"You took part in {TRAINED} of", exact=False)).to_be_visible()
        expect(live.get_by_text("1 has left")).to_be_visible()
        assert live.evaluate("() => window.opened") == "once"
        check_paid(home, paid)
        check_spent(home)

        expect(audited(live).get_by_text("Everything holds.", exact=False)).to_be_visible()
        check_shown(maker, "audit that passed", thorough=False)
        live.get_by_role("link", name=TITLE).click()
        culprit = story.tamper()
        story.settle(TRAINED + 1)
        verdict = audited(live).locator(".verdict .note")
        expect(verdict).to_have_class(re.compile("bad"))
        finding = live.locator(".findings li", has_text=f"Round {TRAINED + 1}: the model is the previous one plus")
        expect(finding).to_contain_text(f"settled by {culprit}")
        expect(finding.locator("strong", has_text="At fault")).to_contain_text("At fault: the edge server")
        check_shown(maker, "audit that failed")
