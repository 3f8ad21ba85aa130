"""Text from outside: what a message may carry, and how it is shown so that nobody takes it for something else."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Controls, line ends, surrogates, private use and noncharacters: Unicode's stability policy never moves one of them, so
# every version of every program refuses the same texts.
_REFUSED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff"
    + "".join(chr(plane << 16 | low) for plane in range(15) for low in (0xFFFE, 0xFFFF))
    + "]"
)
# They turn the text around them, or have no width: what is read is not what is written. Letters of several scripts need
# the two joiners U+200C and U+200D.
_TURNING: Final = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
# Printable by their category, but without a glyph of their own.
_INVISIBLE: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0]")
# Letters that look like Latin ones (Unicode Technical Standard 39): Cyrillic, Greek, Armenian, Latin; then all of
# Coptic, Cherokee, Lisu, of the phonetic small capitals, of the full-width letters and of the mathematical alphabets.
_LOOKALIKES: Final = re.compile(
    "[АВЕЅІЈКМНОРСТУҮХԚԜѴӀасԁеһіјӏорԛѕѵԝхуүΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορυϲϳϹհոսօցգզԼՍՏՕɑɡǀ"
    "\u2c80-\u2cff\u13a0-\u13ff\uab70-\uabbf\ua4d0-\ua4ff\u1d00-\u1d2b"
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff]"
)
_LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_JOINT: Final = re.compile("_|(?<=[a-z])(?=[A-Z])")
_PIECES: Final = re.compile(r"\w+|\W+")
MAX_MARKS: Final = 3  # upon one letter; more of them grow into the lines around


def is_line(text: str) -> bool:
    """Whether it is one line without control or escape codes."""
    return _REFUSED.search(text) is None


def refused_in(text: str) -> str | None:
    """Why nobody may call something so, in words for who wrote it; None for a name that is readable as it stands."""
    for pattern, what in ((_REFUSED, "a line end or control character"), (_TURNING, "a mark that turns or hides text")):
        if found := pattern.search(text):
            number, name = found.start() + 1, f"U+{ord(found[0]):04X}"
            return f"character {number}, {name}, is {what}; one line of printable text belongs here"
    return None


def shown(text: str) -> str:
    """The text in printable characters on one line; what hides, turns or imitates stands there as its number, [U+202E].

    A letter imitates when it looks like a Latin one and nothing in its word gives it away.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_piece_shown, _PIECES.findall(text)))


def _piece_shown(piece: str) -> str:
    imitates, marks, parts = _imitates(piece), 0, list[str]()
    for character in piece:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        hidden = not character.isprintable() or _INVISIBLE.match(character) or marks > MAX_MARKS
        masked = hidden or (imitates and _LOOKALIKES.match(character))
        parts.append(f"[U+{ord(character):04X}]" if masked else character)
    return "".join(parts)


def _imitates(word: str) -> bool:
    """Whether its look-alikes could pass for Latin: beside Latin letters, or with no other letter among them."""
    others = [one for one in word if one.isalpha() and not _LOOKALIKES.match(one)]
    return bool(_LOOKALIKES.search(word)) and (not others or any(map(_LATIN.match, others)))


def in_words(name: str) -> str:
    """A name of the code for people: ``KeyRequested`` and ``key_requested`` are "key requested"."""
    return _JOINT.sub(" ", name).lower()


def counted(number: int, noun: str) -> str:
    """``1 round``, ``2 rounds``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
