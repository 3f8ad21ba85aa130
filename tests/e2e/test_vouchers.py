"""Vouchers with real processes on anvil: codes made in bulk, redeemed over HTTP, shown to the contract, audited.

given a task that needs vouchers, and an edge server that redeems its codes
    when each phone has a code of its own
        should redeem it once, enrol, be paid, and pass the audit
    when a code was redeemed for another account
        should be refused
    when a household has no code
        should be told so before it is asked
    when the manufacturer posts another task with the key
        should be refused by the ledger
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backend.vouchers.issuer import key_path, make_key
from protocol.invitation import Invitation
from protocol.messages.chain import Claimed, Enrolled, RoundPublished, TaskPosted, VoucherShown
from protocol.messages.vouchers import VoucherTerms
from protocol.randomness import SeededRandomness
from scripts.demonstration.stage import client_name
from scripts.launcher import module_command
from storage.ledger.interface import TransactionRevertedError
from tests.e2e.play import Play, play

SEED, PHONES = 7, 3


def test_a_code_becomes_a_place(tmp_path: Path) -> None:
    keys, secrets = tmp_path / "keys", SeededRandomness(b"hearth demo" + SEED.to_bytes(8, "big"))
    terms = make_key(keys, secrets.draw("password/edge", 16).hex())
    with play(tmp_path / "play", clients=PHONES, rounds=1, seed=SEED, vouchers=terms, chain="anvil") as task:
        task.stage.options["edge"] = ["--voucher-keys", str(keys)]
        task.prepare()
        plain = Invitation(task.stage.domain, 1, task.reader.task(1).spec, (task.stage.edge_url,))
        links = _links(task, plain, keys, terms)
        roles = [client_name(number) for number in range(PHONES)]
        for role, link in zip(roles, links, strict=True):
            redeemed = _run(task, role, "voucher", "redeem", link, "--now")
            assert redeemed.returncode == 0, redeemed.stderr
        _refuse_outsiders(task, str(plain), links[0])
        for number, (role, link) in enumerate(zip(roles, links, strict=True)):
            command = _command(task, role, "join", link, "--data", _data(task, role, number), "--yes")
            task.agents[number] = task.stage.processes.start(role, command, task.stage.folder(role))
        task.finish()

        addresses = {task.address(number) for number in range(PHONES)}
        assert {event.client for event in task.events(VoucherShown)} == addresses
        assert {event.client for event in task.events(Enrolled)} == addresses
        assert [event.round for event in task.events(RoundPublished)] == [1]
        assert addresses <= {event.client for event in task.events(Claimed)}
        (posted,) = task.events(TaskPosted)
        with pytest.raises(TransactionRevertedError, match="VoucherKeyUsed"):
            task.ledger_of("manufacturer").post_task(posted.terms, posted.escrow)
        answer = task.audit()
        assert (answer["verdict"], answer["failed"]) == ("PASS", 0)


def _links(task: Play, plain: Invitation, keys: Path, terms: VoucherTerms) -> list[str]:
    """Of a product line with as many appliances as there are phones."""
    out, folder = task.stage.root / "codes", task.stage.folder("edge")
    issued = _hearth(
        task, "voucher", "issue", "--key", str(key_path(keys, terms)), "--password-file", str(folder / "password"),
        "--count", str(PHONES), "--output", str(out), "--invitation", str(plain),
    )  # fmt: skip
    assert issued.returncode == 0, issued.stderr
    return out.read_text().split()


def _refuse_outsiders(task: Play, plain: str, spent: str) -> None:
    task.stage.make_account("outsider")
    again = _run(task, "outsider", "voucher", "redeem", spent, "--now")
    assert again.returncode == 1 and "E_VOUCHER_SPENT" in again.stderr and "redeemed before" in again.stderr
    without = _run(task, "outsider", "join", plain, "--data", _data(task, "outsider", 0), "--yes")
    assert without.returncode == 1 and "E_VOUCHER_MISSING" in without.stderr, without.stderr
    assert "invitation that came with the appliance" in without.stderr


def _run(task: Play, role: str, *command: str) -> subprocess.CompletedProcess[str]:
    """One command of a household to its end, whatever that is."""
    return _hearth(task, *_command(task, role, *command))


def _hearth(task: Play, *command: str) -> subprocess.CompletedProcess[str]:
    told = [*module_command("scripts.cli"), *command]
    return subprocess.run(told, capture_output=True, text=True, check=False, timeout=120, cwd=task.stage.root)


def _command(task: Play, role: str, *command: str) -> list[str]:
    folder = task.stage.folder(role)
    return [
        *command,
        *("--rpc-url", task.stage.rpc_url, "--store", str(task.stage.store)),
        *("--household", str(task.stage.household(role))),
        *("--keystore", str(folder / "keystore.json"), "--password-file", str(folder / "password")),
    ]


def _data(task: Play, role: str, number: int) -> str:
    path = task.stage.folder(role) / "data.safetensors"
    path.write_bytes(task.data.households[number])
    return str(path)
