"""A task as its manufacturer writes it: a TOML file in natural units, turned into the one TaskSpec of fixed point."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from protocol.canonical import decode, encode
from protocol.errors import MalformedError, Party
from protocol.identifiers import NATIVE_COIN, Address, Digest, from_hex, to_hex
from protocol.messages.task import (
    MICRO,
    CohortTerms,
    Committee,
    DepositTerms,
    Durations,
    EncodingTerms,
    Layer,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    PrivacyTerms,
    QuantiserTerms,
    ReputationTerms,
    RewardTerms,
    ScheduleTerms,
    SparsityTerms,
    TaskSpec,
)
from protocol.model.specification import validate
from protocol.privacy.renyi import Renyi
from protocol.version import SPEC_VERSION

MAX_TASK_FILE_BYTES = 1024 * 1024
SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "samples" / "task.toml"  # in the wheel, too
_COIN = to_hex(NATIVE_COIN)
Identify = Callable[[str], Address]  # an authority's URL -> who it says it is


class TaskFile:
    """The parsed file; every missing, unknown or impossible entry is named in a MalformedError."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size > MAX_TASK_FILE_BYTES:
            raise MalformedError(f"{path}: larger than {MAX_TASK_FILE_BYTES} bytes", fault=Party.MANUFACTURER)
        try:
            self._tables = tomllib.loads(path.read_bytes().decode(), parse_float=Decimal)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MalformedError(f"{path}: {error}", fault=Party.MANUFACTURER) from error
        self.folder = path.parent

    def path(self, name: str) -> Path | None:
        """A file named in the table ``files``, relative to the task file."""
        entry = self._table("files").get(name)
        return None if entry is None else self.folder / str(entry)

    def model(self) -> ModelSpec:
        table = self._table("model")
        layers = []
        for layer in table["layers"]:
            arguments = {key: value for key, value in layer.items() if key != "kind"}
            layers.append(Layer(layer["kind"], arguments))
        model = ModelSpec(tuple(table["input_shape"]), table["classes"], tuple(layers))
        validate(model)
        return model

    def spec(self, initial_model: Digest, test_set: Digest, identify: Identify) -> TaskSpec:
        """The canonical spec; ``identify`` is asked for committee members given by URL alone."""
        try:
            spec = self._spec(initial_model, test_set, identify)
            return decode(TaskSpec, encode(spec))
        except KeyError as error:
            raise MalformedError(f"task file: {error} is missing", fault=Party.MANUFACTURER) from error
        except (TypeError, AttributeError, ArithmeticError, ValueError) as error:
            raise MalformedError(f"task file: {error}", fault=Party.MANUFACTURER) from error

    def _spec(self, initial_model: Digest, test_set: Digest, identify: Identify) -> TaskSpec:
        task, privacy, cohort = self._table("task"), self._table("privacy"), self._table("cohort")
        committee, rewards = self._table("committee"), self._table("rewards")
        max_cohort = cohort.get("max_cohort", cohort["max_clients"])
        return TaskSpec(
            version=SPEC_VERSION,
            title=task["title"],
            suite=task.get("suite", "FE64-A/1"),
            model=self.model(),
            initial_model=initial_model,
            test_set=test_set,
            rounds=task["rounds"],
            confirmations=task.get("confirmations", 0),
            edge_server=from_hex(str(task["edge_server"]).lower(), 20),
            committee=Committee(
                committee["threshold"],
                tuple(_member(member, identify) for member in committee["members"]),
                committee["corrupt"],
            ),
            learning=_learning(self._table("learning")),
            privacy=PrivacyTerms(
                _scaled(privacy["epsilon_budget"]), privacy["delta_exponent"], privacy.get("accountant", Renyi.name)
            ),
            cohort=CohortTerms(
                cohort["min_clients"],
                cohort["max_clients"],
                max_cohort,
                _scaled(cohort.get("max_share", Decimal("0.2"))),
                cohort.get("roster_rounds", 10),
                cohort.get("flap_changes", 4),
                cohort.get("flap_rounds", 10),
            ),
            reputation=_reputation(self._table("reputation")),
            rewards=RewardTerms(
                rewards["participation"],
                rewards["contribution"],
                _scaled(rewards["target_gain"]),
                rewards.get("edge_fee", 0),
                rewards.get("authority_fee", 0),
                from_hex(rewards.get("token", _COIN).lower(), 20),
            ),
            durations=Durations(**self._table("durations")),
            schedule=ScheduleTerms(**self._table("schedule")),
            edge_substitutes=tuple(from_hex(text.lower(), 20) for text in task.get("edge_substitutes", ())),
            deposits=DepositTerms(**{"edge_server": max_cohort * rewards["participation"], **self._table("deposits")}),
        )

    def _table(self, name: str) -> Mapping[str, Any]:
        table = self._tables.get(name, {})
        if not isinstance(table, dict):
            raise MalformedError(f"task file: [{name}] is not a table", fault=Party.MANUFACTURER)
        return table


def _reputation(table: Mapping[str, Any]) -> ReputationTerms:
    sources = tuple(from_hex(text.lower(), 20) for text in table.get("sources", ()))
    return ReputationTerms(**{**table, "sources": sources})


def _learning(tables: Mapping[str, Any]) -> LearningTerms:
    mechanism, optimiser, quantiser = tables["mechanism"], tables["optimiser"], tables["quantiser"]
    return LearningTerms(
        mechanism=MechanismTerms(
            local_steps=mechanism["local_steps"],
            sampling_rate_ppm=_scaled(mechanism["sampling_rate"]),
            clip_micro=_scaled(mechanism["clip"]),
            noise_multiplier_micro=_scaled(mechanism["noise_multiplier"]),
        ),
        optimiser=OptimiserTerms(_scaled(optimiser["learning_rate"]), optimiser["reference_count"]),
        sparsity=SparsityTerms(_scaled(tables.get("sparsity", {}).get("density", Decimal("0.25")))),
        quantiser=QuantiserTerms(_scaled(quantiser["bound"]), quantiser.get("bits", 16)),
        encoding=EncodingTerms(tables.get("encoding", {}).get("packing", 2)),
    )


def _member(entry: Mapping[str, str], identify: Identify) -> Address:
    if "url" in entry:
        return identify(entry["url"])
    return from_hex(entry["address"].lower(), 20)


def _scaled(value: Decimal | int) -> int:
    """Exact millionths; refuses what has no exact form."""
    scaled = Decimal(value) * MICRO
    if scaled != int(scaled):
        raise MalformedError(f"task file: {value} has more than six decimals", fault=Party.MANUFACTURER)
    return int(scaled)
