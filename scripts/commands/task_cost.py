"""``hearth task cost``: what a task's transactions cost at a stated fee, on a chain of its own or on one above another.

Gas is that of ``contracts/gas.json``, which ``hearth bench gas`` measures. What a chain of the OP stack charges for the
bytes of a transaction besides follows from the calls themselves, filled with bytes that no compression shortens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from decimal import Decimal
from math import ceil
from typing import Any, Final

import rlp

from protocol.identifiers import Address, Digest, sha256
from protocol.incentives.rewards import ClaimBatch
from protocol.messages.chain import Publication
from protocol.messages.settlement import Entitlement
from protocol.messages.submission import Enrolment, SignedEnrolment
from protocol.messages.task import TaskSpec
from protocol.round.planning import terms_of
from storage.ledger.ethereum.data_fees import DataPrices, data_fee
from storage.ledger.ethereum.writer import LedgerWriter
from storage.ledger.interface import PreparedTransaction, TransactionReceipt

COIN: Final = 10**18
GWEI: Final = 10**9
BATCH: Final = 20  # enrolments, or claims, of one transaction
NOTHING_SENT: Final = TransactionReceipt(bytes(32), 0, 0, ())


@dataclass(frozen=True, slots=True)
class Fees:
    """``gas_price``: wei for a unit of gas, tip included. ``data``: None where bytes cost gas alone."""

    gas_price: int
    data: DataPrices | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """``wei``: in all; ``data_wei``: of it, for bytes on the chain below."""

    gas: int
    wei: int
    data_wei: int = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """``rest``: of the task without its rounds: posting, bonds, rosters, enrolments and claims of all its clients."""

    round: Cost
    rest: Cost
    rounds: int
    cohort: int

    @property
    def task(self) -> Cost:
        return _sum([*[self.round] * self.rounds, self.rest])

    @property
    def update(self) -> Cost:
        """One of a full cohort, rounded up, without what the rest costs."""
        return Cost(*(ceil(value / self.cohort) for value in astuple(self.round)))


class _Calls(LedgerWriter):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.ledger = _some("ledger")[:20]
        self.kept: list[bytes] = []

    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        self.kept.append(prepared.data)
        return NOTHING_SENT


def costs(spec: TaskSpec, fees: Fees, measured: dict[str, Any]) -> Costs:
    """``measured``: the snapshot of ``contracts/gas.json``. Every round is published, and every client of the task
    enrols and claims once, in transactions of BATCH."""
    functions = measured["functions"]

    def of(function: str, times: int = 1, first: int = 0) -> list[Cost]:
        """``first``: so many of them meet storage that is new."""
        call, gas = _call(function, spec), functions[function]
        return [_cost(gas["first" if n < first else "later"], call, fees) for n in range(times)]

    drawn, screened = ["drawCohort"] * spec.cohort.draws, ["requestScreening"] * spec.screening.on
    steps = [*drawn, "openRound", "commitBatch", *screened, "requestKey", "publishRound"]
    in_round = _sum([cost for step in steps for cost in of(step)])
    members, servers, clients = len(spec.committee.members), len(spec.edge_servers), spec.cohort.max_clients
    bonds = servers * (spec.deposits.edge_server > 0) + members * (spec.deposits.authority > 0)
    windows = ceil(spec.rounds / spec.cohort.roster_rounds)
    rest = [*of("postTask", 1, 1), *of("placeBond", bonds), *of("postRoster", windows * members)]
    batches = ceil(clients / BATCH)
    each = _client_gas(measured)  # an enrolment and a claim
    for function in ("enrol", "claimMany"):
        rest += [_cost(0, _call(function, spec), fees)] * batches
    rest.append(_cost(each * clients, b"", Fees(fees.gas_price)))
    return Costs(in_round, _sum(rest), spec.rounds, spec.cohort.max_cohort)


def lines_of(found: Costs, fees: Fees) -> Iterator[str]:
    """One line a fact, in gas, coin and the part for data."""
    kind = "a chain of its own" if fees.data is None else "a chain of the OP stack"
    yield f"{'chain':>11}: {kind}, {_gwei(fees.gas_price)} gwei for a unit of gas"
    if (data := fees.data) is not None:
        yield (
            f"{'data':>11}: base fee below {_gwei(data.base_fee)} gwei times {data.base_fee_scalar} ppm,"
            f" blob fee {_gwei(data.blob_base_fee)} gwei times {data.blob_base_fee_scalar} ppm"
        )
    for name, cost in (
        (f"update of {found.cohort}", found.update), ("round", found.round), ("besides", found.rest),
        (f"{found.rounds} rounds", found.task),
    ):  # fmt: skip
        data_words = f", of it {_coin(cost.data_wei)} for data" if fees.data is not None else ""
        yield f"{name:>11}: {cost.gas:,} gas, {_coin(cost.wei)} coin{data_words}"


def _client_gas(measured: dict[str, Any]) -> int:
    """Of one client's enrolment and claim: the slope between the two largest tasks that were measured."""
    sizes = sorted(map(int, measured["per_update"]))[-2:]
    besides = [
        (measured["per_update_all_in"][str(size)] - measured["per_update"][str(size)]) * size * measured["rounds"]
        for size in sizes
    ]
    slope: float = (besides[1] - besides[0]) / (sizes[1] - sizes[0])
    return ceil(slope)


def _cost(gas: int, call: bytes, fees: Fees) -> Cost:
    data_wei = 0 if fees.data is None or not call else data_fee(signed(call), fees.data)
    return Cost(gas, gas * fees.gas_price + data_wei, data_wei)


def signed(call: bytes) -> bytes:
    """A signed EIP-1559 transaction with this call, whose signature and nonce are anybody's."""
    signature = (1, int.from_bytes(_some("r"), "big"), int.from_bytes(_some("s"), "big"))
    fields = (10, 1000, GWEI, GWEI, 500_000, _some("to")[:20], 0, call, (), *signature)
    encoded: bytes = rlp.encode(fields)
    return b"\x02" + encoded


def _call(function: str, spec: TaskSpec) -> bytes:
    """The function with arguments of the size that this task gives it."""
    calls, task, number = _Calls(), 1_000, 100
    first, second, third = (_some(f"digest {place}") for place in range(3))
    match function:
        case "postTask":
            calls.post_task(terms_of(spec), spec.budget())
        case "placeBond":
            calls.place_bond(task, _address(0), 10**18)
        case "postRoster":
            size = ceil(spec.cohort.max_clients / 8)
            calls.post_roster(task, number, _some("held", size), bytes(size))
        case "drawCohort":
            calls.draw_cohort(task)
        case "openRound":
            calls.open_round(task, number, first, second, third, spec.cohort.max_cohort)
        case "commitBatch":
            calls.commit_batch(task, number, first, second, spec.cohort.max_cohort)
        case "requestScreening":
            calls.request_screening(task, number, number, spec.cohort.max_cohort, first)
        case "requestKey":
            calls.request_key(task, number, first)
        case "publishRound":
            calls.publish_round(task, number, Publication(first, second, third, 10**18, 9_000, 10_000))
        case "enrol":
            calls.enrol([_enrolment(client, task) for client in range(BATCH)])
        case "claimMany":
            leaves = tuple((client, Entitlement(_address(client), 10**15, 3)) for client in range(BATCH))
            between = max(1, ceil(spec.cohort.max_clients / BATCH)).bit_length()  # digests of a proof, for each leaf
            proof = tuple(_some(f"proof {place}") for place in range(BATCH * between // 2 or 1))
            calls.claim_many(task, ClaimBatch(leaves, proof, (True, False) * BATCH))
    (call,) = calls.kept
    return call


def _enrolment(client: int, task: int) -> SignedEnrolment:
    named = Enrolment(
        task, _some("spec"), _address(client), _address(-1 - client), _some(f"envelope {client}"), 0, 2**31, 2**31
    )
    return SignedEnrolment(named, _some(f"signature {client}", 65))


def _address(number: int) -> Address:
    return _some(f"address {number}")[:20]


def _some(what: str, size: int = 32) -> Digest:
    """Bytes that no compression shortens, the same every time."""
    return b"".join(sha256(f"{what} {block}".encode()) for block in range(ceil(size / 32)))[:size]


def _sum(parts: list[Cost]) -> Cost:
    return Cost(*(sum(values) for values in zip(*(astuple(part) for part in parts), strict=True)))


def _coin(wei: int) -> str:
    return f"{(Decimal(wei) / COIN).normalize():f}"


def _gwei(wei: int) -> str:
    return f"{(Decimal(wei) / GWEI).normalize():f}"
