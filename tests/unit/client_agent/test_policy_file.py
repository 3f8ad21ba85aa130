"""The owner's policy file: strict, with defaults that the command writes with every line explained."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from client_agent.main import run_agent
from client_agent.policy import Policy, parse_policy
from client_agent.settings import AgentSettings
from protocol.errors import MalformedError, Party
from protocol.identifiers import to_hex
from protocol.task.owner_limits import AcceptedChain, PrivacyLimits, TokenStake, TrustLimits
from scripts.cli import app
from scripts.commands.policy import SAMPLES
from storage.ledger.gas_limits import GasLimits
from storage.ledger.signer import Signer
from storage.policy_file import read_policy_file
from tests.samples import DOMAIN, private_key

TOKEN = b"\x77" * 20


def test_the_sample_is_the_defaults() -> None:
    assert parse_policy((SAMPLES / "policy.toml").read_bytes()) == parse_policy(b"") == Policy()
    written = {
        line.split("=")[0].strip() for line in (SAMPLES / "policy.toml").read_text().splitlines() if " = " in line
    }
    for table in fields(Policy):
        assert {line.name for line in fields(getattr(Policy(), table.name))} <= written


def test_a_whole_file() -> None:
    text = f"""
        [privacy]
        task_epsilon = 1.5
        [trust]
        chains = [{{ chain_id = 10, ledgers = ["0x{"AB" * 20}"] }}, {{ chain_id = 11 }}]
        authorities = ["0x{"01" * 20}"]
        [money]
        tokens = [{{ token = "{to_hex(TOKEN)}", max_stake = 5 }}]
    """
    policy = parse_policy(text.encode())
    assert policy.privacy == PrivacyLimits(task_epsilon=1_500_000)
    assert policy.trust == TrustLimits(3, (AcceptedChain(10, (b"\xab" * 20,)), AcceptedChain(11)), (b"\1" * 20,))
    assert policy.money.tokens == (TokenStake(TOKEN, 5),)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[privacy]\ntask_epsilom = 1.0", "privacy.task_epsilom"),
        ("[private]\n", "private"),
        ("task_epsilon = 1.0", "task_epsilon"),
        ("privacy = 3", "privacy"),
        ('[privacy]\ntask_epsilon = "8"', "privacy.task_epsilon"),
        ("[privacy]\ntask_epsilon = true", "privacy.task_epsilon"),
        ("[privacy]\ntask_epsilon = -1.0", "privacy.task_epsilon"),
        ("[privacy]\ntask_epsilon = inf", "privacy.task_epsilon"),
        ("[privacy]\ntask_epsilon = nan", "privacy.task_epsilon"),
        ("[privacy]\ntask_epsilon = 1e999999", "privacy.task_epsilon"),
        ("[privacy]\ntask_epsilon = 0.0000001", "privacy.task_epsilon"),
        ("[privacy]\ntask_delta_exponent = 5.0", "privacy.task_delta_exponent"),
        ("[privacy]\ntask_delta_exponent = 2", "privacy.task_delta_exponent"),
        ("[privacy]\nwithout_guarantee = 1", "privacy.without_guarantee"),
        ("[cohort]\nmin_clients = 1", "cohort.min_clients"),
        ("[cohort]\nmax_share = 1.1", "cohort.max_share"),
        ("[trust]\nchains = [1]", "trust.chains[0]"),
        ("[trust]\nchains = [{ ledgers = [] }]", "trust.chains[0].chain_id"),
        ('[trust]\nauthorities = ["0x12"]', "trust.authorities[0]"),
        ("[trust]\nauthorities = 7", "trust.authorities"),
        ("[work]\nseconds = 0", "work.seconds"),
        ("[money]\nmax_stake = -1", "money.max_stake"),
        ("[privacy", "policy"),
        ("[privacy]\ntask_epsilon = 1.0\ntask_epsilon = 2.0", "policy"),
        ("x = " + "[" * 20_000, "policy"),
        ("#" * 70_000, "larger than"),
    ],
)
def test_what_cannot_stand_is_one_error_that_names_it(text: str, named: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_policy(text.encode())
    assert named in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.fault is Party.OURS


def test_a_phone_reads_its_own_file_or_takes_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    assert parse_policy(read_policy_file(path)) == Policy()
    path.write_text("[cohort]\nmin_clients = 9\n")
    assert parse_policy(read_policy_file(path)).cohort.min_clients == 9
    path.unlink()
    path.mkdir()
    with pytest.raises(MalformedError):
        parse_policy(read_policy_file(path))


def test_the_command_writes_the_defaults_and_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    assert CliRunner().invoke(app, ["policy", "init", str(file)]).exit_code == 0
    assert parse_policy(read_policy_file(file)) == Policy()
    assert CliRunner().invoke(app, ["policy", "init", str(file)]).exit_code == 2


@pytest.mark.parametrize("leave", [False, True])
def test_the_limits_of_a_phones_transactions_are_those_of_its_file(leave: bool, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[gas]\nmax_units = 30000\n")
    settings = AgentSettings(
        tmp_path / "task", tmp_path, tmp_path / "data", (), "http://127.0.0.1:9", DOMAIN, "store", 1
    )
    with mock.patch("client_agent.main.EthereumLedger", side_effect=KeyboardInterrupt) as ledger:
        with pytest.raises(KeyboardInterrupt):
            run_agent(
                settings, Signer(private_key("client")), seed=None, leave=leave, report=None, tell=print, agree=bool
            )  # fmt: skip
    assert ledger.call_args.args[1] == DOMAIN
    assert ledger.call_args.kwargs["limits"] == GasLimits(max_units=30_000)
