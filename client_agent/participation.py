"""A round on the phone until its update is sealed: check the plan, charge, train, encrypt, sign, keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from client_agent.edge_client import EdgeClient
from client_agent.entitlements import Entitlements
from client_agent.followed_task import FollowedTask
from client_agent.instants import instant
from client_agent.journal import AgentJournal, Sealed
from client_agent.own_norm import shortened, too_long
from client_agent.plan_check import accept_plan
from client_agent.planned_round import PlannedRounds
from client_agent.policy import Policy, check_cohort
from client_agent.privacy.budget import charge_next
from client_agent.privacy.followed import FollowedRound, followed_in
from client_agent.privacy.ledger import DataUse, PrivacyLedger
from client_agent.rung import Rung
from client_agent.training.trainers import Household
from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.identifiers import Digest
from protocol.messages.learning import LearningTerms
from protocol.messages.round import CohortPlace, PlanHead
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.randomness import Randomness
from protocol.round.adaptation import check_steps
from protocol.round.planning import choose_index_set
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import commit_to, encrypt_update
from protocol.round.training import Assignment
from protocol.round.update import Update, prepare_update
from protocol.task.continuation import continuation
from protocol.task.documents import Lack
from protocol.task.owner_limits import check_task
from protocol.task.work import work_of
from protocol.text import shown
from storage.content.interface import ContentStore, get_document
from storage.ledger.signer import Signer
from storage.reading import read_content


class TooLateError(HearthError):
    """The round cannot be kept any more, so nothing is charged for it and nothing trained."""

    code = "E_TOO_LATE"


@dataclass
class Participation:
    """Of one phone; every step may be repeated after a kill, and no label sees a second update."""

    domain: Domain
    signer: Signer
    store: ContentStore
    journal: AgentJournal
    followed: FollowedTask
    entitlements: Entitlements
    edge: EdgeClient
    randomness: Randomness
    privacy: PrivacyLedger
    policy: Policy
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self.plans = PlannedRounds(self.domain, self.signer.address, self.edge, self.followed)
        self.rung = Rung(self.store, self.journal, self.randomness, self.tell)

    def is_charged(self, spec: TaskSpec, number: int) -> bool:
        """By an earlier life of this phone, which was not done with it; False where that cannot be read."""
        try:
            return number in self.privacy.spending().rounds(self._use(spec.learning))
        except HearthError:
            return False  # the charge fails as well, and then the update has no examples

    def seal(self, spec: TaskSpec, household: Household, number: int, due: int) -> Sealed | None:
        """The update of round ``number``, in the journal; None when this phone is not planned.

        ``due``: block time until which it is good for anything. Raises TooLateError, DocumentAbsentError, ContentError;
        VerificationError and the like for a plan that is not to be joined. Nothing of that depends on the household's
        data.
        """
        planned = self.plans.of(spec, self.followed.state.rounds[number - 1])
        plan, place = planned.plan, planned.place
        reputations = () if place is None else self.entitlements.reputations_for(number, spec.reputation)
        weight = None if place is None else place.weight
        scheme = accept_plan(plan, spec, self.domain, self.followed.state.task, number, weight, reputations)
        if scheme is None or place is None:
            return None
        return self._train_and_seal(spec, household, scheme, place, due)

    def _train_and_seal(
        self, spec: TaskSpec, household: Household, scheme: RoundScheme, place: CohortPlace, due: int
    ) -> Sealed:
        plan, layout = scheme.plan, Layout.published(spec)
        continuation(self.followed.state, spec, plan.round, plan.model, lambda model: self._is_gone(layout, model))
        trained = layout.decode(get_document(self.store, plan.model, layout.max_bytes))
        check_steps(plan, spec, trained)
        self._require_time(spec, due)
        update, followed = self._update(spec, household, scheme, trained.parameters)
        keys = self.journal.keys_of(plan.key_epoch)
        nonce, body = encrypt_update(scheme, update.values, keys, self.randomness)
        signed = commit_to(scheme, self.signer.address, nonce, body, self.signer.sign)
        return self.journal.seal(Sealed(signed, place), body, followed)

    def _update(
        self,
        spec: TaskSpec,
        household: Household,
        scheme: RoundScheme,
        parameters: npt.NDArray[np.float32],
    ) -> tuple[Update, FollowedRound | None]:
        """This household's, or one of no examples: a phone that fell silent would tell what happened to its data.

        With it what it took of single examples, where somebody wants to know."""
        plan, sent = scheme.plan, choose_index_set(spec, scheme.plan.round)

        def assigned(learning: LearningTerms) -> Assignment:
            return Assignment(parameters, learning, sent, self.randomness, scheme.label.hex())

        try:
            self._charge(spec, plan)
        except HearthError as error:
            learning = self.rung.terms(spec, plan, None)
            return self._without_examples(household, spec, plan, assigned(learning), error), None
        learning = self.rung.terms(spec, plan, household)
        try:
            update = prepare_update(household, assigned(learning))
        except Exception as error:  # whatever it is: it comes of this household's data, or of its machine
            return self._without_examples(household, spec, plan, assigned(learning), error), None
        followed = followed_in(update, learning, spec.privacy)  # what it took of examples, whatever is sent of it
        if error_of_norm := too_long(update, spec.screening):
            update = self._without_examples(household, spec, plan, assigned(learning), error_of_norm)
        return update, followed

    def _require_time(self, spec: TaskSpec, due: int) -> None:
        """What came before may have taken long: a slow store, a machine that slept."""
        now = self.followed.clock()
        if now + spec.schedule.training_seconds // 2 > due:  # half of it is what training may take
            raise TooLateError(f"its update had to be ready {instant(due, now)}", fault=Party.OURS)

    def _charge(self, spec: TaskSpec, plan: PlanHead) -> None:
        """Before an example is read. Raises PolicyError, BudgetSpentError or RecordsError; then none is."""
        check_task(self.policy, spec, self.domain, work_of(spec))
        check_cohort(self.policy, plan)
        use, spending = self._use(plan.learning), self.privacy.spending()
        if use.mechanism.noise_multiplier_micro and plan.round not in spending.rounds(use):
            before, after = (
                known.mechanisms(use.data_set, use.task) for known in (spending, spending.with_round(use, plan.round))
            )
            charge_next(before, after, plan.learning, spec.privacy)
        self.privacy.charge(use, plan.round, self.policy.privacy)

    def _use(self, learning: LearningTerms) -> DataUse:
        """What the rounds of this phone are charged to."""
        consented, enrolment = self.journal.consented, self.journal.enrolment
        assert consented is not None  # nothing is trained before
        assert enrolment is not None
        return DataUse(consented.data_set, consented.binding, enrolment, learning.mechanism, learning.bayesian)

    def _without_examples(
        self, household: Household, spec: TaskSpec, plan: PlanHead, assignment: Assignment, reason: Exception
    ) -> Update:
        """Noise alone, which costs no privacy; hardly ever is it longer than screening allows."""
        why = shown(str(reason)) or type(reason).__name__
        self.tell(f"round {plan.round}: the update holds none of your examples. {why}")
        alone = household.noise_alone(assignment.learning)
        update = prepare_update(alone, replace(assignment, purpose=f"{assignment.purpose}/no examples"))
        return shortened(update, spec.screening)

    def _is_gone(self, layout: Layout, model: Digest) -> bool:
        return isinstance(read_content(self.store, model, layout.max_bytes), Lack)
