"""The manufacturer's TOML file becomes one exact TaskSpec, or one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import MalformedError
from scripts.commands.task_file import TaskFile
from scripts.demonstration.presets import DEMO_REPUTATION, DEMO_REWARDS
from scripts.demonstration.task import terms_for, write_task_file

MEMBERS = {f"http://127.0.0.1:{port}": bytes([port]) * 20 for port in (1, 2, 3)}


def _written(tmp_path: Path, dataset: str = "digits") -> Path:
    path = tmp_path / "task.toml"
    write_task_file(path, dataset, 10, 7, [b"\x0a" * 20], list(MEMBERS))
    return path


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_terms_survive_the_file_exactly(dataset: str, tmp_path: Path) -> None:
    model, learning, privacy = terms_for(dataset, 7)
    spec = TaskFile(_written(tmp_path, dataset)).spec(b"\1" * 32, b"\2" * 32, MEMBERS.__getitem__)
    assert (spec.model, spec.learning, spec.privacy) == (model, learning, privacy)
    assert (spec.rounds, spec.cohort.max_clients, spec.edge_server) == (7, 10, b"\x0a" * 20)
    assert spec.committee.members == tuple(MEMBERS.values())
    assert (spec.rewards, spec.reputation) == (DEMO_REWARDS, DEMO_REPUTATION)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rounds = 7", ""),
        ("rounds = 7", 'rounds = "seven"'),
        ("rounds = 7", "rounds = 0"),
        ("delta_exponent", "delta_exponents"),
        ("[reputation]", "[reputations]"),
        ("clip = ", "clip = 0.00000001 # "),
        ('kind = "linear"', 'kind = "lambda"'),
        ("[task]", "[task"),
        ("edge_server = ", "edge_server = 5 # "),
        ("participation = ", "participation = -"),
        ("contribution = ", "contribution = 0.5 # "),
        ("target_gain = ", "target_gain = 1.5 # "),
        ("target_gain = ", "target_gain = 0.0 # "),
        ("waiting_rounds = 2", "waiting_rounds = 3"),
        ("initial = 2", "initial = 6"),
        ("initial = 2", "initial = 2\nsurprise = 3"),
        ("members = [", "members = 3 # ["),
        ("members = [", 'members = ["http://127.0.0.1:1", '),
        ("layers = [", "layers = 3\nmore = ["),
        ("commit_seconds = ", "commit_seconds = 1.5 # "),
    ],
)
def test_a_bad_file_is_one_typed_error(old: str, new: str, tmp_path: Path) -> None:
    path = _written(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(MalformedError):
        TaskFile(path).spec(b"\1" * 32, b"\2" * 32, MEMBERS.__getitem__)


@pytest.mark.parametrize(("takeover_seconds", "accepted"), [(90, True), (91, False)])
def test_a_substitute_has_half_of_the_settle_phase(takeover_seconds: int, accepted: bool, tmp_path: Path) -> None:
    path, substitute = tmp_path / "task.toml", b"\x0b" * 20
    write_task_file(path, "digits", 10, 7, [b"\x0a" * 20, substitute], list(MEMBERS), phase_seconds=180)
    text = path.read_text().replace("takeover_seconds = 90", f"takeover_seconds = {takeover_seconds}")
    path.write_text(text)
    arguments = b"\1" * 32, b"\2" * 32, MEMBERS.__getitem__
    if accepted:
        assert TaskFile(path).spec(*arguments).edge_substitutes == (substitute,)
    else:
        with pytest.raises(MalformedError, match="takeover_seconds"):
            TaskFile(path).spec(*arguments)
    path.write_text(text.replace(f'"0x{substitute.hex()}"', ""))
    assert TaskFile(path).spec(*arguments).edge_substitutes == (), "without substitutes it means nothing"


def test_every_client_is_planned_and_a_cohort_is_covered_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    path = _written(tmp_path)
    arguments = b"\1" * 32, b"\2" * 32, MEMBERS.__getitem__
    path.write_text(path.read_text().replace("max_cohort = 10\n", ""))
    spec = TaskFile(path).spec(*arguments)
    assert (spec.cohort.max_cohort, spec.cohort.draws) == (spec.cohort.max_clients, False)
    bond = f"edge_server = {spec.deposits.edge_server}"
    text = path.read_text().replace("max_clients = 10", "max_clients = 10\nmax_cohort = 6")
    path.write_text(text.replace(bond, "# no line"))
    drawn = TaskFile(path).spec(*arguments)
    assert (drawn.cohort.max_cohort, drawn.cohort.draws) == (6, True)
    assert drawn.deposits.edge_server == 6 * drawn.rewards.participation
    path.write_text(text.replace(bond, f"edge_server = {6 * drawn.rewards.participation - 1}"))
    with pytest.raises(MalformedError, match=r"deposits\.edge_server"):
        TaskFile(path).spec(*arguments)


def test_fees_are_part_of_the_escrow(tmp_path: Path) -> None:
    path = _written(tmp_path)
    arguments = b"\1" * 32, b"\2" * 32, MEMBERS.__getitem__
    spec = TaskFile(path).spec(*arguments)
    rewards = spec.rewards
    assert rewards.edge_fee > 0 and rewards.authority_fee > 0
    fees = rewards.edge_fee + len(MEMBERS) * rewards.authority_fee
    assert spec.budget() == spec.rounds * (spec.cohort.max_cohort * rewards.update_reward + fees)
    path.write_text(path.read_text().replace("_fee = ", "_fee = 0 # "))
    assert TaskFile(path).spec(*arguments).budget() == spec.budget() - spec.rounds * fees


def test_size_is_checked_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(MalformedError, match="larger"):
        TaskFile(path)
