"""The languages of the pages: which one a reader gets, and the translations, compiled in memory from .po files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCE: Final = "en"  # the language that the texts in templates are written in
LANGUAGES: Final = {SOURCE: "English", "de": "Deutsch"}
MAX_HEADER: Final = 200  # characters of Accept-Language that are read


def translations(language: str, folders: Iterable[Path]) -> NullTranslations:
    """Of ``LANGUAGE.po`` in each folder that has one; a later folder's text counts."""
    found = NullTranslations()
    for folder in folders:
        path = folder / f"{language}.po"
        if not path.is_file():
            continue
        compiled = io.BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=language, abort_invalid=True))
        compiled.seek(0)
        added = GNUTranslations(compiled)
        added.add_fallback(found)
        found = added
    return found


def chosen(asked: str | None, remembered: str | None, accepted: str) -> str:
    """The first one that there is of: what this request asks for, what the reader chose before, what the browser
    prefers (``Accept-Language``, RFC 9110 12.5.4)."""
    for one in (asked, remembered):
        if one in LANGUAGES:
            return one
    weighed = _weighed(accepted[:MAX_HEADER])
    best = max(weighed, key=lambda language: weighed[language], default=SOURCE)
    return best if weighed.get(best, 0.0) > 0 else SOURCE


def _weighed(accepted: str) -> Mapping[str, float]:
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        tag, _, quality = part.strip().partition(";q=")
        language = tag.strip().lower().partition("-")[0]
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if language in LANGUAGES and 0.0 <= weight <= 1.0:
            weights.setdefault(language, weight)
    return weights
