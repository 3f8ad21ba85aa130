"""Every entry of the sample task file left out, misspelt, of another type and out of all bounds: the file is a task
that can run, or one error that names line and entry. What is tried follows from the file, and so covers new entries."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocol.errors import MalformedError
from protocol.identifiers import sha256
from protocol.messages.chain import DEFAULT_RULES
from protocol.model.dataset import encode_labelled
from protocol.round.key_request import check_quorum
from protocol.round.planning import sent_parameters, terms_of
from protocol.round.scheme import encoding_of
from scripts.commands.ready_task import ReadyTask, lines_of
from scripts.commands.task_file import SAMPLE
from tests.reference_ledger.tasks import check_terms

Keys = tuple[str | int, ...]
WRITTEN = tomllib.loads(SAMPLE.read_text(), parse_float=Decimal)
OTHER_TYPES: tuple[Any, ...] = (True, "text", Decimal("1.5"), 7, [], [[]], {}, {"key": 1}, [True])
TOO_LONG = 10**5000
NUMBERS = (
    *(0, 1, -1, 2, 255, 256, 2**31, 2**32, 2**40 + 1, 2**64, 2**128 - 1, 2**128, 10**40, -(10**40)),
    *map(Decimal, ("0.0000001", "0.999999", "1.000001", "1E+400", "1E-400", "Infinity", "NaN", "-0.5")),
)
TEXTS = ("", " ", "x" * 5000, "\a", "a\nb", "\u202etxet", "0x", "0x" + "00" * 20, "../..", "http://[", "Ｋüche")
UNKNOWN = "surprise"


class Written:
    """Tables as TOML, one entry a line, and where each stands."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self.lines: list[str] = []
        self.places: dict[Keys, int] = {}
        self._table(tables, ())
        self.text = "\n".join(self.lines) + "\n"

    def line_of(self, place: Keys) -> int:
        """Its own, or that of what is around it."""
        while place not in self.places:
            place = place[:-1]
        return self.places[place]

    def _table(self, tables: dict[str, Any], above: Keys) -> None:
        inner = {key: value for key, value in tables.items() if isinstance(value, dict)}
        for key, value in tables.items():
            if key not in inner:
                self._entry(f"{key} = ", value, (*above, key), "")
        for key, value in inner.items():
            self.lines.append(f"[{'.'.join(map(str, (*above, key)))}]")
            self.places[*above, key] = len(self.lines)
            self._table(value, (*above, key))

    def _entry(self, before: str, value: Any, place: Keys, after: str) -> None:
        self.lines.append(f"{before}[" if isinstance(value, list) else f"{before}{inline(value)}{after}")
        self.places[place] = len(self.lines)
        if isinstance(value, list):
            for number, one in enumerate(value):
                self._entry("  ", one, (*place, number), ",")
            self.lines.append(f"]{after}")


class Trial:
    """One file at a time, beside a test set that fits the sample's model."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "task.toml"
        images = np.zeros((4, 1, 8, 8), dtype=np.uint8)
        (folder / "test-set.safetensors").write_bytes(encode_labelled(images, np.arange(4)))

    def outcome(self, text: str) -> str | None:
        """None for a task that can run, by the contract's own rules as well; else its one error."""
        self.path.write_text(text, encoding="utf-8")
        try:
            ready = ReadyTask.read(self.path, lambda url: sha256(url.encode())[:20])
        except MalformedError as error:
            return str(error.args[0])
        spec = ready.spec
        check_terms(terms_of(spec), DEFAULT_RULES, frozenset([spec.rewards.token]))
        for count in (spec.cohort.min_clients, spec.cohort.max_cohort):
            weights = [spec.reputation.maximum] * count
            encoding_of(spec).check_budget(weights)
            check_quorum(weights, spec.cohort.min_clients, spec.cohort.max_share_ppm)
        assert sent_parameters(spec) > 0 and 0 < spec.budget() < 2**128
        assert list(lines_of(ready))
        return None

    def named(self, tables: dict[str, Any]) -> str | None:
        """The entry that the error names with its line; None without an error."""
        file = Written(tables)
        said = self.outcome(file.text)
        if said is None:
            return None
        match = re.match(r"[^:]*task\.toml, line (\d+): ([^: ]+): \S", said)
        if match is None:  # nothing of it is in the file
            match = re.match(r"[^:]*task\.toml: ([\w.]+): the table is missing", said)
            assert match and keys_of(match[1])[0] not in tables, said
            return match[1]
        assert int(match[1]) == file.line_of(keys_of(match[2])), said
        return match[2]


def keys_of(entry: str) -> Keys:
    return tuple(int(key) if key.isdigit() else key for key in re.findall(r"[^.\[\]]+", entry))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(tmp_path_factory.mktemp("hostile"))


def entries(plain: Any, above: Keys = ()) -> Iterator[Keys]:
    """Of everything in the file: tables, keys, and what lists hold."""
    pairs = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in pairs:
        yield (*above, key)
        yield from entries(value, (*above, key))


def changed(place: Keys, value: Any = None, key: str | int | None = None, delete: bool = False) -> dict[str, Any]:
    """The sample with another ``value``, or another ``key`` for the same value, at ``place``."""
    tables = deepcopy(WRITTEN)
    holder: Any = tables
    for step in place[:-1]:
        holder = holder[step]
    if delete or key is not None:
        value = holder.pop(place[-1])
    if not delete:
        holder[place[-1] if key is None else key] = value
    return tables


def at(tables: Any, place: Keys) -> Any:
    for key in place:
        tables = tables[key]
    return tables


def inline(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return (
            '"'
            + "".join(c if (c.isalnum() and c.isascii()) or c in "/:.-" else f"\\u{ord(c):04x}" for c in value)
            + '"'
        )
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, Decimal):
        text = str(value).replace("Infinity", "inf").replace("NaN", "nan").lower()
        return text if any(mark in text for mark in ".ein") else f"{text}.0"
    return f"1{'0' * 5000}" if value == TOO_LONG else str(value)


PLACES = list(entries(WRITTEN))
KEYS = [place for place in PLACES if isinstance(place[-1], str)]
NUMERIC = [place for place in PLACES if isinstance(at(WRITTEN, place), int | Decimal)]
FILLED = [place for place in ((), *PLACES) if isinstance(at(WRITTEN, place), dict)]


def dotted(place: Keys) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")


def test_the_sample_itself_can_run(trial: Trial) -> None:
    assert trial.outcome(SAMPLE.read_text()) is None
    assert trial.named(WRITTEN) is None
    assert len(KEYS) > 80


def test_what_is_left_out_is_missed_in_its_table_unless_there_is_a_default(trial: Trial) -> None:
    for place in PLACES:
        named = trial.named(changed(place, delete=True))
        assert named is None or keys_of(named)[0] == place[0], place


def test_a_misspelt_entry_is_named_with_the_right_spelling(trial: Trial) -> None:
    for place in KEYS:
        misspelt = f"{place[-1]}x"
        tables = changed(place, key=misspelt)
        assert trial.named(tables) == dotted((*place[:-1], misspelt))
        said = trial.outcome(Written(tables).text)
        assert said is not None and f"did you mean {place[-1]}?" in said


def test_an_unknown_entry_is_named_in_every_table(trial: Trial) -> None:
    for place in FILLED:
        entry = (*place, UNKNOWN)
        assert trial.named(changed(entry, 3)) == dotted(entry)


def test_an_entry_of_another_type_is_named(trial: Trial) -> None:
    for place in PLACES:
        right = at(WRITTEN, place)
        for wrong in OTHER_TYPES:
            numbers = isinstance(wrong, int | Decimal) and not isinstance(wrong, bool)
            if type(wrong) is type(right) or (numbers and isinstance(right, int | Decimal)):
                continue
            named = trial.named(changed(place, wrong))
            assert named is not None and named.startswith(dotted(place)), (place, wrong)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number!s:.12}")
def test_no_number_passes_with_which_a_task_cannot_run(number: int | Decimal, trial: Trial) -> None:
    for place in NUMERIC:
        trial.named(changed(place, number))


def test_a_number_that_is_too_long_to_be_read_is_named_by_its_line(trial: Trial) -> None:
    for place in NUMERIC:
        file = Written(changed(place, TOO_LONG))
        said = trial.outcome(file.text)
        assert said is not None and f"task.toml, line {file.line_of(place)}: a number of more than" in said


def test_no_text_passes_with_which_a_task_cannot_run(trial: Trial) -> None:
    for place in PLACES:
        if isinstance(at(WRITTEN, place), str):
            for text in TEXTS:
                trial.named(changed(place, text))
