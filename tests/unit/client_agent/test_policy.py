"""What goes beyond the owner's policy is refused in one sentence, by every line, before anything is sent or charged."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from client_agent.binding import TaskBinding
from client_agent.policy import Policy, check_cohort, check_spending
from client_agent.privacy.ledger import HOME, DataUse, PrivacyLedger
from protocol.domain import Domain
from protocol.errors import PolicyError
from protocol.identifiers import to_hex
from protocol.messages.learning import MICRO
from protocol.messages.screening_terms import ScreeningTerms
from protocol.messages.task import Committee, TaskSpec
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.spending import planned, spent
from protocol.round.planning import plan_round
from protocol.task.limits import CohortLimits
from protocol.task.owner_limits import AcceptedChain, PrivacyLimits, TokenStake, TrustLimits, check_task
from protocol.task.work import Work, work_of
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.samples import DOMAIN, client_address, sample_policy, sample_spec, with_terms
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, Phone, play_round
from tests.unit.client_agent.scene_server import OTHERS, PHONE, PlayedServer

SPEC = sample_spec()
MEMBERS = SPEC.committee.members
TOKEN = b"\x77" * 20
WORK = Work(seconds=600, bytes=64 * 1024 * 1024, activations=1_000_000)
LISTED = TrustLimits(3, (AcceptedChain(DOMAIN.chain_id, (DOMAIN.ledger,)),), MEMBERS[:2])
POLICY = Policy(
    privacy=PrivacyLimits(screened=False),
    trust=LISTED,
    money=replace(Policy().money, max_stake=10, tokens=(TokenStake(TOKEN, 5),)),
)
# just within every line
WITHIN = replace(
    SPEC,
    confirmations=3,
    committee=replace(SPEC.committee, corrupt=1),
    privacy=replace(SPEC.privacy, epsilon_budget_micro=8 * MICRO),
    cohort=replace(SPEC.cohort, min_clients=5, max_share_ppm=333_333),
    durations=replace(SPEC.durations, claim_seconds=7 * 24 * 3600),
    deposits=replace(SPEC.deposits, client=10),
)
Change = Callable[[TaskSpec], TaskSpec]
BEYOND: dict[str, tuple[Change, str, str]] = {  # line -> a task beyond it, what it asks for, what is allowed
    "privacy.honest_clients": (
        lambda spec: replace(spec, learning=with_terms(spec.learning, kind="distributed", honest_clients=2)),
        "2", "at most 1",
    ),
    "privacy.task_epsilon": (
        lambda spec: replace(spec, privacy=replace(spec.privacy, epsilon_budget_micro=1_000_000 * MICRO)),
        "1000000", "at most 8",
    ),
    "privacy.task_delta_exponent": (
        lambda spec: replace(spec, privacy=replace(spec.privacy, delta_exponent=4)), "4", "at least 5",
    ),
    "privacy.without_guarantee": (
        lambda spec: replace(spec, learning=with_terms(spec.learning, noise_multiplier_micro=0)), "none", "false",
    ),
    "privacy.screened": (
        lambda spec: replace(spec, screening=ScreeningTerms("krum", 100, 50, 10)), "krum", "none",
    ),
    "cohort.min_clients": (
        lambda spec: replace(spec, cohort=replace(spec.cohort, min_clients=2)), "2", "at least 5",
    ),
    "cohort.max_share": (
        lambda spec: replace(spec, cohort=replace(spec.cohort, max_share_ppm=333_334)), "0.333334", "at most 0.333333",
    ),
    "trust.min_confirmations": (lambda spec: replace(spec, confirmations=2), "2", "at least 3"),
    "trust.authorities": (
        lambda spec: replace(spec, committee=Committee(2, (MEMBERS[0], *MEMBERS[2:], MEMBERS[2]), 1)), "2", "at most 1",
    ),
    "money.max_stake": (lambda spec: replace(spec, deposits=replace(spec.deposits, client=11)), "11", "at most 10"),
    "money.tokens": (
        lambda spec: replace(
            spec, rewards=replace(spec.rewards, token=TOKEN), deposits=replace(spec.deposits, client=6)
        ), "6", "at most 5",
    ),
    "money.min_claim_seconds": (
        lambda spec: replace(spec, durations=replace(spec.durations, claim_seconds=604_799)), "604799", "604800",
    ),
}  # fmt: skip


def refused_by(line: str, asked: str, allowed: str, act: Callable[[], object]) -> None:
    with pytest.raises(PolicyError) as caught:
        act()
    message = str(caught.value.args[0])
    assert (caught.value.line, caught.value.code) == (line, "E_POLICY")
    assert f" {asked};" in message and allowed in message and message.endswith(f"({line})")
    assert "\n" not in message


def test_what_is_just_within_every_line_passes() -> None:
    check_task(POLICY, WITHIN, DOMAIN, WORK)


@pytest.mark.parametrize("line", BEYOND)
def test_what_is_beyond_a_line_is_refused_by_it(line: str) -> None:
    change, asked, allowed = BEYOND[line]
    refused_by(line, asked, allowed, lambda: check_task(POLICY, change(WITHIN), DOMAIN, WORK))


@pytest.mark.parametrize("name", ["seconds", "bytes", "activations"])
def test_more_work_than_allowed_is_refused(name: str) -> None:
    most = getattr(WORK, name)
    more: dict[str, Any] = {name: most + 1}
    refused_by(
        f"work.{name}", str(most + 1), f"at most {most}",
        lambda: check_task(POLICY, WITHIN, DOMAIN, replace(WORK, **more)),
    )  # fmt: skip


@pytest.mark.parametrize("domain", [Domain(1, DOMAIN.ledger), Domain(DOMAIN.chain_id, bytes(20))])
def test_a_chain_or_ledger_that_is_not_listed_is_refused(domain: Domain) -> None:
    asked = f"{to_hex(domain.ledger)} on chain {domain.chain_id}"
    refused_by("trust.chains", asked, str(DOMAIN.chain_id), lambda: check_task(POLICY, WITHIN, domain, WORK))


def test_a_chain_without_ledgers_stands_for_all_of_them() -> None:
    policy = replace(POLICY, trust=replace(LISTED, chains=(AcceptedChain(DOMAIN.chain_id),)))
    check_task(policy, WITHIN, Domain(DOMAIN.chain_id, bytes(20)), WORK)


def test_the_defaults_trust_nobody() -> None:
    refused_by("trust.chains", f"{to_hex(DOMAIN.ledger)} on chain 31337", "none", lambda: check_task(
        replace(POLICY, trust=TrustLimits()), WITHIN, DOMAIN, WORK
    ))  # fmt: skip
    chains_only = replace(POLICY, trust=replace(LISTED, authorities=()))
    refused_by("trust.authorities", "3", "at most 1", lambda: check_task(chains_only, WITHIN, DOMAIN, WORK))


def test_a_screened_task_is_within_the_usual_policy() -> None:
    spec = replace(WITHIN, screening=ScreeningTerms("krum", 100, 50, 10))
    check_task(replace(POLICY, privacy=replace(POLICY.privacy, screened=True)), spec, DOMAIN, WORK)


def test_every_line_has_its_test() -> None:
    lines = {f"{table.name}.{line.name}" for table in fields(Policy) for line in fields(getattr(Policy(), table.name))}
    tested = {*BEYOND, *(f"work.{field.name}" for field in fields(Work)), "trust.chains"}
    tested |= {"gas.max_price", "gas.max_units"}  # of transactions: test_policy_file.py, test_lying_endpoint.py
    assert lines == tested | {"privacy.total_epsilon", "privacy.total_delta_exponent"}


def test_a_cohort_that_hides_nobody_is_refused() -> None:
    def plan(*reputations: int) -> Any:
        cohort = {client_address(number): reputation for number, reputation in enumerate(reputations)}
        return plan_round(SPEC, DOMAIN, 1, 1, cohort, b"\1" * 32)

    check_cohort(POLICY, plan(2, 2, 2, 2, 3))
    refused_by("cohort.min_clients", "4", "at least 5", lambda: check_cohort(POLICY, plan(2, 2, 2, 2)))
    refused_by("cohort.max_share", "0.384616", "at most 0.333333", lambda: check_cohort(POLICY, plan(5, 2, 2, 2, 2)))


def test_what_is_charged_is_within_task_and_total() -> None:
    limits = PrivacyLimits()
    most, whole = (PrivacyFigure(epsilon * MICRO, 5, "PLD/1") for epsilon in (8, 16))
    more, too_much = (replace(figure, epsilon_micro=figure.epsilon_micro + 1) for figure in (most, whole))
    check_spending(limits, most, whole)
    refused_by("privacy.task_epsilon", "8.000001", "at most 8", lambda: check_spending(limits, more, whole))
    refused_by("privacy.total_epsilon", "16.000001", "at most 16", lambda: check_spending(limits, most, too_much))


# the phone


def _phone(folder: Path, policy: Policy, records: MemoryRecords | None = None, **parts: Any) -> Phone:
    phone = Phone(PlayedServer(), folder, records, **parts)
    phone.policy = policy
    phone.start()
    return phone


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        (replace(sample_policy(), privacy=PrivacyLimits()), "privacy.task_epsilon"),
        (replace(sample_policy(), cohort=CohortLimits()), "cohort.min_clients"),
        (
            replace(sample_policy(), privacy=PrivacyLimits(20 * MICRO, 5, MICRO)),
            "privacy.total_epsilon",
        ),
    ],
)
def test_a_phone_that_agrees_to_everything_enrols_for_nothing_beyond_its_policy(
    policy: Policy, line: str, tmp_path: Path
) -> None:
    phone = _phone(tmp_path, policy)
    with pytest.raises(PolicyError) as caught:
        phone.steps(60)
    assert caught.value.line == line
    assert phone.told == []
    assert phone.agent.journal.consented is None
    assert len(phone.server.chain.events()) == 3, "the task and the other clients"


@pytest.mark.parametrize(
    "policy", [replace(sample_policy(), cohort=CohortLimits()), replace(sample_policy(), trust=TrustLimits())]
)
def test_a_policy_that_became_stricter_keeps_the_examples_of_an_enrolled_phone(policy: Policy, tmp_path: Path) -> None:
    phone = _phone(tmp_path, sample_policy())
    phone.steps(60)
    play_round(phone)
    phone.policy = policy
    phone.start()
    play_round(phone)
    assert phone.charged() == {1}
    assert set(phone.server.submitted) == {1, 2}, "silence would tell"
    assert any(
        "round 2: the update holds none of your examples" in text and "the policy allows" in text
        for text in phone.told
    )  # fmt: skip
    assert phone.paid() > 0 or phone.agent.step() is not None, "what was earned is still claimed"


def test_a_round_whose_cohort_is_beyond_the_policy_is_not_trained_for(tmp_path: Path) -> None:
    """The terms are within it; whoever is planned beside this phone has five sevenths of the weight."""
    phone = _phone(tmp_path, replace(sample_policy(), cohort=CohortLimits(2, 700_000)))
    phone.steps(60)
    phone.server.open({PHONE.address: 2, OTHERS[0]: 5})
    phone.steps(UNTIL_BATCH)
    assert (phone.charged(), set(phone.server.submitted)) == (set(), {1})
    assert "0.714286; the policy allows at most 0.7 (cohort.max_share)" in phone.told[-1]


def test_three_tasks_on_the_same_data_stop_at_the_total(tmp_path: Path) -> None:
    """The third is refused before it enrols: all of it would not fit any more."""
    ledger, spec = MemoryRecords(), PlayedServer().spec
    two_tasks = spent(planned(spec, 2 * spec.rounds), spec.learning, spec.privacy).epsilon_micro
    policy = replace(sample_policy(), privacy=replace(sample_policy().privacy, total_epsilon=two_tasks))
    for _ in range(2):
        phone = _phone(tmp_path, policy, ledger=ledger)
        phone.steps(60)
        for _ in range(spec.rounds):
            play_round(phone)
        other = TaskBinding.of(DOMAIN, 1 + len(phone.privacy.spending().charged), b"\5" * 32)
        _renamed(ledger, other)
    with pytest.raises(PolicyError) as caught:
        _phone(tmp_path, policy, ledger=ledger).steps(60)
    assert caught.value.line == "privacy.total_epsilon"


def _renamed(records: MemoryRecords, task: TaskBinding) -> None:
    """What was charged so far becomes another task's: the played chain has only one."""
    ledger = PrivacyLedger(lambda: records)
    spending, limits = ledger.spending(), sample_policy().privacy
    records._entries.clear()
    for place, (use, numbers) in enumerate(spending.charged.items()):
        for number in numbers:
            ledger.charge(replace(use, task=replace(task, task=task.task + place)), number, limits)


def test_phones_at_once_do_not_pass_the_total_together(tmp_path: Path) -> None:
    mechanism = SPEC.learning.mechanism
    limits = replace(PrivacyLimits(), task_epsilon=2**40)

    def fits(rounds: int) -> bool:
        return spent({mechanism: rounds}, SPEC.learning, SPEC.privacy).epsilon_micro <= limits.total_epsilon

    fitting = max(filter(fits, range(1, 100)))

    def charge(phone: int) -> int:
        ledger = PrivacyLedger(lambda: Journal(tmp_path / "privacy", wait=True))
        use = DataUse(HOME, TaskBinding.of(DOMAIN, phone, bytes(32)), bytes([phone]) * 32, mechanism)
        done = 0
        for number in range(1, fitting + 1):
            try:
                ledger.charge(use, number, limits)
                done += 1
            except PolicyError:
                break
        return done

    with ThreadPoolExecutor(3) as phones:
        assert sum(phones.map(charge, (1, 2, 3))) == fitting


def test_a_task_without_noise_needs_its_line() -> None:
    allowed = replace(sample_policy(), privacy=replace(sample_policy().privacy, without_guarantee=True))
    spec = replace(SPEC, learning=with_terms(SPEC.learning, noise_multiplier_micro=0))
    check_task(allowed, spec, DOMAIN, work_of(spec))
    with pytest.raises(PolicyError, match=r"\(privacy\.without_guarantee\)"):
        check_task(sample_policy(), spec, DOMAIN, work_of(spec))
