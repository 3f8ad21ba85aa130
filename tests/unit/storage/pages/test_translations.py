"""Every text of a template has a German translation that fills in the same values, and no translation is left over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from storage.pages.languages import LANGUAGES, SOURCE
from tests.tracked import ROOT

FACES = [
    name for name in ("storage/pages", "client_agent/web", "backend/dashboard") if (ROOT / name / "locale").is_dir()
]
EXTENSIONS = "jinja2.ext.i18n,jinja2.ext.loopcontrols"
OPTIONS = {"extensions": EXTENSIONS, "trimmed": "true", "silent": "false", "newstyle_gettext": "true"}
PLACE = re.compile(r"%\((\w+)\)[a-z]|%%")
Key = str | tuple[str, str]


def texts(face: Path) -> set[Key]:
    found: set[Key] = set()
    for path in sorted((face / "templates").rglob("*.html")):
        with path.open("rb") as file:
            for _, function, message, _ in babel_extract(file, ["_", "gettext", "ngettext"], [], OPTIONS):
                parts = [str(one) for one in (message if isinstance(message, tuple) else (message,))]
                found.add((parts[0], parts[1]) if function == "ngettext" else parts[0])
    return found


def catalog(face: Path, language: str) -> Catalog:
    path = face / "locale" / f"{language}.po"
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def messages(found: Catalog) -> dict[Key, Message]:
    return {(one.id if isinstance(one.id, str) else (one.id[0], one.id[1])): one for one in found if one.id}


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {SOURCE}))
@pytest.mark.parametrize("name", FACES)
def test_each_text_is_translated_once(name: str, language: str) -> None:
    face = ROOT / name
    used, known = texts(face), messages(catalog(face, language))
    assert sorted(map(str, used - known.keys())) == [], "without translation"
    assert sorted(map(str, known.keys() - used)) == [], "without use"


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {SOURCE}))
@pytest.mark.parametrize("name", FACES)
def test_each_translation_is_finished_and_fills_in_the_same(name: str, language: str) -> None:
    found = catalog(ROOT / name, language)
    assert list(found.check()) == [] and not found.obsolete
    for key, message in messages(found).items():
        assert not message.fuzzy, key
        sources = [key] if isinstance(key, str) else list(key)
        strings = [message.string] if isinstance(message.string, str) else list(message.string or ())
        assert all(strings), f"{key}: empty"
        for string in strings:
            allowed = set().union(*(set(PLACE.findall(source)) for source in sources))
            assert set(PLACE.findall(string)) <= allowed, key
            assert "%" not in PLACE.sub("", string), f"{key}: a percent sign is %%"
        assert set(PLACE.findall(sources[-1])) <= set(PLACE.findall(strings[-1])), f"{key}: a value is lost"
