"""One privacy ledger for a household: tasks add up, nothing resets it, and no charge is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client_agent.binding import TaskBinding
from client_agent.data.fingerprints import Fingerprints, fingerprints_of
from client_agent.privacy.ledger import HOME, DataSetError, DataUse, PrivacyLedger
from client_agent.settings import AgentSettings
from protocol.errors import MalformedError
from protocol.messages.charge import Charge
from protocol.messages.learning import MICRO, BayesianTerms
from protocol.privacy.spending import planned, spent
from protocol.task.owner_limits import PrivacyLimits
from scripts.cli import app
from scripts.commands.budget import lines_of
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.samples import DOMAIN, sample_policy, sample_spec
from tests.unit.client_agent.scene_phone import FatalRecords, KilledError, Phone, play_round
from tests.unit.client_agent.scene_server import ROUNDS, PlayedServer

LEARNING, PRIVACY = sample_spec().learning, sample_spec().privacy
MECHANISM = LEARNING.mechanism
BINDING = TaskBinding.of(DOMAIN, 1, b"\5" * 32)
USE = DataUse(HOME, BINDING, b"\6" * 32, MECHANISM)
LIMITS = sample_policy().privacy
NO_LIMITS = PrivacyLimits(2**40, 5, 2**40)
NO_NOISE = replace(MECHANISM, noise_multiplier_micro=0)


def charge_of(rounds: int) -> Charge:
    return spent({MECHANISM: rounds}, LEARNING, PRIVACY)


def in_memory() -> PrivacyLedger:
    records = MemoryRecords()
    return PrivacyLedger(lambda: records)


def on_disk(folder: Path) -> PrivacyLedger:
    return PrivacyLedger(lambda: Journal(folder / "privacy", wait=True))


def test_three_tasks_on_the_same_data_add_up() -> None:
    ledger = in_memory()
    for task, spec in ((1, b"\1" * 32), (1, b"\2" * 32), (2, b"\1" * 32)):
        for number in (1, 2):
            ledger.charge(replace(USE, task=TaskBinding.of(DOMAIN, task, spec)), number, LIMITS)
    spending = ledger.spending()
    assert spending.figure(HOME, 5) == charge_of(6).figure
    assert spending.figure(HOME, 5, replace(BINDING, spec=b"\1" * 32)) == charge_of(2).figure
    assert spending.figure("another", 5).epsilon_micro == 0


def test_mechanisms_add_up_too() -> None:
    ledger = in_memory()
    noisier = replace(MECHANISM, noise_multiplier_micro=2 * MECHANISM.noise_multiplier_micro)
    ledger.charge(USE, 1, LIMITS)
    ledger.charge(replace(USE, task=replace(BINDING, task=2), mechanism=noisier), 1, LIMITS)
    found = ledger.spending().figure(HOME, 5).epsilon_micro
    assert charge_of(1).epsilon_micro < found < charge_of(2).epsilon_micro


def test_a_round_is_charged_once_however_often_it_is_begun() -> None:
    ledger = in_memory()
    for _ in range(3):
        ledger.charge(USE, 1, LIMITS)
    assert ledger.spending().rounds(USE) == {1}


def test_whoever_enrols_again_is_charged_again() -> None:
    """The task's folder was deleted, or its chain copied: other keys, so another update."""
    ledger = in_memory()
    ledger.charge(USE, 1, LIMITS)
    ledger.charge(replace(USE, envelope=b"\7" * 32), 1, LIMITS)
    assert ledger.spending().rounds_of(HOME, BINDING) == 2


def test_a_mechanism_without_a_guarantee_is_recorded_as_such() -> None:
    ledger = in_memory()
    ledger.charge(replace(USE, mechanism=NO_NOISE), 1, LIMITS)
    ledger.charge(USE, 2, LIMITS)
    spending = ledger.spending()
    assert spending.without_guarantee(HOME) == 1
    assert spending.figure(HOME, 5) == charge_of(1).figure
    assert "it leaves out 1 round without a guarantee" in next(iter(lines_of(spending, LIMITS)))


def test_rounds_of_one_enrolment_may_differ_in_steps_and_pay_one_choice() -> None:
    """Steps are adapted from round to round; a rung is chosen once."""
    ledger, rungs = in_memory(), BayesianTerms(8 * MICRO, 5, 100_000, (2_000_000, 3_000_000), 1, 250_000)
    longer = replace(MECHANISM, local_steps=3)
    one = replace(USE, bayesian=rungs)
    ledger.charge(one, 1, LIMITS)
    ledger.charge(replace(one, mechanism=longer), 2, LIMITS)
    ledger.charge(replace(one, mechanism=longer), 1, LIMITS)  # begun again after its plan was read anew
    spending = ledger.spending()
    assert spending.rounds(one) == {1, 2} and spending.rounds_of(HOME, BINDING) == 2
    assert spending.mechanisms(HOME, BINDING) == {MECHANISM: 1, longer: 1}
    assert spending.figure(HOME, 5).epsilon_micro == charge_of(4).epsilon_micro + 250_000
    ledger.charge(replace(one, envelope=b"\7" * 32), 1, LIMITS)
    assert ledger.spending().figure(HOME, 5).epsilon_micro == charge_of(5).epsilon_micro + 2 * 250_000


def test_uses_of_an_example_are_counted_along_the_task() -> None:
    """A phone that was planned in rounds 1 and 5 alone may have used the same example in both."""
    correlated = replace(MECHANISM, kind="correlated", separation=4, band_micro=(-500_000,))
    ledger, use = in_memory(), replace(USE, mechanism=correlated)
    for number in (1, 5):
        ledger.charge(use, number, NO_LIMITS)
    spending = ledger.spending()
    assert spending.mechanisms(HOME, BINDING) == {correlated: 5}
    assert spending.figure(HOME, 5) == spent({correlated: 5}, LEARNING, PRIVACY).figure
    assert spending.figure(HOME, 5).epsilon_micro > spent({correlated: 4}, LEARNING, PRIVACY).epsilon_micro


def test_a_reproduction_is_counted_apart() -> None:
    ledger = in_memory()
    ledger.charge(replace(USE, mechanism=replace(MECHANISM, kind="features")), 1, LIMITS)
    assert (ledger.spending().without_guarantee(HOME), ledger.spending().figure(HOME, 5).epsilon_micro) == (1, 0)


def test_the_budget_is_shown_by_data_set_and_task() -> None:
    ledger = in_memory()
    assert list(lines_of(ledger.spending(), LIMITS)) == ["no data set was used yet"]
    ledger.charge(USE, 1, LIMITS)
    ledger.charge(replace(USE, task=replace(BINDING, task=2)), 1, LIMITS)
    total, first, second = lines_of(ledger.spending(), LIMITS)
    one, two = (charge_of(rounds).figure for rounds in (1, 2))
    assert total == f"home: {two}; of epsilon 40.000 that all tasks together may cost"
    assert first.startswith("  task 1 of ledger 0x") and first.endswith(f": 1 round, {one}")
    assert second.startswith("  task 2 of ledger 0x")


def test_the_command_reads_ledger_and_policy_of_a_household(tmp_path: Path) -> None:
    on_disk(tmp_path).charge(USE, 1, LIMITS)
    (tmp_path / "policy.toml").write_text("[privacy]\ntotal_epsilon = 9.0\ntotal_delta_exponent = 6\n")
    answer = CliRunner().invoke(app, ["budget", "--household", str(tmp_path)])
    figure = spent({MECHANISM: 1}, LEARNING, replace(PRIVACY, delta_exponent=6)).figure
    assert answer.output.startswith(f"home: {figure}; of epsilon 9.000 that all tasks together may cost\n")
    empty = CliRunner().invoke(app, ["budget", "--household", str(tmp_path / "none")])
    assert (empty.exit_code, empty.output) == (0, "no data set was used yet\n")
    assert not (tmp_path / "none").exists()


def test_two_phones_at_once_lose_no_charge(tmp_path: Path) -> None:
    def charge(phone: int) -> None:
        ledger = on_disk(tmp_path)
        for number in range(1, 21):
            ledger.charge(replace(USE, envelope=bytes([phone]) * 32), number, NO_LIMITS)

    with ThreadPoolExecutor(3) as phones:
        list(phones.map(charge, range(3)))
    assert on_disk(tmp_path).spending().rounds_of(HOME, BINDING) == 60


def _known(path: Path) -> Fingerprints:
    return fingerprints_of(path, path.read_bytes())


def test_a_file_belongs_to_one_data_set(tmp_path: Path) -> None:
    kitchen, copy = tmp_path / "kitchen", tmp_path / "copy"
    kitchen.write_bytes(b"examples")
    copy.write_bytes(b"examples")
    ledger = on_disk(tmp_path)
    assert ledger.assign(_known(kitchen), "kitchen") == "kitchen"
    assert ledger.assign(_known(kitchen), None) == "kitchen"
    for path in (kitchen, copy):
        with pytest.raises(DataSetError, match="'kitchen', and not to 'fresh'"):
            ledger.assign(_known(path), "fresh")
    kitchen.write_bytes(b"examples and one more")
    with pytest.raises(DataSetError):
        ledger.assign(_known(kitchen), "fresh")
    assert ledger.assign(_known(copy), None) == "kitchen"
    other = tmp_path / "other"
    other.write_bytes(b"other examples")
    assert ledger.assign(_known(other), None) == HOME


def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"examples")
    link.symlink_to(path)
    assert _known(link) == _known(path)


def killed_everywhere(step: Callable[[], object]) -> None:
    """Until it gets through."""
    for _ in range(20):
        try:
            step()
        except KilledError:
            continue
        return
    raise AssertionError("it never gets through")


def test_a_kill_around_the_charge_doubles_nothing() -> None:
    records = FatalRecords()
    ledger = PrivacyLedger(lambda: records)
    killed_everywhere(lambda: ledger.charge(USE, 1, LIMITS))
    killed_everywhere(lambda: ledger.assign((b"\1" * 32, b"\2" * 32), "kitchen"))
    assert ledger.spending().rounds(USE) == {1}


def test_deleting_a_folder_resets_nothing(tmp_path: Path) -> None:
    """The second household's phone has a folder of its own, and the same privacy ledger."""
    records = MemoryRecords()
    for _ in range(2):
        phone = Phone(PlayedServer(), tmp_path, ledger=records)
        phone.steps(60)
        for _ in range(ROUNDS):
            play_round(phone)
    spending, spec = phone.privacy.spending(), phone.server.spec
    charged = 2 * ROUNDS
    assert spending.figure(HOME, 5) == spent(planned(spec, charged), spec.learning, spec.privacy).figure


def test_nothing_is_trained_before_it_is_charged(tmp_path: Path) -> None:
    phone = Phone(PlayedServer(), tmp_path)
    phone.steps(60)
    seen = []
    trainer = phone.agent._trainer.train

    def train(*arguments: object) -> object:
        seen.append(phone.charged())
        return trainer(*arguments)  # type: ignore[arg-type]

    phone.agent._trainer.train = train  # type: ignore[method-assign, assignment]
    phone.server.open()
    phone.steps(10)
    assert seen == [{1}]


@pytest.mark.parametrize("household", [".", "household", "../task/household"])
def test_a_household_inside_the_folder_of_a_task_is_refused(household: str, tmp_path: Path) -> None:
    """Whoever deletes that folder would take all charges with it."""
    folder = tmp_path / "task"
    settings = AgentSettings(folder, tmp_path, Path("data"), (), "http://127.0.0.1:9", DOMAIN, "store", 1)
    with pytest.raises(MalformedError, match="inside the folder of one task"):
        replace(settings, household=folder / household)
