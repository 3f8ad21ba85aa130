"""A task as its manufacturer writes it: a TOML file in natural units, turned into the one TaskSpec of fixed point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from protocol.canonical import decode, encode
from protocol.errors import HearthError, MalformedError, Party, SpecError
from protocol.identifiers import Address, Digest
from protocol.messages.learning import ModelSpec
from protocol.messages.task import (
    Committee,
    TaskSpec,
)
from protocol.model.dataset import MAX_DATASET_BYTES, decode_examples, labelled_for
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.model.specification import validate
from protocol.strict_toml import TomlFile
from protocol.task.file_tables import Member, Tables, defaults_of
from protocol.task.runnable import check_runnable
from protocol.toml_lines import Place
from protocol.version import SPEC_VERSION
from scripts.commands.outcome import reason
from storage.bounded_file import read_bounded
from storage.web_url import no_url

MAX_TASK_FILE_BYTES = 1024 * 1024
SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "samples" / "task.toml"  # in the wheel, too
Identify = Callable[[str], Address]  # an authority's URL -> who it says it is

T = TypeVar("T")


class TaskFile:
    """The parsed file. Every error of it is one MalformedError that names line, entry and reason."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        data = _read(path, MAX_TASK_FILE_BYTES)
        self._toml = TomlFile(data, str(path), max_bytes=MAX_TASK_FILE_BYTES, fault=Party.MANUFACTURER)
        if not self._toml.tables:
            raise MalformedError(
                f"{path}: nothing is in it; `hearth task init` writes a file to start from", fault=Party.MANUFACTURER
            )
        self._tables = self._toml.read(Tables, defaults_of(self._toml.tables))
        try:
            validate(self._tables.model)
        except SpecError as error:
            raise self._toml.refused(error) from error

    @property
    def model(self) -> ModelSpec:
        return self._tables.model

    def initial_model(self) -> bytes:
        """The parameters to start from, of the file or drawn, in their encoding."""
        layout = Layout.of(self.model)
        if self._tables.files.initial_model is None:
            return layout.to_safetensors(initial_parameters(self.model))
        data, _ = self._content("initial_model", layout.max_bytes, layout.from_safetensors)
        return data

    def test_set(self) -> tuple[bytes, int]:
        """The file, and of how many examples, each of which fits the model."""
        data, (_, labels) = self._content(
            "test_set", MAX_DATASET_BYTES, lambda data: labelled_for(self.model, decode_examples(data))
        )
        return data, len(labels)

    def spec(self, initial_model: Digest, test_set: Digest, identify: Identify) -> TaskSpec:
        """The canonical spec of a task that can run; ``identify`` is asked for committee members given by URL alone.

        Raises whatever ``identify`` raises, too.
        """
        given, table, committee = self._tables, self._tables.task, self._tables.committee
        deposits = given.deposits
        if "edge_server" not in self._toml.tables.get("deposits", {}):
            deposits = replace(deposits, edge_server=given.cohort.max_cohort * given.rewards.participation)
        members = tuple(self._address(number, member, identify) for number, member in enumerate(committee.members))
        try:
            spec = TaskSpec(
                version=SPEC_VERSION,
                title=table.title,
                suite=table.suite,
                model=given.model,
                initial_model=initial_model,
                test_set=test_set,
                rounds=table.rounds,
                confirmations=table.confirmations,
                edge_server=table.edge_server,
                committee=Committee(committee.threshold, members, committee.corrupt),
                learning=given.learning,
                privacy=given.privacy,
                cohort=given.cohort,
                reputation=given.reputation,
                rewards=given.rewards,
                durations=given.durations,
                schedule=given.schedule,
                edge_substitutes=table.edge_substitutes,
                deposits=deposits,
                control=given.control,
                vouchers=given.vouchers,
                screening=given.screening,
            )
            check_runnable(spec)
        except SpecError as error:
            raise self.refused(error) from error
        return decode(TaskSpec, encode(spec))

    def refused(self, error: SpecError) -> MalformedError:
        """The same error with its line in this file."""
        return self._toml.refused(error)

    def _address(self, number: int, member: Member, identify: Identify) -> Address:
        place: Place = ("committee", "members", number)
        if (member.url is None) == (member.address is None):
            raise self._toml.wrong(place, "has a url or an address, one of the two")
        if member.url is None:
            assert member.address is not None  # one of the two
            return member.address
        if why := no_url(member.url):
            raise self._toml.wrong((*place, "url"), why)
        try:
            return identify(member.url)
        except HearthError as error:
            said = self._toml.wrong((*place, "url"), str(error.args[0])).args[0]
            raise HearthError(said, fault=error.fault, code=error.code) from error

    def _content(self, name: str, max_bytes: int, read: Callable[[bytes], T]) -> tuple[bytes, T]:
        path = self.folder / str(getattr(self._tables.files, name))
        try:
            data = _read(path, max_bytes)
            return data, read(data)
        except MalformedError as error:
            said = str(error.args[0])
            raise self._toml.wrong(("files", name), said if str(path) in said else f"{path}: {said}") from error


def _read(path: Path, max_bytes: int) -> bytes:
    """Raises MalformedError."""
    try:
        return read_bounded(path, max_bytes)
    except OSError as error:
        raise MalformedError(f"{path}: {reason(error)}", fault=Party.MANUFACTURER) from error
    except MalformedError as error:
        raise MalformedError(str(error.args[0]), fault=Party.MANUFACTURER) from error
