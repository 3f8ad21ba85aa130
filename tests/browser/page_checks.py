"""What every page of both faces must pass in a real browser, at both widths, in both languages, light and dark.

Chromium comes from the system's packages; it starts once for a test module.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from scripts.checks.node_tools import NODE_MODULES, ensure_packages

PHONE, DESK = 390, 1280  # pixels
HEIGHT: Final = 800
FIRST_VIEW_BYTES: Final = 100_000
MOST_TABS: Final = 150
# width, language, scheme, and whether it is looked at thoroughly: both of each are, and long words at the small width
LOOKS: Final = (
    (PHONE, "de", "light", True),
    (DESK, "en", "dark", True),
    (PHONE, "en", "dark", False),
    (DESK, "de", "light", False),
)
_AXE: Final = NODE_MODULES / "axe-core" / "axe.min.js"
_FOCUSABLE: Final = """() => {
    const closed = (element) => {
        const box = element.closest("details:not([open])");
        return box && !(element.tagName === "SUMMARY" && element.parentElement === box);
    };
    const all = [...document.querySelectorAll(
        "a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, summary, [tabindex='0']")];
    window.checked = all.filter((element) => element.getClientRects().length && !closed(element));
    return window.checked.map((element) => element.outerHTML.slice(0, 120));
}"""
_WEIGHED: Final = """() => Object.fromEntries(
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .map((entry) => [entry.name, entry.encodedBodySize]))"""
# plots are drawn again a moment after a window was made smaller
_SETTLED: Final = """() => new Promise((settled) => {
    const root = document.documentElement;
    const look = (left) => requestAnimationFrame(
        () => left && root.scrollWidth > root.clientWidth ? look(left - 1) : settled());
    look(300);
})"""
_FOCUSED: Final = """() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    return [window.checked.indexOf(element), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0];
}"""


class BrowserMissingError(RuntimeError):
    """No Chromium: install the package ``chromium`` of the system."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's. Raises BrowserMissingError."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise BrowserMissingError("no Chromium on PATH: install the system's package chromium")
    ensure_axe()
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def ensure_axe() -> None:
    if not _AXE.is_file():
        ensure_packages()


@dataclass
class Watched:
    """One tab, and all that it said and asked for since it was opened. ``origin``: of the face, without last slash."""

    page: Page
    origin: str
    said: list[str] = field(default_factory=list)  # errors and warnings of the console
    foreign: list[str] = field(default_factory=list)  # requests to another host

    def __post_init__(self) -> None:
        self.page.on("console", lambda one: self._hear(one.type, one.text))
        self.page.on("pageerror", lambda error: self._hear("error", str(error)))
        self.page.on("request", lambda request: self._see(request.url))

    def open(self, path: str, status: int = 200) -> Page:
        answer = self.page.goto(self.origin + path)
        assert answer is not None and answer.status == status, f"{path}: {answer and answer.status}"
        if status != 200:  # the browser itself says so in its console
            self.said[:] = [one for one in self.said if "Failed to load resource" not in one]
        return self.page

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "blocked by Playwright" not in text:
            self.said.append(f"{kind}: {text}")

    def _see(self, url: str) -> None:
        if not url.startswith((f"{self.origin}/", "data:", "blob:", "about:")):
            self.foreign.append(url)

    def weigh(self) -> dict[str, int]:
        """Bytes on the wire, by URL, of the page that is shown and of all that it loaded."""
        found: dict[str, int] = self.page.evaluate(_WEIGHED)
        return found


@contextmanager
def tab(
    browser: Browser, origin: str, width: int = DESK, language: str = "en", scheme: str = "light", **more: Any
) -> Iterator[Watched]:
    """A private window of its own. ``more``: of Playwright's ``new_context``, as ``java_script_enabled=False``.

    Without service workers, unless ``more`` allows them: a window whose worker is just starting may never close.
    """
    looks: dict[str, Any] = {"viewport": {"width": width, "height": HEIGHT}, "color_scheme": scheme}
    context = browser.new_context(locale=language, **{**looks, "service_workers": "block", **more})
    page = context.new_page()
    try:
        yield Watched(page, origin)
    finally:
        page.goto("about:blank")  # a stream of news that is open would be waited for
        context.close()


def check_page(watched: Watched, path: str, language: str = "en", status: int = 200, *, thorough: bool = True) -> None:
    """Opens the page and asserts all of it: language, one heading, width, console, network; and when it is
    ``thorough``, accessibility and keyboard, which take a second."""
    page = watched.open(path, status)
    assert page.evaluate("document.documentElement.lang") == language
    assert page.locator("h1").count() == 1, f"{path}: not one h1"
    check_shown(watched, path, thorough=thorough)


def check_shown(watched: Watched, name: str, *, thorough: bool = True) -> None:
    """The same of the page as it stands there now."""
    page = watched.page
    _check_width(page, name)
    if thorough:
        assert violations(page) == [], name
        check_keyboard(page, name)
    assert watched.said == [], name
    assert watched.foreign == [], name


def check_other_width(watched: Watched, name: str) -> None:
    """The page that is shown fits the other of both widths too; it is not loaded again for it."""
    page, size = watched.page, watched.page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": PHONE if size["width"] == DESK else DESK, "height": HEIGHT})
    page.evaluate(_SETTLED)
    _check_width(page, f"{name}, made {'narrower' if size['width'] == DESK else 'wider'}")
    page.set_viewport_size(size)


def violations(page: Page) -> list[str]:
    """What axe-core finds, one line each. It comes by the debugger, which the page's own policy does not touch."""
    page.evaluate(f"() => {{ {_AXE.read_text()} }}")
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def check_keyboard(page: Page, name: str) -> None:
    """The tabulator reaches everything that can be used, in the order of the page, and shows where it is."""
    things: list[str] = page.evaluate(_FOCUSABLE)
    page.evaluate("() => { document.activeElement.blur(); window.getSelection().removeAllRanges(); }")
    reached, radios = list[int](), 'type="radio"'
    for _ in range(min(len(things) + 2, MOST_TABS)):
        page.keyboard.press("Tab")
        place, visible = page.evaluate(_FOCUSED)
        if place < 0 or place in reached:
            break
        assert visible, f"{name}: no sign of the focus on {things[place]}"
        reached.append(place)
    missed = [thing for place, thing in enumerate(things) if place not in reached and radios not in thing]
    assert len(things) > MOST_TABS or missed == [], f"{name}: not reached by keyboard: {missed}"
    assert reached == sorted(reached), f"{name}: the order of the keyboard is not the page's"


def check_first_view(watched: Watched, path: str) -> int:
    """In a new window, where nothing is kept yet; returns bytes on the wire."""
    watched.open(path)
    weighed = watched.weigh()
    assert sum(weighed.values()) < FIRST_VIEW_BYTES, f"{path}: {weighed}"
    return sum(weighed.values())


def _check_width(page: Page, name: str) -> None:
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider == 0, f"{name}: {wider} pixels too wide: {_too_wide(page)}"


def _too_wide(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((element) =>
            element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .slice(0, 5).map((element) => element.outerHTML.slice(0, 120))"""
    )
    return found
