"""A manufacturer posts a task from a page: with a wallet on a real chain, without one, and when things go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from protocol.identifiers import sha256, to_hex
from tests.browser.page_checks import (
    DESK,
    LOOKS,
    PHONE,
    Watched,
    check_first_view,
    check_page,
    check_shown,
    chromium,
    tab,
    violations,
)
from tests.browser.scene_posting import Edge, PlayedWallet, edge_server
from tests.ports.chains import RunningChain, running_chain
from tests.unit.backend.api.test_drafts import AUTHORITIES, a_test_set

PATIENCE = 20_000  # milliseconds
HOSTILE = "<img src=x onerror=alert(1)>\u2066" + "W" * 60
LINES = "\n".join(AUTHORITIES)


@dataclass
class Posting:
    browser: Browser
    edge: Edge
    chain: RunningChain
    test_set: Path

    @property
    def origin(self) -> str:
        return self.edge.origin


@pytest.fixture(scope="module")
def posting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Posting]:
    expect.set_options(timeout=PATIENCE)
    chain, file = running_chain("anvil"), tmp_path_factory.mktemp("posting") / "test-set.safetensors"
    file.write_bytes(a_test_set())
    with edge_server(chain) as edge, chromium() as browser:
        yield Posting(browser, edge, chain, file)


def filled(**changed: str) -> str:
    return urlencode({"title": "Which appliance is it?", "authorities": LINES, **changed})


def signed_in(watched: Watched, wallet: PlayedWallet, query: str) -> Page:
    """On the page where it is signed, with the test set in the store."""
    wallet.attach(watched.page.context)
    page = watched.open(f"/post/sign?{query}")
    page.get_by_role("button", name="Sign in with the wallet").click()
    expect(page.locator(".badge", has_text="signed in")).to_be_visible()
    return page


def uploaded(page: Page, test_set: Path) -> None:
    page.get_by_label("File").set_input_files(test_set)
    expect(page.get_by_text("10 examples")).to_be_visible()


def field(page: Page, name: str) -> Locator:
    return page.get_by_role("textbox", name=name, exact=True)


def status(page: Page) -> str:
    return page.locator("[data-status]").inner_text()


def test_a_task_is_posted_from_the_wizard_and_appears_in_the_list(posting: Posting) -> None:
    wallet = PlayedWallet(posting.chain, elsewhere=1)
    before = posting.edge.ledger.task_count()
    with tab(posting.browser, posting.origin, DESK) as watched:
        wallet.attach(watched.page.context)
        page = watched.open("/post")
        field(page, "Title").fill("Which <b>appliance</b> is it?")
        field(page, "Households").fill("30")
        field(page, "Key authorities").fill(LINES)
        expect(page.locator("#meaning")).to_contain_text("0.31")  # ETH, without pressing anything
        page.get_by_role("link", name="Go on to sign").click()
        page.get_by_role("button", name="Sign in with the wallet").click()
        expect(page.locator(".badge", has_text="signed in")).to_be_visible()
        assert wallet.elsewhere == 0  # it was asked to change
        uploaded(page, posting.test_set)
        check_shown(watched, "ready to post")
        page.get_by_role("button", name="Post with the wallet").click()
        expect(page.locator("[data-status]")).to_have_text("The task is posted.")
        page.get_by_role("link", name="To the task").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Which <b>appliance</b> is it?")
        page.goto(f"{posting.origin}/")
        expect(page.get_by_text("Which <b>appliance</b> is it?").first).to_be_visible()
    assert posting.edge.ledger.task_count() == before + 1
    view = posting.edge.ledger.task(before + 1)
    assert to_hex(view.manufacturer) == wallet.account
    assert any(view.spec == sha256(data) for data in posting.edge.store.objects.values())
    assert len(wallet.sent) == 1 and int(wallet.sent[0]["value"], 16) == 310 * 10**15


def test_a_wallet_that_refuses_or_stays_elsewhere_sends_nothing(posting: Posting) -> None:
    wallet = PlayedWallet(posting.chain)
    with tab(posting.browser, posting.origin, PHONE) as watched:
        page = signed_in(watched, wallet, filled(title="Refused"))
        uploaded(page, posting.test_set)
        button = page.get_by_role("button", name="Post with the wallet")
        wallet.refuses = {"eth_sendTransaction"}
        button.click()
        expect(page.locator("[data-status]")).to_have_text("You refused in the wallet. Nothing was sent.")
        wallet.refuses, wallet.elsewhere, wallet.moves = set(), 5, False
        button.click()
        expect(page.locator("[data-status]")).to_contain_text(f"on chain 5 and this task is for chain {31337}")
        assert wallet.sent == []
        check_shown(watched, "refused", thorough=False)
        assert violations(page) == []


def test_what_is_prepared_must_be_what_is_shown(posting: Posting) -> None:
    wallet = PlayedWallet(posting.chain)
    with tab(posting.browser, posting.origin) as watched:
        page = signed_in(watched, wallet, filled(title="Shown"))
        uploaded(page, posting.test_set)

        def other(route):  # type: ignore[no-untyped-def]
            answer = route.fetch()
            digest = answer.json()["digest"][2:]
            route.fulfill(response=answer, body=answer.text().replace(f"{digest}0", "ab" * 32 + "0"))

        page.route("**/api/v1/drafts/prepare", other)
        page.get_by_role("button", name="Post with the wallet").click()
        expect(page.locator("[data-status]")).to_contain_text("something else than this draft")
        assert wallet.sent == []


@pytest.mark.parametrize(("spoils", "said"), [("price", "The task is posted."), ("other", "was not posted")])
def test_a_replaced_transaction_is_told_apart(posting: Posting, spoils: str, said: str) -> None:
    wallet = PlayedWallet(posting.chain, spoils=spoils)
    before = posting.edge.ledger.task_count()
    with tab(posting.browser, posting.origin) as watched:
        page = signed_in(watched, wallet, filled(title=f"Replaced {spoils}"))
        uploaded(page, posting.test_set)
        page.clock.install()  # so that its patience is the test's
        page.reload()
        page.get_by_role("button", name="Post with the wallet").click()
        for _ in range(60):
            if said in status(page):
                break
            page.clock.run_for(1_600)
        expect(page.locator("[data-status]")).to_contain_text(said)
    assert posting.edge.ledger.task_count() == before + (spoils == "price")


def test_nothing_typed_is_lost_with_the_session(posting: Posting) -> None:
    wallet = PlayedWallet(posting.chain)
    with tab(posting.browser, posting.origin) as watched:
        page = signed_in(watched, wallet, filled(title="Kept", rounds="7"))
        uploaded(page, posting.test_set)
        page.context.clear_cookies()
        page.get_by_role("button", name="Post with the wallet").click()
        expect(page.locator("[data-status]")).to_contain_text("E_SIGN_IN")
        page.reload()
        expect(page.get_by_role("button", name="Sign in with the wallet")).to_be_visible()
        page.get_by_role("link", name="Change the answers").click()
        assert field(page, "Title").input_value() == "Kept"
        assert field(page, "Rounds").input_value() == "7"
        assert field(page, "Test set").input_value().startswith("b")


def test_without_script_and_wallet_there_is_a_command(posting: Posting) -> None:
    with tab(posting.browser, posting.origin, PHONE, java_script_enabled=False) as watched:
        page = watched.open("/post")
        field(page, "Rounds").fill("many")
        field(page, "Key authorities").fill(LINES)
        page.get_by_role("button", name="Show what it means").click()
        expect(page.locator("#w-rounds")).to_contain_text("A whole number, 1 … 1000.")
        expect(page.locator("#w-title")).to_contain_text("This is missing.")
        assert field(page, "Rounds").input_value() == "many"
        field(page, "Rounds").fill("5")
        field(page, "Title").fill("<img src=x onerror=alert(1)>")
        page.get_by_role("button", name="Show what it means").click()
        page.get_by_role("link", name="Go on to sign").click()
        expect(page.locator("#command")).to_contain_text("hearth task post task.toml")
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Save task.toml").click()
        assert "rounds = 5" in Path(waiting.value.path()).read_text()
        page.get_by_role("link", name="Sign in by a command").click()
        field(page, "Your account").fill(PlayedWallet(posting.chain).account)
        page.get_by_role("button", name="Show the text to sign").click()
        text = page.locator("input[name=message]").input_value()
        assert text in page.locator("#command").inner_text()
        signature = posting.chain.ask("personal_sign", to_hex(text.encode()), PlayedWallet(posting.chain).account)
        field(page, "Signature").fill("0x12")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#w-signature")).to_be_visible()
        field(page, "Signature").fill(signature)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".badge", has_text="signed in")).to_be_visible()


def test_pages_in_both_languages_and_widths(posting: Posting) -> None:
    own = urlencode({"kind": "own", "own": "[model]\nx = 1\n" + "<b>" * 40, "title": HOSTILE})
    for width, language, scheme, thorough in LOOKS:
        with tab(posting.browser, posting.origin, width, language, scheme) as watched:
            for path in ("/post", f"/post?{own}", f"/post/sign?{filled(title='W' * 120)}", "/sign-in"):
                check_page(watched, path, language, thorough=thorough)


def test_the_first_view_is_small(posting: Posting) -> None:
    with tab(posting.browser, posting.origin, PHONE) as watched:
        check_first_view(watched, "/post")
