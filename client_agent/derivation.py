"""What a phone derives again instead of believing its edge server: the model and the index set of a plan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from client_agent.followed_task import FollowedTask
from protocol.content.cid import cid_of
from protocol.errors import Party, VerificationError
from protocol.identifiers import Digest
from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.round.planning import choose_index_set
from protocol.sparse.codec import encode_index_set
from protocol.task.continuation import continuation
from protocol.task.documents import Kind, Lack
from protocol.task.past import Past
from storage.content.interface import ContentStore
from storage.history import load_history
from storage.task_reader import read_content


@dataclass
class Derivation:
    """Of one task's plans, from chain and content alone."""

    store: ContentStore
    followed: FollowedTask

    def index_set(self, spec: TaskSpec, plan: RoundPlan) -> npt.NDArray[np.uint32]:
        """The coordinates of the round, ascending, once the plan goes on from where it should.

        Where the last published round is withheld, they follow from the rosters alone, as before the first one: so
        nobody chooses them, and no lost document stops a task. Raises VerificationError for any others.
        """
        state = self.followed.state
        base = continuation(state, spec, plan.round, plan.model, lambda model: self._is_gone(spec, model))
        if base.number:
            state = self.followed.read(base.number, Kind.PLAN, Kind.BATCH, Kind.RECORD)
        past = Past(state.named(plan.round), plan.model, plan.previous_label, base.number)
        history = load_history(state, past, self.store)
        for known in (history, replace(history, published=None)):
            derived = choose_index_set(spec, plan.round, known)
            if cid_of(encode_index_set(derived)).digest == plan.index_set:
                return derived
        raise VerificationError("the plan's index set is not one that follows", fault=Party.EDGE_SERVER)

    def _is_gone(self, spec: TaskSpec, model: Digest) -> bool:
        return isinstance(read_content(self.store, model, Layout.of(spec.model).max_bytes), Lack)
