"""``hearth tasks``, ``invite``, ``join``, ``household backup`` and ``restore`` as people run them."""

from __future__ import annotations

import io
import json
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from protocol.canonical import encode
from protocol.domain import parse_domain
from protocol.identifiers import sha256, to_hex
from protocol.invitation import parse_invitation
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.round.planning import terms_of
from scripts.cli import main
from storage.content.open_store import open_store
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.keystore import write_keystore
from storage.ledger.signer import Signer
from tests.ports.chains import running_chain
from tests.samples import private_key, sample_spec

MANUFACTURER = Signer(private_key("manufacturer"))
AUTHORITIES = [to_hex(Signer(private_key("authority", number)).address) for number in (1, 2, 3)]
EDGE = "http://127.0.0.1:9"


class Commands:
    """``ledger`` has one task, number 1, whose spec is in ``store``; the household in ``home`` may take it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.folder, self.home, self.store = folder, folder / "home", folder / "store"
        self._capsys, self._patch = capsys, patch
        chain = running_chain("memory")
        address = chain.deploy()
        chain.fund(address, MANUFACTURER.address)
        manufacturer, content = chain.ledger(address, MANUFACTURER), open_store(str(self.store))
        self.store.mkdir()
        spec = sample_spec(title="warm rooms")
        spec = replace(spec, durations=replace(spec.durations, claim_seconds=86_400))
        model = Layout.of(spec.model).to_safetensors(initial_parameters(spec.model))
        self.spec = replace(spec, initial_model=content.put(model).digest)
        content.put(encode(self.spec))
        manufacturer.post_task(terms_of(self.spec), self.spec.budget())
        self.url, self.ledger = chain.rpc_url, str(manufacturer.domain)
        self.link = f"hearth:{self.ledger}/1/{to_hex(sha256(encode(self.spec)))}?edge={EDGE}"
        self.home.mkdir()
        write_keystore(self.home / "keystore.json", private_key("client"), "secret")
        (folder / "password").write_text("secret")
        (folder / "passphrase").write_text("correct horse battery\n")
        (folder / "data").write_bytes(b"not read here")
        (self.home / "policy.toml").write_text(
            "[privacy]\ntask_epsilon = 20\ntotal_epsilon = 40\n[cohort]\nmin_clients = 2\nmax_share = 0.9\n"
            f"[trust]\nmin_confirmations = 0\nauthorities = {json.dumps(AUTHORITIES)}\n"
            f"[[trust.chains]]\nchain_id = {manufacturer.domain.chain_id}\n[money]\nmin_claim_seconds = 20_000\n"
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, and what was printed and told."""
        self._patch.setattr(sys, "argv", ["hearth", *arguments])
        self._patch.setattr(sys, "stdin", io.StringIO(""))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        told = "\n".join(line for line in printed.err.splitlines() if "machine's clock" not in line)
        return int(ended.value.code or 0), printed.out, told

    def transactions(self) -> object:
        """The chain's last block: each transaction makes one."""
        provider = EthereumReader(self.url, parse_domain(self.ledger).ledger).provider
        return provider.make_request("eth_blockNumber", [])["result"]

    @property
    def where(self) -> list[str]:
        return ["--rpc-url", self.url, "--store", str(self.store)]

    @property
    def own(self) -> list[str]:
        given = {"household": self.home, "password-file": self.folder / "password", "data": self.folder / "data"}
        return [word for name, value in given.items() for word in (f"--{name}", str(value))]


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("COLUMNS", "40")
    return Commands(tmp_path, capsys, monkeypatch)


def test_an_invitation_is_printed_and_drawn_once_it_was_checked(commands: Commands) -> None:
    asked = ["invite", *commands.where, "--ledger", commands.ledger, "--task", "1", "--edge", EDGE + "/"]
    for name in ("code.svg", "code.png"):
        written = ["--qr", str(commands.folder / name), "--json", str(commands.folder / "json")]
        code, printed, _ = commands.run(*asked, *written)
        assert (code, printed.splitlines()[-1]) == (0, commands.link)
    assert b"<svg" in (commands.folder / "code.svg").read_bytes()[:300]
    assert (commands.folder / "code.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((commands.folder / "json").read_bytes())
    assert str(parse_invitation(facts["invitation"])) == commands.link and facts["title"] == "warm rooms"
    assert commands.run(*asked, "--qr", "code.gif")[0] == 2
    assert commands.run(*asked[:-1], "https://user:secret@edge.example")[0] == 2


def test_tasks_for_this_household_on_a_narrow_terminal(commands: Commands) -> None:
    """Chain and content are read, and no edge server: nobody listens at EDGE."""
    asked = ["tasks", *commands.where, "--ledger", commands.ledger, "--household", str(commands.home)]
    code, printed, _ = commands.run(*asked, "--json", str(commands.folder / "json"))
    (offer,) = json.loads((commands.folder / "json").read_bytes())
    assert (code, offer["qualifies"], offer["task"], offer["title"]) == (0, True, 1, "warm rooms"), offer
    assert "warm rooms" in printed and f"{offer['reward']:,} wei" in printed and "epsilon" in offer["privacy"]
    assert "the ledger has no URL of its edge server" in printed and offer["invitation"] is None
    assert commands.run(*asked, "--edge", f"{EDGE}/")[1].splitlines()[-1] == f"task 1: hearth join {commands.link}"
    (known := commands.home / "tasks" / "1").mkdir(parents=True)
    (known / "invitation").write_text(f"{commands.link}\n")
    assert commands.run(*asked)[1].splitlines()[-1] == f"task 1: hearth join {commands.link}", "of its server before"
    (commands.home / "policy.toml").unlink()
    code, printed, _ = commands.run(*asked)
    assert (code, printed.splitlines()[0]) == (0, "no open task is for this household") and "--all" in printed
    code, printed, _ = commands.run(*asked, "--all")
    assert code == 0 and "task 1 is not for this household (policy)" in printed


def test_looking_for_tasks_asks_the_chain_alone_and_sends_nothing(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, connect = set[object](), socket.socket.connect

    def recorded(own: socket.socket, address: Any) -> None:
        reached.add(f"http://{address[0]}:{address[1]}")
        connect(own, address)

    before = commands.transactions()
    monkeypatch.setattr(socket.socket, "connect", recorded)
    asked = ["tasks", *commands.where, "--ledger", commands.ledger, "--household", str(commands.home), "--edge", EDGE]
    assert commands.run(*asked)[0] == 0
    assert (reached, commands.transactions()) == ({commands.url}, before)


@pytest.mark.parametrize("words", [["join"], ["agent", "join"]])
def test_a_link_fills_in_ledger_task_and_servers(commands: Commands, words: list[str]) -> None:
    with mock.patch("client_agent.main.run_agent", return_value=True) as run:
        code, printed, told = commands.run(*words, commands.link, *commands.where, *commands.own)
    assert (code, "warm rooms" in printed) == (0, True), told
    settings = run.call_args.args[0]
    assert (str(settings.domain), settings.task, settings.edge_urls) == (commands.ledger, 1, (EDGE,))
    assert (settings.household, settings.folder.parent) == (commands.home, commands.home / "tasks")
    assert (settings.folder / "invitation").read_text() == commands.link + "\n"


def test_a_link_that_lies_shows_and_leaves_nothing(commands: Commands) -> None:
    lie = f"hearth:{commands.ledger}/1/0x{'00' * 32}?edge={EDGE}"
    with mock.patch("client_agent.main.run_agent") as run:
        code, printed, told = commands.run("join", lie, *commands.where, *commands.own)
        assert commands.run("join", lie.replace("hearth:", "http:"), *commands.where, *commands.own)[0] == 2
    assert (code, printed, run.called) == (1, "", False)
    assert told.startswith("hearth: E_VERIFICATION (fault: manufacturer): the invitation names spec 0x0000")
    assert not (commands.home / "tasks").exists()


def test_hearth_agent_takes_its_options_as_before(commands: Commands) -> None:
    with mock.patch("client_agent.main.run_agent", return_value=True) as run:
        code, _, told = commands.run(
            "agent", *commands.where, *commands.own, "--ledger", commands.ledger, "--task", "1", "--edge", EDGE,
            "--folder", str(commands.folder / "phone"), "--keystore", str(commands.home / "keystore.json"),
        )  # fmt: skip
    assert (code, run.call_args.args[0].folder) == (0, commands.folder / "phone"), told


def test_a_household_is_backed_up_and_put_back(commands: Commands) -> None:
    file, again = commands.folder / "backup", commands.folder / "again"
    secret = ["--passphrase-file", str(commands.folder / "passphrase")]
    code, printed, told = commands.run("household", "backup", str(file), "--household", str(commands.home), *secret)
    assert (code, "2 files" in printed) == (0, True), told
    asked = ["household", "restore", str(file), *commands.where, "--ledger", commands.ledger, "--household"]
    code, printed, told = commands.run(*asked, str(again), *secret)
    assert (code, printed.splitlines()[0]) == (0, f"{again}: restored"), told
    assert (again / "keystore.json").read_bytes() == (commands.home / "keystore.json").read_bytes()
    code, _, told = commands.run(*asked, str(again), *secret)
    assert (code, told.partition(" (")[0]) == (1, "hearth: E_BACKUP")
    (commands.folder / "passphrase").write_text("another passphrase")
    code, _, told = commands.run(*asked, str(commands.folder / "third"), *secret)
    assert (code, "another passphrase" in told, (commands.folder / "third").exists()) == (1, True, False)
