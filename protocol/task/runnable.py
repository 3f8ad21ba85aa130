"""Whether a task can run at all: what no party can make good follows from the spec alone, so each of them refuses it.

Manufacturer, edge server, key authorities and phones ask before money, keys or examples are given. Whether a task is
worth it is for their policies; whether it suits one ledger and chain is in the last two functions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from protocol.encryption import suite as suites
from protocol.encryption.committee import subsets
from protocol.encryption.port import Encoding
from protocol.errors import EncryptionError, SpecError, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import LedgerRules
from protocol.messages.learning import MICRO
from protocol.messages.task import MAX_COHORT, TaskSpec
from protocol.model.specification import validate
from protocol.model.trained import check_server
from protocol.privacy.spending import planned, spent
from protocol.round.scheme import encoding_of
from protocol.strict_toml import nearest
from protocol.task.private_terms import check_private_terms, private_doubts
from protocol.task.screenable import check_screenable, screening_doubts
from protocol.text import refused_in
from protocol.vouchers.permutation import check_key

MAX_MONEY: Final = 2**128  # what the ledger counts with
MAX_SECONDS: Final = 3650 * 24 * 3600  # of any of its durations
_MOST_OF_FE64: Final = 1_000  # clients of a round: with each that may drop out its proof loses bits (encryption.md 4.4)
_MAY_BE_ZERO: Final = ("durations.dispute_seconds", "durations.takeover_seconds")


def check_runnable(spec: TaskSpec) -> None:
    """Raises SpecError for the first line with which no round could ever be published, or no ledger takes the task."""
    for check in (
        _check_names, _check_parties, _check_encryption, _check_learning, check_private_terms, _check_cohort,
        _check_money, _check_durations, _check_vouchers, check_screenable,
    ):  # fmt: skip
        check(spec)


def check_ledger(spec: TaskSpec, rules: LedgerRules, tasks: int) -> None:
    """What a ledger with these ``rules``, on which so many ``tasks`` were posted, cannot do. Raises SpecError."""
    for name in ("maximum", "floor", "waiting_seconds"):
        asked, agreed = getattr(spec.reputation, name), getattr(rules, name)
        if asked != agreed:
            raise SpecError(f"reputation.{name}", f"{asked} is not this ledger's, which is {agreed}")
    if spec.durations.claim_seconds < rules.claim_seconds:
        asked = f"{spec.durations.claim_seconds} is less than the {rules.claim_seconds} that this ledger demands"
        raise SpecError("durations.claim_seconds", asked)
    if spec.reputation.initial < spec.reputation.floor and not tasks:
        raise SpecError(
            "reputation.initial",
            f"{spec.reputation.initial} is below the floor of {spec.reputation.floor}, and nobody has a reputation on"
            " this ledger yet: no round could be planned",
        )


def affordable_rounds(spec: TaskSpec) -> int:
    """Of the task's rounds those that one client's privacy budget pays. Raises like ``spent``."""

    def epsilon(rounds: int) -> int:
        return spent(planned(spec, rounds), spec.learning, spec.privacy).epsilon_micro

    return bisect_right(range(1, spec.rounds + 1), spec.privacy.epsilon_budget_micro, key=epsilon)


def doubts(spec: TaskSpec) -> Iterator[str]:
    """What a manufacturer should know of a task that can run: one line each, the task file's line first."""
    rounds = affordable_rounds(spec)
    if rounds < spec.rounds:
        yield f"privacy.epsilon_budget: pays {rounds} of {spec.rounds} rounds; a phone stays away from all others"
    least = 2 * spec.schedule.training_seconds
    in_time = (spec.durations.task_seconds - spec.durations.enrolment_seconds) // least
    if in_time < spec.rounds:
        yield f"durations.task_seconds: leaves time for {in_time} of {spec.rounds} rounds, of {least} s at least"
    if spec.reputation.initial < spec.reputation.floor:
        yield (
            "reputation.initial: below the floor, so addresses that the ledger does not know wait until others have"
            " settled rounds"
        )
    yield from private_doubts(spec)
    yield from screening_doubts(spec)


def _check_names(spec: TaskSpec) -> None:
    if why := refused_in(spec.title):
        raise SpecError("task.title", why)
    if not spec.title.strip():
        raise SpecError("task.title", "is blank")
    if spec.suite not in suites.NAMES:
        raise SpecError("task.suite", f'there is no suite "{spec.suite}"; {nearest(spec.suite, suites.NAMES)}')


def _check_parties(spec: TaskSpec) -> None:
    committee, lines = spec.committee, dict[Address, str]()
    for line, address in _servers(spec):
        if not any(address):
            raise SpecError(line, "is the address of nobody")
        if address in lines:
            raise SpecError(line, f"{to_hex(address)} is {lines[address]} already; one account serves a task once")
        lines[address] = line
    for number, source in enumerate(spec.reputation.sources):
        if not any(source):
            raise SpecError(f"reputation.sources[{number}]", "is the address of nobody")
    if committee.threshold > len(committee.members):
        raise SpecError(
            "committee.threshold", f"{committee.threshold} of {len(committee.members)} members is no quorum"
        )
    try:
        subsets(len(committee.members), committee.threshold)
    except EncryptionError as error:
        why = f"{error.args[0]}: its clients would need too many keys; choose fewer members"
        raise SpecError("committee.threshold", why) from error


def _servers(spec: TaskSpec) -> Iterator[tuple[str, Address]]:
    yield "task.edge_server", spec.edge_server
    for number, address in enumerate(spec.edge_substitutes):
        yield f"task.edge_substitutes[{number}]", address
    for number, address in enumerate(spec.committee.members):
        yield f"committee.members[{number}]", address


def _check_encryption(spec: TaskSpec) -> None:
    validate(spec.model)
    bits, packing, most = spec.learning.quantiser.bits, spec.learning.encoding.packing, spec.cohort.max_cohort
    try:
        suites.suite(spec.suite).encoding_for(2, packing)
    except EncryptionError as error:
        raise SpecError("learning.encoding.packing", f"{spec.suite} has no packing {packing}") from error
    try:
        encoding = encoding_of(spec)
    except EncryptionError as error:
        why = f"{error.args[0]}; choose fewer bits, or another learning.encoding.packing"
        raise SpecError("learning.quantiser.bits", why) from error

    room = room_in_a_round(spec.suite, encoding, spec.reputation.maximum)
    if most <= room:
        return
    other = f", or task.suite: {suites.PAD} is proved for every number" if spec.suite == suites.FE64 else ""
    why = f"the sum of {most} updates with reputations of {spec.reputation.maximum} can overflow"
    if room == _MOST_OF_FE64 and spec.suite == suites.FE64:
        why = f"what is proved of {spec.suite} does not carry {most} clients of which some drop out"
    raise SpecError(
        "cohort.max_cohort",
        f"{why}: with {bits} bits and packing {packing} there is room for {room}; change one of these{other}",
    )


def room_in_a_round(suite: str, encoding: Encoding, reputation: int) -> int:
    """How many clients of this ``reputation`` a round can have, by the budget of the suite and by what is proved."""

    def overflows(clients: int) -> bool:
        try:
            encoding.check_budget([reputation] * clients)
        except EncryptionError:
            return True
        return False

    most = _MOST_OF_FE64 if suite == suites.FE64 else MAX_COHORT
    return most if not overflows(most) else bisect_right(range(1, most + 1), False, key=overflows)


def _check_learning(spec: TaskSpec) -> None:
    learning, control, weights = spec.learning, spec.control, len(spec.learning.optimiser.class_weights_micro)
    check_server(learning.server)
    if weights and (spec.model.predicts_number or weights != spec.model.classes):
        wanted = "none" if spec.model.predicts_number else f"none, or {spec.model.classes}"
        raise SpecError("learning.optimiser.class_weights", f"{weights} where the model's classes need {wanted}")
    if 0 < control.max_local_steps < learning.mechanism.local_steps:
        why = f"{control.max_local_steps} is less than the {learning.mechanism.local_steps} local_steps of round 1"
        raise SpecError("control.max_local_steps", why)
    if control.averaged_rounds > spec.rounds:
        raise SpecError("control.averaged_rounds", f"{control.averaged_rounds} is more than the {spec.rounds} rounds")


def _check_cohort(spec: TaskSpec) -> None:
    cohort = spec.cohort
    if cohort.max_share_ppm * cohort.min_clients < MICRO:
        least = -(-MICRO // cohort.min_clients)
        raise SpecError(
            "cohort.max_share",
            f"{cohort.max_share_ppm / MICRO:.6g} is less than the equal share of each of min_clients ="
            f" {cohort.min_clients}, so no sum of theirs could be opened; at least {least / MICRO:.6g}, or more"
            " min_clients",
        )


def _check_money(spec: TaskSpec) -> None:
    if not spec.rewards.update_reward:
        raise SpecError("rewards.participation", "0, and contribution is 0 too: nobody could earn anything")
    if spec.budget() >= MAX_MONEY:
        raise SpecError("rewards", f"an escrow of {spec.budget()} is more than any ledger can hold, 2^128 - 1")
    bonds = len(spec.edge_servers) * spec.deposits.edge_server + len(spec.committee.members) * spec.deposits.authority
    deposits = bonds + spec.cohort.max_clients * spec.deposits.client
    if deposits >= MAX_MONEY:
        raise SpecError("deposits", f"{deposits} in all are more than any ledger can hold, 2^128 - 1")


def _check_vouchers(spec: TaskSpec) -> None:
    if not spec.vouchers.needed:
        return
    try:
        check_key(spec.vouchers)
    except VerificationError as error:
        raise SpecError("vouchers", str(error.args[0])) from error


def _check_durations(spec: TaskSpec) -> None:
    durations = spec.durations
    seconds_of = {f"durations.{field.name}": getattr(durations, field.name) for field in fields(durations)}
    for line, seconds in {**seconds_of, "schedule.training_seconds": spec.schedule.training_seconds}.items():
        least = 0 if line in _MAY_BE_ZERO else 1
        if not least <= seconds <= MAX_SECONDS:
            raise SpecError(line, f"{seconds} is not between {least} and {MAX_SECONDS} seconds")
    for line in _MAY_BE_ZERO:
        if seconds_of[line] > durations.settle_seconds:
            raise SpecError(line, f"{seconds_of[line]} is more than the {durations.settle_seconds} settle_seconds")
    if durations.enrolment_seconds >= durations.task_seconds:
        why = f"{durations.task_seconds}: the {durations.enrolment_seconds} enrolment_seconds leave no time for a round"
        raise SpecError("durations.task_seconds", why)
    last = durations.commit_seconds + durations.settle_seconds + durations.dispute_seconds
    if durations.claim_seconds <= last:
        why = f"{durations.claim_seconds} ends before the last round is paid; more than {last}"
        raise SpecError("durations.claim_seconds", why)
