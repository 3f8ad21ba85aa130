"""Pages from templates, for both faces: languages, formats, assets, errors, and the guard before all of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from gettext import NullTranslations
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from babel import Locale
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from protocol.errors import HearthError, MalformedError, Party
from protocol.randomness import Randomness
from storage.pages.assets import ASK_AGAIN, Assets
from storage.pages.formats import Formats, finished
from storage.pages.guard import HEADERS, TOKEN, Guard, Tokens, is_visitor
from storage.pages.languages import LANGUAGES, chosen, translations

HERE: Final = Path(__file__).parent
LANGUAGE_COOKIE: Final = "hearth_language"
YEAR_SECONDS: Final = 31_536_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Face:
    """What one face adds: a folder with ``templates``, ``static`` and ``locale``, and where it is served.

    ``root``: the path that the application is mounted at. ``hosts``: names by which a browser may ask for it.
    """

    name: str
    folder: Path
    hosts: Container[str] = ("127.0.0.1", "localhost", "[::1]")
    root: str = ""
    zone: tzinfo = UTC


def status_of(error: HearthError) -> int:
    """Of the page that tells of an error: the reader's own mistakes are 4xx."""
    known = {"E_NOT_FOUND": 404, "E_TOO_LARGE": 413, "E_REFUSED": 403, "E_TIMEOUT": 408}
    if error.code in known:
        return known[error.code]
    if isinstance(error, MalformedError):
        return 400
    if error.fault in (Party.LEDGER, Party.CONTENT_STORE, Party.EDGE_SERVER, Party.KEY_AUTHORITY):
        return 503
    return 500 if error.fault is Party.OURS else 422


class Pages:
    """Of one face. A template gets the facts given to :meth:`render`, and besides them: ``lang``, ``languages``,
    ``path``, ``root``, ``static(name)``, ``csrf()``, ``_``, ``ngettext`` and the filters of ``Formats``."""

    def __init__(self, face: Face, randomness: Randomness) -> None:
        self.face, self._tokens = face, Tokens(randomness)
        self.assets = Assets([HERE / "vendor", HERE / "static", face.folder / "static"])
        shared, own = FileSystemLoader(HERE / "templates"), FileSystemLoader(face.folder / "templates")
        loader = ChoiceLoader([PrefixLoader({"pages": shared}), own])
        folders = [HERE / "locale", face.folder / "locale"]
        self._environments = {
            language: _environment(loader, Formats(Locale.parse(language), face.zone), translations(language, folders))
            for language in LANGUAGES
        }
        for environment in self._environments.values():
            environment.globals["static"] = self.static

    def install(self, app: Starlette) -> None:
        """Gives the application its assets, its error pages and its guard."""
        app.router.routes.insert(0, Route("/static/{name}", self._static))
        app.add_exception_handler(HearthError, self._known)
        app.add_exception_handler(HTTPException, self._http)
        app.add_exception_handler(Exception, self._unexpected)
        app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)
        app.add_middleware(
            Guard,
            hosts=self.face.hosts,
            cookie=lambda headers: self.cookie(headers.get("host", "")),
            tokens=self._tokens,
            refuse=lambda request, status, error: self.error(request, status, str(error.args[0]), error.code),
        )

    def render(self, request: Request, template: str, *, status: int = 200, **facts: Any) -> Response:
        """The page in the reader's language. ``facts``: what the template shows."""
        language, asked = self.language(request), request.query_params.get("lang")
        known = self.visitor(request)
        visitor = known or self._tokens.new_visitor()
        context = {
            "lang": language,
            "languages": [(code, name, _with_language(request, code)) for code, name in LANGUAGES.items()],
            "path": request.url.path.removeprefix(self.face.root) or "/",
            "root": self.face.root,
            "csrf": lambda: Markup('<input type="hidden" name="{}" value="{}">').format(
                TOKEN, self._tokens.issue(visitor)
            ),
            "csrf_token": lambda: self._tokens.issue(visitor),
        }
        body = self._environments[language].get_template(template).render({**context, **facts})
        headers = {**HEADERS, "cache-control": "no-store", "content-language": language, "vary": "accept-language"}
        response = HTMLResponse(body, status, headers=headers)
        if not known:
            self.keep(request, response, self.cookie(request.headers.get("host", "")), visitor)
        if asked == language:
            self.keep(request, response, LANGUAGE_COOKIE, language, YEAR_SECONDS)
        return response

    def error(self, request: Request, status: int, detail: str, code: str) -> Response:
        """The page that says what went wrong, in one line, and where to go on."""
        return self.render(request, "pages/error.html", status=status, detail=detail, code=code, status_code=status)

    def redirect(self, path: str) -> Response:
        """After a form that changed something: the page to show then. ``path`` is below the face's root."""
        return RedirectResponse(f"{self.face.root}{path}", 303)

    def language(self, request: Request) -> str:
        asked, remembered = request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)
        return chosen(asked, remembered, request.headers.get("accept-language", ""))

    def formats(self, request: Request) -> Formats:
        return Formats(Locale.parse(self.language(request)), self.face.zone)

    def visitor(self, request: Request) -> str:
        """The name that this browser was given here; empty for a new one."""
        found = request.cookies.get(self.cookie(request.headers.get("host", "")), "")
        return found if is_visitor(found) else ""

    def cookie(self, host: str) -> str:
        """Browsers keep cookies by host without port, so the port is in the name: two faces may share a machine."""
        return f"hearth_{self.face.name}_{urlsplit(f'//{host}').netloc.rpartition(':')[2] or 'default'}"

    def keep(self, request: Request, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        """A cookie that no script reads and that no other site's link sends."""
        secure = request.url.scheme == "https"
        response.set_cookie(name, value, seconds, path="/", secure=secure, httponly=True, samesite="strict")

    def static(self, name: str) -> str:
        """Where a browser finds an asset, whose content may never change there. Raises KeyError."""
        return f"{self.face.root}/static/{self.assets.url(name)}"

    def file(self, request: Request, name: str) -> Response:
        """An asset at a place of its own, such as a service worker."""
        return self.assets[name].answer(request, ASK_AGAIN)

    async def _static(self, request: Request) -> Response:
        return self.assets.answer(request, request.path_params["name"])

    async def _known(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HearthError)
        status = status_of(error)
        _log.warning("page refused", path=request.url.path, code=error.code, detail=str(error.args[0])[:500])
        return self.error(request, status, str(error.args[0]), error.code)

    async def _http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "E_NOT_FOUND", 405: "E_METHOD"}.get(error.status_code, "E_REQUEST")
        return self.error(request, error.status_code, "", code)

    async def _unexpected(self, request: Request, error: Exception) -> Response:
        _log.error("unexpected", path=request.url.path, error=repr(error)[:500])
        return self.error(request, 500, "", "E_INTERNAL")


def _environment(loader: ChoiceLoader, formats: Formats, found: NullTranslations) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=finished,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # of the extension: variables are arguments
    environment.filters.update(formats.filters())
    environment.globals.update(_texts(found))
    return environment


def _texts(found: NullTranslations) -> dict[str, Callable[..., Markup]]:
    """Translations are ours; what is put into them is shown as every other value is."""

    def filled(text: str, variables: dict[str, Any]) -> Markup:
        return Markup(text) % {name: finished(value) for name, value in variables.items()}  # noqa: S704

    def gettext(message: str, **variables: Any) -> Markup:
        return filled(found.gettext(message), variables)

    def ngettext(one: str, many: str, num: int, **variables: Any) -> Markup:
        return filled(found.ngettext(one, many, num), {"num": num, **variables})

    return {"_": gettext, "gettext": gettext, "ngettext": ngettext}


def _with_language(request: Request, code: str) -> str:
    rest: Sequence[tuple[str, str]] = [
        (key, value) for key, value in parse_qsl(request.url.query, keep_blank_values=True) if key != "lang"
    ]
    return f"?{urlencode([*rest, ('lang', code)])}"
