"""Bonds and stakes with real processes: each brings its own, and at the end everybody has everything back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from protocol.identifiers import Address, from_hex
from protocol.messages.chain import BondPlaced, BondReturned, Claimed, RoundOpened, RoundPublished, StakeReturned
from protocol.messages.task import DepositTerms
from scripts.demonstration.run import GRANT_WEI, await_servers
from scripts.demonstration.stage import AUTHORITIES, client_name
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer
from tests.e2e.play import Play, play

DEPOSITS = DepositTerms(edge_server=7 * 10**15, authority=3 * 10**15, client=10**15)
COMMITTEE = [f"authority-{j}" for j in range(1, AUTHORITIES + 1)]
POOR, LEAVER = 1, 2
UNATTENDED = "authority-3"  # its operator places its bond by hand


def test_everything_comes_back_to_everybody(tmp_path: Path) -> None:
    with play(tmp_path / "play", clients=3, deposits=DEPOSITS) as task:
        households = [client_name(number) for number in range(task.clients)]
        task.stage.options["edge"] = ["--max-bond", str(DEPOSITS.edge_server)]
        for role in COMMITTEE:
            task.stage.options[role] = ["--max-bond", str(DEPOSITS.authority - (role == UNATTENDED))]
        task.stage.max_stake = DEPOSITS.client
        task.prepare()
        _ends_at_once(task, POOR)
        _fund(task, households[1:])  # everybody else was before
        _place_by_hand(task, UNATTENDED)
        task.start_agents()
        task.await_event(RoundOpened)
        task.leave(LEAVER)
        task.finish()
        bonded = {task.stage.addresses[role] for role in ("edge", *COMMITTEE)}
        await_servers(task.stage)
        task.stage.run("refund", "manufacturer", "task", "refund", "--task", "1")

        assert [event.round for event in task.events(RoundPublished)] == [1, 2]
        assert {event.holder for event in task.events(BondPlaced)} == bonded
        assert {event.holder for event in task.events(BondReturned)} == bonded
        clients = {task.address(number) for number in range(task.clients)}
        assert {event.client: event.amount for event in task.events(StakeReturned)} == dict.fromkeys(
            clients, DEPOSITS.client
        )
        assert task.reader.task(1).deposits == task.reader.balance(task.stage.domain.ledger) == 0
        earned = Counter[Address]()
        for event in task.events(Claimed):
            earned[event.client] += event.amount
        assert clients < earned.keys() <= clients | bonded, "with their fees"
        fees = _fees(task)
        for role in ("edge", *COMMITTEE, *households):
            address = task.stage.addresses[role]
            assert task.reader.balance(address) == GRANT_WEI + earned[address] - fees[address], role
        manufacturer = task.stage.addresses["manufacturer"]
        spent = earned.total() + fees[manufacturer]
        assert task.reader.balance(manufacturer) == GRANT_WEI - spent
        answer = task.audit()
        assert (answer["verdict"], answer["failed"]) == ("PASS", 0)


def _ends_at_once(task: Play, number: int) -> None:
    """A phone without money: one line, and nothing that would hinder its next start."""
    task.start_agents([number])
    phone = task.agents.pop(number)
    assert phone.process.wait(timeout=60) == 1, phone.tail()
    assert phone.tail(1).startswith("hearth: E_FUNDS ")
    assert task.reader.task(1).enrolled == 0


def _fund(task: Play, roles: list[str]) -> None:
    bank = EthereumLedger(task.stage.rpc_url, task.stage.domain, Signer(FUNDED_KEY))
    for role in roles:
        bank.transfer(task.stage.addresses[role], GRANT_WEI)
    bank.close()


def _place_by_hand(task: Play, role: str) -> None:
    log = task.stage.folder(role) / "log"
    task.stage.processes.await_until(lambda: "bond not placed" in log.read_text())
    holder = "0x" + task.stage.addresses[role].hex()
    assert f"hearth bond place --task 1 --holder {holder}" in log.read_text()
    task.stage.run("bond", role, "bond", "place", "--task", "1", "--holder", holder, "--yes")


def _fees(task: Play) -> Counter[Address]:
    """What each account has paid for gas, from the receipts of all transactions of the chain."""

    def ask(method: str, *parameters: Any) -> Any:
        return task.reader.provider.make_request(method, list(parameters))["result"]

    fees = Counter[Address]()
    for number in range(task.reader.block_number() + 1):
        for transaction in ask("eth_getBlockByNumber", hex(number), False)["transactions"]:
            receipt = ask("eth_getTransactionReceipt", transaction)
            fee = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
            fees[from_hex(receipt["from"].lower(), 20)] += fee
    return fees
