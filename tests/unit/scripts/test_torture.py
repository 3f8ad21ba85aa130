"""Whatever is said to a command, and wherever its words go, it ends as docs/command-line.md says it may.

A new command is covered by itself: everything here is made from the tree of commands.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from backend.vouchers import issuer
from protocol.identifiers import to_hex
from protocol.messages.vouchers import VoucherTerms
from protocol.vouchers.signing import VoucherKey
from scripts.commands.outcome import Outcome
from scripts.doctor import machine
from storage.ledger import keystore
from storage.patience import DEFAULT_PATIENCE
from tests.samples import DOMAIN, private_key
from tests.unit.scripts import torture
from tests.unit.scripts.torture import Command, Full, commands, complaint, groups, run, spoken
from tests.unit.storage.ledger.node import node, result
from tests.voucher_keys import KEYS, modulus_of

COMMANDS: Final = list(commands())
# What starts something that does not end soon. Its last words here end it after all of its arguments were read.
STARTING: Final = {
    "serve edge": ["--ready-file=absent/file"],
    "serve authority": ["--ready-file=absent/file"],
    "serve chain": ["--ready-file=absent/file"],
    "demo": ["--dataset=none"],
    "testnet up": ["--chain=none"],
    "cluster scheduler": ["--ready-file=absent/file"],
    "cluster worker": ["--ready-file=absent/file"],
    "bench aggregation": ["--workers=0"],
    "testnet ended": ["--patience-seconds=none"],
    "bench encryption": ["--json=absent/file"],
    "bench gas": ["--clients=0"],
    "bench intake": ["--json=absent/file"],
    "bench phone": ["--json=absent/file"],
    "bench screening": ["--dimensions=0"],
    "simulate crowd": ["--json=absent/file"],
    "simulate faults": ["--json=absent/file"],
    "evaluate": ["--profile=none"],
    "household collect": ["--ready-file=absent/file"],
    "household serve": ["--ready-file=absent/file"],
    "household simulate": ["--convention=none"],
}
# Without a parameter of its own there is nothing to torture it with, and it would compile for a minute.
UNTOUCHED: Final = {"prepare"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A node of the right chain with nothing on it."""
    refused = {"code": -32000, "message": "\x1b[31mno\nsuch state\x07"}

    def answer(question: dict[str, Any]) -> bytes:
        if question["method"] == "eth_chainId":
            return result(hex(DOMAIN.chain_id))(question)
        return json.dumps({"jsonrpc": "2.0", "id": question["id"], "error": refused}).encode()

    with node(answer) as url:
        yield url


@pytest.fixture(autouse=True, scope="module")
def _impatient() -> Iterator[None]:
    """A node that is not there is asked as often as ever, but at once; what is installed is looked up once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "_version", cache(machine._version))
        sleep = DEFAULT_PATIENCE.sleep
        object.__setattr__(DEFAULT_PATIENCE, "sleep", lambda _: None)
        yield
        object.__setattr__(DEFAULT_PATIENCE, "sleep", sleep)


@pytest.fixture
def usual(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What somebody with an account and a folder says; nothing that was there is changed by a refusal."""
    monkeypatch.chdir(tmp_path)
    torture.hostile_files(tmp_path)
    (tmp_path / "password").write_text("secret\n")
    monkeypatch.setattr(keystore, "SCRYPT_N", 2)  # a password that costs no time
    monkeypatch.setattr(issuer, "new_key", lambda: KEYS[0])  # nor do a voucher key and its proof
    monkeypatch.setattr(VoucherKey, "terms", _proved)
    keystore.write_keystore(tmp_path / "keystore", private_key("torture"), "secret")
    for name in [name for name in os.environ if name.startswith("HEARTH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    address = to_hex(DOMAIN.ledger)
    return {
        "rpc_url": endpoint, "ledger": str(DOMAIN), "chain_id": str(DOMAIN.chain_id), "store": "folder",
        "keystore": "keystore", "password_file": "password", "folder": "folder", "data": "empty", "task": "1",
        "edge": "http://127.0.0.1:9", "authority": "http://127.0.0.1:9", "holder": address, "client": address,
        "out": "model", "task_file": "text", "proof_file": "text", "file": "new", "what": "bdp",
        "link": f"hearth:{DOMAIN}/1/0x{'00' * 32}?edge=http://127.0.0.1:9",
        "broker": "mqtt://127.0.0.1:9", "plug": "1", "scheduler_address": "tls://127.0.0.1:9",
        "part": "edge-1", "kind": "Lamp", "purpose": "next-hour", "roles": "edge",
        "chain": "l1", "source": "folder", "target": "copied", "account": address, "keys": "folder", "key_file": "text",
        "count": "1", "output": "new",
    }  # fmt: skip


@cache
def _proved(_: VoucherKey) -> VoucherTerms:
    return VoucherTerms(modulus_of(KEYS[0]), (bytes(256),) * 9)


def _said(command: Command, usual: dict[str, str], **other: list[str]) -> list[str]:
    parts = {**torture.required(command, usual), **other}
    return [*command.words, *(word for part in parts.values() for word in part), *STARTING.get(str(command), [])]


@pytest.mark.parametrize("command", [one for one in COMMANDS if str(one) not in UNTOUCHED], ids=str)
def test_hostile_arguments(command: Command, usual: dict[str, str], tmp_path: Path) -> None:
    complaints = []
    for parameter, value in torture.hostile_to(command):
        arguments = _said(command, usual, **{parameter.name: spoken(parameter, value)})
        if wrong := complaint(run(arguments)):
            complaints.append(f"{' '.join(map(ascii, arguments))}: {wrong}")
        (tmp_path / "new").unlink(missing_ok=True)
    assert complaints == []
    assert not list(tmp_path.rglob(".partial-*")), "a temporary file stayed"


@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if any(parameter.envvar for parameter in one.parameters)], ids=str
)
def test_a_hostile_environment(command: Command, usual: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    complaints = []
    for parameter, value in torture.hostile_to(command):
        if parameter.envvar is not None:
            monkeypatch.setenv(parameter.envvar, value)
            if wrong := complaint(run(_said(command, usual, **{parameter.name: []}))):
                complaints.append(f"{parameter.envvar}={value!a}: {wrong}")
            monkeypatch.delenv(parameter.envvar)
    assert complaints == []


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_words_and_options_that_do_not_exist(command: Command, usual: dict[str, str]) -> None:
    for more in ("--no-such-option", "--no-such-option=\x1b[31m", "\udcfc", "one two", "\u202edrow"):
        ended = run([*_said(command, usual), *[more] * 9])
        assert complaint(ended) is None, more
        assert ended.code in (Outcome.USAGE, Outcome.OUTPUT)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_help_of_each_in_any_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for encoding in ("ascii", "latin-1"):
        ended = run([*command.words, "-h"], encoding=encoding)
        assert (ended.code, ended.error) == (Outcome.OK, "")
        names = [name for parameter in command.parameters for name in parameter.opts if name.startswith("-")]
        assert [name for name in names if name not in ended.output] == [], "cut"
    assert run([*command.words, "-h"], output=_full()).code == Outcome.OUTPUT
    assert run([*command.words, "--help"], output=_unread()) == (Outcome.OK, "", "")


@pytest.mark.parametrize("words", list(groups()), ids=" ".join)
def test_groups_alone_and_with_unknown_words(words: tuple[str, ...]) -> None:
    for more in ([], ["nonsense"], ["\x1b[31m"], ["-x"], [""], ["-h"]):
        ended = run([*words, *more])
        assert complaint(ended) is None, more
        assert ended.code in (Outcome.OK, Outcome.USAGE)


@pytest.mark.parametrize("command", [one for one in COMMANDS if str(one) not in UNTOUCHED], ids=str)
def test_outputs_that_take_nothing(command: Command, usual: dict[str, str], tmp_path: Path) -> None:
    """Nor is a word of anybody's shown that the terminal has no letter for."""
    (tmp_path / "folder").rmdir()
    for output in (_full(), _unread()):
        assert complaint(run(_said(command, usual), output=output)) is None
        (tmp_path / "new").unlink(missing_ok=True)
    for encoding in ("ascii", "latin-1"):
        assert complaint(run(_said(command, usual), encoding=encoding)) is None
        (tmp_path / "new").unlink(missing_ok=True)


def test_what_is_not_tortured_has_no_parameters_and_no_more_is_stopped_than_would_run() -> None:
    assert {str(one) for one in COMMANDS if not one.parameters} == UNTOUCHED | {"prepare"}
    assert set(STARTING) <= {str(one) for one in COMMANDS}


def _full() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(Full()), encoding="utf-8")


def _unread() -> io.TextIOWrapper:
    """A pipe whose reader has read enough."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8")
