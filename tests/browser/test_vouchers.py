"""The code of an appliance in the household's page, in a real browser: it becomes a place, or the page says why not.

given an invitation that carries the code of an appliance
    when the owner says yes
        should redeem it blindly at the drawn instant, show the voucher at a later one, and be enrolled
given a code that was redeemed before, or one of another task, or none
    when the page is looked at
        should say so in plain words in both languages, and go on with the code of another invitation
given an invitation whose code is not whole
    when it is pasted
        should say so in both languages
given nothing but the public ledger
    when the household looks for tasks
        should be told that an appliance's invitation is needed
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from client_agent.web.worker import Stage
from protocol.canonical import encode
from protocol.errors import Party
from protocol.messages.chain import Enrolled, VoucherShown
from protocol.messages.vouchers import VoucherRequest
from protocol.vouchers.blinding import Statement, verify_voucher
from tests.browser.page_checks import PHONE, chromium, tab
from tests.browser.scene_vouchers import CODES, KEY, OTHER_CODES, Household, household
from tests.samples import DOMAIN
from tests.unit.client_agent.web.scene_home import TITLE, is_asked
from tests.voucher_keys import modulus_of

CODE, SECOND = CODES
SPENT, FOREIGN, NONE = "spent", "foreign", "none"
SAID = {
    SPENT: ("was redeemed before, by another account", "wurde schon eingelöst, von einem anderen Konto"),
    FOREIGN: ("is none of this task", "gehört nicht zu dieser Aufgabe"),
    NONE: ("the invitation has no code", "in der Einladung steht kein Code"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, browser: Browser) -> Iterator[Household]:
    with household(tmp_path, browser) as found:
        yield found


def link(home: Household, code: bytes) -> str:
    """As it came with an appliance; without a code, as anybody may have it."""
    return str(replace(home.played.invitation, voucher_code=code))


def paste(page: Page, text: str) -> None:
    page.get_by_label("Paste the invitation").fill(text)
    page.get_by_role("button", name="Look at it").last.click()


def agree(home: Household, page: Page) -> None:
    home.played.until(lambda: is_asked(home.played), 0)
    page.goto(f"{home.origin}/tasks/1")
    expect(page.get_by_text("the code of your appliance to who asks", exact=False)).to_be_visible()
    page.get_by_role("button", name="Yes, my phone may help").click()


def in_trouble(home: Household) -> bool:
    return 1 in home.played.home.workers and home.played.progress.stage is Stage.TROUBLE


def is_enrolled(home: Household) -> bool:
    return bool(home.mined(Enrolled))


def test_a_code_becomes_a_place(home: Household) -> None:
    chain = home.server.chain
    with tab(home.browser, home.origin, PHONE) as watched:
        page = home.enter(watched)
        page.goto(f"{home.origin}/tasks/find")
        paste(page, link(home, CODE))
        home.played.until(lambda: is_asked(home.played), 0)
        home.check("/tasks/1")  # what it asks
        agree(home, page)
        redeem_at, show_at = home.planned()
        assert chain.time < redeem_at < show_at < 600 * 3 // 4
        expect(page.locator(".badge", has_text="voucher needed")).to_be_visible()
        assert home.issuer.asked == []
        home.check("/", "/tasks", "/tasks/1")

        chain.time = redeem_at
        home.played.until(
            lambda: home.played.progress.standing is not None and home.played.progress.standing.voucher_held, 0
        )
        expect(page.locator(".badge", has_text="voucher held")).to_be_visible()  # by news alone
        assert not is_enrolled(home)
        chain.time = show_at
        home.played.until(lambda: is_enrolled(home), 0)
        expect(page.get_by_text("Your phone is enrolled", exact=False)).to_be_visible()
        assert watched.said == []
    home.check("/tasks/1")

    (shown,), ((asked, asked_at),) = home.mined(VoucherShown), home.issuer.asked
    assert isinstance(shown, VoucherShown) and asked_at == redeem_at and chain.blocks[shown.block][1] == show_at
    statement = Statement(DOMAIN, modulus_of(KEY), 1, home.played.home.client)
    verify_voucher(statement, shown.voucher, Party.CLIENT)
    seen = encode(asked) + KEY.sign(asked.blinded, home.played.randomness)  # all that the manufacturer has of it
    assert asked.code == CODE and shown.voucher not in seen and statement.hash.to_bytes(256) not in seen


@pytest.mark.parametrize("wrong", SAID)
def test_a_code_that_is_no_good_is_told(home: Household, wrong: str) -> None:
    if wrong == SPENT:
        home.issuer.redeem(KEY.terms(), VoucherRequest(CODE, (2**2000).to_bytes(256)))
    code = {SPENT: CODE, FOREIGN: OTHER_CODES[0], NONE: b""}[wrong]
    english, german = SAID[wrong]
    with tab(home.browser, home.origin, PHONE) as watched:
        page = home.enter(watched)
        page.goto(f"{home.origin}/tasks/find")
        paste(page, link(home, code))
        if wrong != NONE:  # without one the owner is not even asked
            agree(home, page)
            home.server.chain.time = home.planned()[0]
        home.played.until(lambda: in_trouble(home), 0)
        page.goto(f"{home.origin}/tasks/1")
        expect(page.get_by_text(english, exact=False)).to_be_visible()
        expect(page.locator(".badge", has_text="voucher needed")).to_have_count(0)  # it is not going to be redeemed
        assert not home.mined(VoucherShown) and not is_enrolled(home)
        home.check("/tasks/1", *(("/", "/tasks") if wrong == SPENT else ()))
        with tab(home.browser, home.origin, PHONE, "de") as other:
            home.enter(other, "de")
            expect(other.open("/tasks/1").get_by_text(german, exact=False)).to_be_visible()

        page.get_by_role("link", name="Paste another invitation").click()
        paste(page, link(home, SECOND))
        expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
        if wrong == NONE:
            agree(home, page)
            home.server.chain.time = home.planned()[1]
        home.played.until(lambda: is_enrolled(home))
        page.goto(f"{home.origin}/tasks/1")
        expect(page.get_by_text("Your phone is enrolled", exact=False)).to_be_visible()
        assert home.issuer.asked[-1][0].code == SECOND


def test_a_code_that_is_not_whole_is_told(home: Household) -> None:
    for language, label, look, words in (
        ("en", "Paste the invitation", "Look at it", "is not whole"),
        ("de", "Einladung einfügen", "Anschauen", "nicht vollständig"),
    ):
        with tab(home.browser, home.origin, PHONE, language) as watched:
            page = home.enter(watched, language)
            page.goto(f"{home.origin}/tasks/find")
            page.get_by_label(label).fill(link(home, CODE)[:-1])
            page.get_by_role("button", name=look).last.click()
            expect(page.get_by_text(words, exact=False)).to_be_visible()
    assert not home.played.home.workers


def test_who_has_no_appliance_is_told_before(home: Household) -> None:
    home.played.home.look_for_offers()
    with tab(home.browser, home.origin, PHONE, "de") as watched:
        page = home.enter(watched, "de")
        page.goto(f"{home.origin}/tasks/find")
        expect(page.get_by_text("die Einladung, die bei einem Gerät lag", exact=False)).to_be_visible()
    home.check("/tasks/find")
