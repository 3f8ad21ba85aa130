"""From answers to the one canonical spec, and to the task file that says the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from backend.drafting.cohorts import cohort_of
from backend.drafting.kinds import KINDS, Kind, own, private
from backend.drafting.screening import screened_draft
from protocol.canonical import decode, encode
from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.encryption.suite import FE64, suite
from protocol.errors import EncryptionError, HearthError, MalformedError, SpecError
from protocol.identifiers import NATIVE_COIN, ZERO_DIGEST, Address, Digest, sha256
from protocol.messages.chain import LedgerRules
from protocol.messages.learning import LearningTerms
from protocol.messages.screening_terms import NONE
from protocol.messages.task import (
    MAX_COHORT,
    Committee,
    ControlTerms,
    DepositTerms,
    Durations,
    PrivacyTerms,
    ReputationTerms,
    RewardTerms,
    ScheduleTerms,
    TaskSpec,
)
from protocol.messages.vouchers import NO_VOUCHERS, VoucherTerms
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.task.file_tables import CommitteeTable, Files, Member, Tables, TaskTable
from protocol.task.margins import check_durations
from protocol.task.runnable import check_ledger, check_runnable, room_in_a_round
from protocol.text import refused_in
from protocol.toml_text import toml_of
from protocol.version import SPEC_VERSION

DAY: Final = 86_400
STAND_INS: Final = 5  # authorities that figures are computed with while none is named
TEST_SET_FILE: Final = "test-set.safetensors"
MODEL_FILE: Final = "model.safetensors"
_FIELDS: Final = (  # where an entry of a task file comes from
    ("task.title", "title"), ("task.edge_substitutes", "substitutes"), ("task.edge_server", "substitutes"),
    ("task.rounds", "rounds"), ("committee", "authorities"), ("cohort", "households"), ("rewards", "reward"),
    ("deposits", "reward"), ("durations", "days"), ("schedule", "days"), ("privacy", "privacy"), ("learning", "own"),
    ("model", "own"), ("control", "rounds"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answers:
    """``households``: places; a round in which not all have room is drawn. ``reward``: of one household that takes part
    in every round, in wei. ``own``: tables of a task file, for the kind ``own``. A test set or an initial model is the
    digest of content. ``screening``: a rule's name, or ``none``."""

    kind: str
    title: str
    households: int
    rounds: int
    reward: int
    privacy: str
    days: int
    authorities: tuple[Address, ...] = ()
    substitutes: tuple[Address, ...] = ()
    test_set: Digest | None = None
    initial_model: Digest | None = None
    own: str = ""
    confirmations: int = 3
    vouchers: VoucherTerms = NO_VOUCHERS
    screening: str = NONE


@dataclass(frozen=True, slots=True)
class Place:
    """Where the task would be posted: this server, its ledger, and the seconds between two of its blocks."""

    edge_server: Address
    domain: Domain
    rules: LedgerRules
    tasks: int
    block_seconds: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """``field``: of the answers; empty for what no single answer makes good."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """``spec``: with stand-ins where answers are missing, so that figures can be shown; None where none can.
    ``drawn``: the model to start from, where none was given. ``unscreened``: why its updates are not compared."""

    spec: TaskSpec | None
    wrong: tuple[Wrong, ...]
    task_file: str = ""
    drawn: bytes | None = None
    unscreened: str = ""

    @property
    def complete(self) -> bool:
        return self.spec is not None and not self.wrong


def kind_of(answers: Answers) -> Kind:
    """Raises MalformedError."""
    return own(answers.own) if answers.kind == "own" else KINDS[answers.kind]()


def drafted(answers: Answers, place: Place) -> Draft:
    """Never raises for an answer: what is wrong with one stands beside it."""
    wrong = list(_missing(answers))
    try:
        kind = kind_of(answers)
        learning, privacy = private(kind, answers.privacy, answers.rounds)
    except SpecError as error:
        return Draft(None, (*wrong, _wrong(error)))
    except HearthError as error:
        return Draft(None, (*wrong, Wrong("own" if answers.kind == "own" else "", str(error.args[0]))))
    drawn, unscreened = None, ""
    if answers.initial_model is None:
        drawn = Layout.of(kind.model).to_safetensors(initial_parameters(kind.model))
    initial_model = answers.initial_model or cid_of(drawn or b"").digest
    try:
        spec = _spec(answers, place, kind, learning, privacy, initial_model)
        check_runnable(spec)
        if answers.screening != NONE:
            spec, unscreened = _screened(spec, answers.screening)
        check_ledger(spec, place.rules, place.tasks)
        check_durations(spec, place.block_seconds)
        spec = decode(TaskSpec, encode(spec))
    except SpecError as error:
        return Draft(None, (*wrong, _wrong(error)), drawn=drawn)
    except MalformedError as error:
        return Draft(None, (*wrong, Wrong("", str(error.args[0]))), drawn=drawn)
    return Draft(spec, tuple(wrong), "" if wrong else task_file(spec, drawn is None), drawn, unscreened)


def _screened(spec: TaskSpec, rule: str) -> tuple[TaskSpec, str]:
    """Where it cannot be, as it is, and why."""
    try:
        return screened_draft(spec, rule), ""
    except SpecError as error:
        return spec, f"{error.line}: {error.reason}"


def task_file(spec: TaskSpec, own_model: bool) -> str:
    """As ``hearth task post`` reads it, with the test set beside it. ``own_model``: and a model to start from."""
    committee = spec.committee
    members = tuple(Member(address=address) for address in committee.members)
    return toml_of(
        Tables(
            task=TaskTable(
                spec.title, spec.rounds, spec.edge_server, spec.suite, spec.confirmations, spec.edge_substitutes
            ),
            files=Files(TEST_SET_FILE, MODEL_FILE if own_model else None),
            model=spec.model,
            learning=spec.learning,
            privacy=spec.privacy,
            cohort=spec.cohort,
            reputation=spec.reputation,
            rewards=spec.rewards,
            durations=spec.durations,
            schedule=spec.schedule,
            committee=CommitteeTable(committee.threshold, committee.corrupt, members),
            deposits=spec.deposits,
            control=spec.control,
            vouchers=spec.vouchers,
            screening=spec.screening,
        )
    )


def _missing(answers: Answers) -> Iterator[Wrong]:
    if not answers.title.strip():
        yield Wrong("title", "is missing")
    elif why := refused_in(answers.title):
        yield Wrong("title", why)
    if len(answers.authorities) < 2:
        yield Wrong("authorities", "at least two are needed, better five")


def _spec(
    answers: Answers,
    place: Place,
    kind: Kind,
    learning: LearningTerms,
    privacy: PrivacyTerms,
    initial_model: Digest,
) -> TaskSpec:
    places, rules = max(2, answers.households), place.rules
    cohort = cohort_of(places, max(2, min(places, _room(learning, rules.maximum))))
    rewards = _rewards(answers)
    schedule, durations = _times(answers, place, kind)
    enough = len(answers.authorities) >= 2
    members = answers.authorities if enough else tuple(sha256(bytes([j]))[:20] for j in range(STAND_INS))
    title = answers.title.strip()
    return TaskSpec(
        version=SPEC_VERSION,
        title=title if title and not refused_in(title) else "-",
        suite=FE64,
        model=kind.model,
        initial_model=initial_model,
        test_set=answers.test_set or ZERO_DIGEST,
        rounds=answers.rounds,
        confirmations=answers.confirmations,
        edge_server=place.edge_server,
        committee=Committee(len(members) // 2 + 1, members, 1),
        learning=learning,
        privacy=privacy,
        cohort=cohort,
        reputation=ReputationTerms(
            initial=max(1, rules.floor),
            floor=max(1, rules.floor),
            maximum=rules.maximum,
            waiting_rounds=max(1, min(2, rules.floor)),
            waiting_seconds=rules.waiting_seconds,
        ),
        rewards=rewards,
        durations=durations,
        schedule=schedule,
        edge_substitutes=answers.substitutes,
        deposits=DepositTerms(edge_server=cohort.max_cohort * rewards.participation),
        control=ControlTerms(),
        vouchers=answers.vouchers,
    )


def _room(learning: LearningTerms, reputation: int) -> int:
    """Of a round; where there is no such encoding, the check of the spec says so."""
    try:
        encoding = suite(FE64).encoding_for(learning.quantiser.bits, learning.encoding.packing)
    except EncryptionError:
        return MAX_COHORT
    return room_in_a_round(FE64, encoding, reputation)


def _rewards(answers: Answers) -> RewardTerms:
    """Three fifths of an update's reward for taking part, the rest for what the round gained; the server gets half of
    one for each published round, an authority a tenth."""
    each = answers.reward // answers.rounds
    return RewardTerms(
        participation=each * 3 // 5,
        contribution=each - each * 3 // 5,
        target_gain_ppm=50_000,
        edge_fee=each // 2,
        authority_fee=each // 10,
        token=NATIVE_COIN,
    )


def _times(answers: Answers, place: Place, kind: Kind) -> tuple[ScheduleTerms, Durations]:
    """A round gets its part of the task's days, a day at most for phones and half of one for the server."""
    whole = answers.days * DAY
    one = whole // (answers.rounds + 1)
    commit, settle = min(DAY, max(16, one // 2)), min(DAY // 2, max(8, one // 4))
    return ScheduleTerms(min(600, max(1, commit // 8)), kind.max_examples), Durations(
        enrolment_seconds=whole // 2,
        commit_seconds=commit,
        objection_seconds=min(3600, commit // 8),
        settle_seconds=settle,
        task_seconds=whole,
        claim_seconds=max(30 * DAY, place.rules.claim_seconds),
        dispute_seconds=min(3600, settle),
        takeover_seconds=settle // 2,
        roster_seconds=min(3600, settle),
    )


def _wrong(error: SpecError) -> Wrong:
    field = next((name for start, name in _FIELDS if error.line.startswith(start)), "")
    return Wrong(field, error.reason if field and field != "own" else f"{error.line}: {error.reason}")
