"""``hearth bench gas``: what every contract function costs, and an update with all its transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from backend.vouchers.key_file import new_key
from scripts.bench.gas_bank import Bank
from scripts.bench.gas_scene import GasTask
from scripts.bench.modexp import VOUCHER, berlin_price, osaka_price
from scripts.chain.testnet import start_chain
from scripts.checks.node_tools import ToolMissingError
from scripts.demonstration.processes import Stage
from storage.ledger.ethereum import abi
from storage.ledger.signer import Signer

ROUNDS: Final = 10
DEPOSIT_WEI: Final = 10**15
Step = Callable[[GasTask], object]

# Small tasks, one after the other; a new function of the contract is measured by adding steps that call it.
# Each function must come at least twice: its first use, where storage is new, and a later one.
SCENARIOS: Final[dict[str, tuple[int, int, tuple[Step, ...]]]] = {
    "published": (  # clients, rounds, steps
        6,
        2,
        (
            GasTask.post,
            GasTask.place_bond,
            lambda task: task.enrol(task.clients[:1]),
            lambda task: task.enrol(task.clients[1:2]),
            lambda task: task.enrol(task.clients[2:]),
            lambda task: task.open(1),
            lambda task: task.commit_directly(1, task.clients[0]),
            lambda task: task.commit_directly(1, task.clients[1]),
            lambda task: task.commit_batch(1, 4),
            lambda task: task.request(1),
            lambda task: task.publish(1),
            GasTask.pass_dispute,
            lambda task: task.claim(task.clients[0]),
            lambda task: task.claim_together(task.clients[2:4]),
            lambda task: task.leave(task.clients[4]),
            lambda task: task.leave(task.clients[5]),
            lambda task: task.round(2),
            GasTask.pass_dispute,
            lambda task: task.claim(task.clients[0]),
            lambda task: task.claim_together(task.clients[2:4]),
            GasTask.end,
            GasTask.refund,
        ),
    ),
    "abandoned": (
        4,
        2,
        (
            GasTask.post,
            GasTask.place_bond,
            GasTask.enrol,
            lambda task: task.open(1),
            lambda task: task.screen(1),
            lambda task: task.abandon(1),
            lambda task: task.open(2),
            lambda task: task.screen(2),
            lambda task: task.abandon(2),
        ),
    ),
    "bonded": (
        4,
        2,
        (
            GasTask.post,
            GasTask.place_bonds,
            GasTask.enrol,
            lambda task: task.open(1),
            lambda task: task.dispute(1, task.edge),
            GasTask.withdraw,
            lambda task: task.open(2, task.bank.substitute),
            lambda task: task.dispute(2, task.bank.substitute),
            GasTask.withdraw,
            GasTask.end,
            lambda task: task.return_stakes(task.clients[:2]),
            GasTask.return_bonds,
        ),
    ),
    "drawn": (
        6,
        2,
        (
            GasTask.post,
            GasTask.place_bond,
            GasTask.enrol,
            lambda task: task.draw(1),
            lambda task: task.round(1),
            lambda task: task.draw(2),
            lambda task: task.round(2),
        ),
    ),
    "vouchers": (
        4,
        1,
        (
            GasTask.post,
            lambda task: task.enrol(task.clients[:1]),
            lambda task: task.enrol(task.clients[1:2]),
            lambda task: task.enrol(task.clients[2:]),
        ),
    ),
    "expired": (
        4,
        2,
        (
            GasTask.post,
            GasTask.place_bonds,
            GasTask.enrol,
            lambda task: task.open(1),
            lambda task: task.commit_leaves(1),
            lambda task: task.expire(1),
            lambda task: task.compensate(1, task.clients[0]),
            lambda task: task.compensate(1, task.clients[1]),
            lambda task: task.open(2, task.bank.substitute),
            lambda task: task.expire(2),
            GasTask.end,
            GasTask.refund,
        ),
    ),
}


def state_changing_functions() -> set[str]:
    """Those of the contract that cost gas."""
    items = (item for item in abi.contract_abi() if item["type"] == "function")
    return {item["name"] for item in items if item["stateMutability"] in ("nonpayable", "payable")}


@contextmanager
def local_chain() -> Iterator[tuple[str, Signer]]:
    """URL and funded account of a fresh chain: anvil, or the one in a Python process where there is no anvil."""
    with Stage() as stage:
        folder = stage.temporary_folder()
        try:
            chain = start_chain(stage, folder / "anvil", "anvil", None, None)
        except ToolMissingError:
            chain = start_chain(stage, folder / "memory", "memory", None, None)
        yield chain


def run(sizes: Sequence[int], rpc_url: str, faucet: Signer, say: Callable[[str], object]) -> dict[str, Any]:
    """All measurements on one chain, in gas. ``sizes``: numbers of clients, each with a task of its own."""
    bank = Bank(rpc_url, faucet)
    try:
        result: dict[str, Any] = {"evm": bank.client_version(), "rounds": ROUNDS, "deployment": bank.deployment_gas}
        spent = measure_scenarios(bank)
        result |= {"voucher": voucher_of(spent, bank)}
        result |= {"functions": by_function(spent), "drawn_round": drawn_round(spent), "claims": measure_claims(bank)}
        result |= {"round": {}, "per_update": {}, "per_update_all_in": {}}
        for clients in sizes:
            started = time.monotonic()
            _measure_task(bank, clients, result)
            say(f"{clients} clients, {ROUNDS} rounds: {time.monotonic() - started:.0f} s")
        return result
    finally:
        bank.close()


def measure_scenarios(bank: Bank) -> dict[str, list[tuple[str, int]]]:
    """Function and gas of each transaction, in order."""
    spent = {}
    for name, (clients, rounds, steps) in SCENARIOS.items():
        deposit, cohort = DEPOSIT_WEI if name == "bonded" else 0, 4 if name == "drawn" else None
        task = GasTask(bank, name, clients, rounds, deposit, cohort, new_key() if name == "vouchers" else None)
        bank.taken()
        for step in steps:
            step(task)
        spent[name] = bank.taken()
    return spent


def drawn_round(spent: dict[str, list[tuple[str, int]]]) -> dict[str, int]:
    """All transactions of a round whose cohort is drawn from a crowd."""
    return dict(spent["drawn"][-5:])


def voucher_of(spent: dict[str, list[tuple[str, int]]], bank: Bank) -> dict[str, int]:
    """What a voucher adds to an enrolment that is sent alone: as measured, and at Osaka's price of the precompile."""
    (_, with_one), (_, without) = spent["vouchers"][2], spent["published"][3]
    measured = with_one - without
    charged = osaka_price(*VOUCHER) if bank.charges_modexp(osaka_price(*VOUCHER)) else berlin_price(*VOUCHER)
    return {"measured": measured, "osaka": measured - charged + osaka_price(*VOUCHER)}


def by_function(spent: dict[str, list[tuple[str, int]]]) -> dict[str, dict[str, int]]:
    """``first`` and ``later``: the first two uses of each function over all scenarios."""
    uses: dict[str, list[int]] = {}
    for function, gas in (use for uses_of_one in spent.values() for use in uses_of_one):
        uses.setdefault(function, []).append(gas)
    return {function: dict(zip(("first", "later"), gas, strict=False)) for function, gas in uses.items()}


def measure_claims(bank: Bank) -> dict[str, float]:
    """Two rounds in one claim: by an account that has money, by one that was never used, by a hundred with money."""
    task = GasTask(bank, "claims", 102, 2)
    task.post()
    task.place_bond()
    task.enrol()
    for number in (1, 2):
        task.round(number)
    task.pass_dispute()
    for client in task.clients[1:]:
        bank.give(client.address, 1)
    bank.taken()
    task.claim(task.clients[0])
    task.claim(task.clients[1])
    task.claim_together(task.clients[2:])
    (_, empty), (_, existing), (_, together) = bank.taken()
    return {"existing_account": existing, "empty_account": empty, "batched_existing_each": together / 100}


def _measure_task(bank: Bank, clients: int, result: dict[str, Any]) -> None:
    """Posts, bonds, enrols, ten rounds, everybody's claim, most to accounts never used before; all are accepted."""
    key, updates = str(clients), clients * ROUNDS
    task = GasTask(bank, f"{clients} clients", clients, ROUNDS)
    bank.taken()
    task.post()
    task.place_bond()
    task.enrol()
    task.post_rosters()
    before = sum(gas for _, gas in bank.taken())
    rounds: list[dict[str, int]] = []
    for number in range(1, ROUNDS + 1):
        task.round(number)
        rounds.append(dict(bank.taken()))
    task.pass_dispute()
    task.claim_all()
    claims = sum(gas for _, gas in bank.taken())
    in_rounds = sum(sum(gas.values()) for gas in rounds)
    dearest = max(rounds, key=lambda gas: sum(gas.values()))
    if sum(dearest.values()) > sum(result["round"].values()):
        result["round"] = dearest
    result["per_update"][key] = round(in_rounds / updates, 1)
    result["per_update_all_in"][key] = round((before + in_rounds + claims) / updates, 1)
