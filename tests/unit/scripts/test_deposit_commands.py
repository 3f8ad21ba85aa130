"""``hearth bond``, ``hearth stake`` and ``hearth withdraw`` as somebody runs them: money, or one line why not."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.identifiers import Address, to_hex
from scripts.cli import main
from storage.ledger.keystore import write_keystore
from storage.ledger.signer import Signer
from tests.ports.chain_token import ChainToken, sent_by
from tests.ports.chains import running_chain
from tests.ports.ledger_scene import Scene
from tests.samples import private_key

BOND, STAKE = 700, 90
AUTHORITY = Signer(private_key("authority", 1)).address


class Commands:
    """Run by somebody who is no party of the task, at a ledger of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.scene, self.folder = Scene(running_chain("memory")), folder
        self._capsys, self._monkeypatch = capsys, monkeypatch
        self.scene.terms = replace(self.scene.terms, edge_bond=3 * BOND, authority_bond=BOND, stake=STAKE)
        key = private_key("helper")
        write_keystore(folder / "keystore.json", key, "secret")
        (folder / "password").write_text("secret")
        self.helper = self.scene.chain.ledger(self.scene.address, Signer(key))
        self.scene.chain.fund(self.scene.address, self.helper.sender)

    def run(self, *arguments: str, account: bool = True) -> tuple[int, str]:
        """Exit code, and what was printed."""
        where = ["--rpc-url", self.scene.chain.rpc_url, "--ledger", str(self.scene.edge.domain), "--task", "1"]
        own = ["--keystore", f"{self.folder}/keystore.json", "--password-file", f"{self.folder}/password"]
        self._monkeypatch.setattr(sys, "argv", ["hearth", *arguments, *where, *(own if account else [])])
        self._monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    def refused(self, code: str, *arguments: str) -> None:
        before = sent_by(self.helper)
        status, printed = self.run(*arguments)
        assert status == 1
        (line,) = (line for line in printed.splitlines() if "machine's clock" not in line)
        assert line.startswith(f"hearth: {code} ")
        assert sent_by(self.helper) == before

    def held(self, holder: Address) -> int:
        return self.helper.bond(1, holder).amount


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    made = Commands(tmp_path, capsys, monkeypatch)
    yield made
    made.helper.close()
    made.scene.close()


def test_what_can_cost_a_bond_is_said_before_it_is_paid(commands: Commands) -> None:
    """Of an edge server more than of an authority: it has the rounds to end."""
    scene = commands.scene
    scene.post()
    alone = "A round that the server leaves alone costs it its role"
    for holder, told in ((scene.terms.edge_servers[0], True), (AUTHORITY, False)):
        status, printed = commands.run("bond", "place", "--holder", to_hex(holder))
        assert (status, alone in printed, "a proven breach costs all of it" in printed) == (1, told, True)
        assert commands.held(holder) == 0


def test_a_bond_is_shown_placed_and_returned(commands: Commands) -> None:
    scene, holder = commands.scene, ("--holder", to_hex(AUTHORITY))
    scene.post()
    shown = commands.folder / "shown.json"
    assert commands.run("bond", "show", *holder, "--json", str(shown), account=False)[0] == 0
    expected = {"role": "key authority", "token": "coin", "asked": BOND, "placed": False, "held": 0}
    assert json.loads(shown.read_text()) == {**expected, "task": 1, "holder": to_hex(AUTHORITY)}
    status, printed = commands.run("bond", "place", *holder, "--yes")
    assert (status, commands.held(AUTHORITY)) == (0, BOND)
    assert f"a bond of {BOND} wei" in printed
    commands.refused("E_PLACED", "bond", "place", *holder, "--yes")
    commands.refused("E_TOO_EARLY", "bond", "return", *holder)
    scene.chain.pass_time(scene.terms.task_seconds + 1)
    before = commands.helper.balance(AUTHORITY)
    assert commands.run("bond", "return", *holder)[0] == 0
    assert commands.helper.balance(AUTHORITY) - before == BOND
    commands.refused("E_NOTHING", "bond", "return", *holder)


def test_nothing_is_paid_without_a_word_or_for_nobody(commands: Commands) -> None:
    commands.refused("E_NOT_FOUND", "bond", "place", "--holder", to_hex(AUTHORITY), "--yes")
    commands.scene.post()
    commands.refused("E_ROLE", "bond", "place", "--holder", to_hex(b"\x05" * 20), "--yes")
    status, printed = commands.run("bond", "place", "--holder", to_hex(commands.scene.edge.sender))
    assert (status, commands.held(commands.scene.edge.sender)) == (1, 0)
    assert f"{3 * BOND} wei" in printed


def test_a_bond_in_a_token_is_approved_first(commands: Commands) -> None:
    scene = commands.scene
    token = ChainToken(scene.chain, scene.address)
    scene.terms = replace(scene.terms, token=token.address)
    token.mint(scene.manufacturer.sender, scene.escrow)
    scene.manufacturer.approve(token.address, scene.escrow)
    scene.manufacturer.post_task(scene.terms, 0)
    holder = ("--holder", to_hex(AUTHORITY))
    commands.refused("E_FUNDS", "bond", "place", *holder, "--yes")
    token.mint(commands.helper.sender, BOND)
    status, printed = commands.run("bond", "place", *holder, "--yes")
    assert (status, commands.held(AUTHORITY)) == (0, BOND)
    assert to_hex(token.address) in printed
    assert commands.helper.allowance(token.address, commands.helper.sender) == 0
    token.close()


def test_what_a_token_did_not_move_is_withdrawn_later(commands: Commands) -> None:
    scene, holder = commands.scene, ("--holder", to_hex(AUTHORITY))
    token = ChainToken(scene.chain, scene.address)
    scene.terms = replace(scene.terms, token=token.address)
    token.mint(scene.manufacturer.sender, scene.escrow)
    scene.manufacturer.approve(token.address, scene.escrow)
    scene.manufacturer.post_task(scene.terms, 0)
    token.mint(commands.helper.sender, BOND)
    assert commands.run("bond", "place", *holder, "--yes")[0] == 0
    scene.chain.pass_time(scene.terms.task_seconds + 1)
    token.ban(AUTHORITY, True)
    commands.refused("E_NOTHING", "withdraw", *holder)
    assert commands.run("bond", "return", *holder)[0] == 0
    commands.refused("E_UNPAID", "withdraw", *holder)
    commands.refused("E_ROLE", "withdraw", *holder, "--to", to_hex(commands.helper.sender))
    token.ban(AUTHORITY, False)
    status, printed = commands.run("withdraw", *holder)
    assert (status, commands.helper.balance(AUTHORITY, token.address)) == (0, BOND)
    assert f"paid {BOND}" in printed
    token.close()


def test_anybody_returns_a_stake(commands: Commands) -> None:
    scene = commands.scene
    client = scene.clients[0]
    scene.post()
    scene.edge.enrol([scene.enrolment(client)], STAKE)
    whose = ("--client", to_hex(client.address))
    commands.refused("E_CLAIM_FIRST", "stake", "return", *whose)
    scene.chain.pass_time(scene.terms.task_seconds + 1)
    before = commands.helper.balance(client.address)
    status, printed = commands.run("stake", "return", *whose)
    assert (status, commands.helper.balance(client.address) - before) == (0, STAKE)
    assert f"returned {STAKE}" in printed
    commands.refused("E_NOTHING", "stake", "return", *whose)
