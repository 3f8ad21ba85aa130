"""The pictures of the README: both faces of a whole demonstration, as Chromium shows them.

``python -m scripts.checks.screenshots`` writes ``docs/pictures/``. It needs tracebase in HEARTH_DATA_DIR, Chromium, the
packages of the tests, and a few minutes.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from scripts.checks.system_tools import require
from scripts.demonstration.pages import STAYS
from scripts.demonstration.processes import RoleProcess, Stage

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "pictures"
DEMONSTRATION: Final = ("demo", "--dataset", "appliances", "--pages")
DESK, PHONE = (1280, 1080), (390, 844)  # pixels
COLOURS: Final = 96
START_SECONDS, TASK_SECONDS = 600.0, 1800.0
SETTLE_MS: Final = 1_500  # until a page has drawn its plots
PATIENCE_MS: Final = 60_000
_ADDRESS: Final = re.compile(r"http://\S+")


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    with Stage() as processes, _chromium() as browser:
        demonstration = processes.start("demonstration", DEMONSTRATION, processes.temporary_folder())
        processes.await_until(lambda: len(_addresses(demonstration)) == 2, START_SECONDS)
        dashboard, home = _addresses(demonstration)
        with _window(browser, PHONE, home) as page:
            _ask(page)
            _keep(page, "consent-phone")
            page.locator('button[name="answer"][value="yes"]').click()
        processes.await_until(lambda: STAYS in _said(demonstration), TASK_SECONDS)
        for name, size in (("dashboard", DESK), ("dashboard-phone", PHONE)):
            with _window(browser, size, dashboard) as page:
                _keep(page, name)
        for name, size, path in (("household", DESK, "appliances"), ("household-phone", PHONE, "")):
            with _window(browser, size, home) as page:
                page.goto(home.partition("open?")[0] + path)
                _keep(page, name)
    return 0


def _ask(page: Page) -> None:
    """As the owner does: finds the task and looks at what it asks."""
    page.goto(page.url.rstrip("/") + "/tasks/find")
    look = page.locator('form:has(input[name="task"]) button')
    look.or_(page.locator('form[action="/tasks/look"] button')).first.wait_for(timeout=PATIENCE_MS)
    while look.count() == 0:
        page.locator('form[action="/tasks/look"] button').click()
    look.first.click()
    answer = page.locator('button[name="answer"]').first
    while answer.count() == 0:
        page.wait_for_timeout(SETTLE_MS)
        page.reload()


def _said(demonstration: RoleProcess) -> str:
    demonstration.finished()  # raises when it failed
    return demonstration.tail(10_000)


def _addresses(demonstration: RoleProcess) -> list[str]:
    return _ADDRESS.findall(_said(demonstration))


@contextmanager
def _chromium() -> Iterator[Browser]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _window(browser: Browser, size: tuple[int, int], address: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="en", color_scheme="light", service_workers="block"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    try:
        page.goto(address)
        yield page
    finally:
        page.goto("about:blank")  # a stream of news that is open would be waited for
        context.close()


def _keep(page: Page, name: str) -> None:
    """With few colours: the file is in the repository."""
    page.wait_for_timeout(SETTLE_MS)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())
