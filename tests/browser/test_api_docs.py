"""The API's page of documentation works under its own policy, and asks no other host."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.page_checks import chromium, tab
from tests.unit.backend.api.scene_api import played
from tests.unit.backend.api.serving import serving


def test_a_route_is_tried_out() -> None:
    with serving(played().app) as server, chromium() as browser, tab(browser, server.url) as watched:
        page = watched.open("/docs")
        route = page.locator("#operations-tasks-list_tasks")
        route.locator(".opblock-summary-control").click()
        route.locator(".try-out__btn").click()
        route.locator(".execute").click()
        expect(route.locator(".live-responses-table .response-col_status").nth(1)).to_contain_text("200")
        expect(route.locator(".live-responses-table")).to_contain_text('"manufacturer"')
        assert (watched.said, watched.foreign) == ([], [])
