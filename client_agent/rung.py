"""The noise that this phone trains with: the plan's default rung, or the one that it chose, once, for the whole task.

Whether a rung meets the task's target is for the owner to see. It changes nothing that is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from client_agent.journal import AgentJournal
from client_agent.privacy.selection import DRAW_BYTES, chances, chosen, kept_within
from client_agent.training.trainers import Household
from protocol.errors import HearthError
from protocol.messages.learning import LearningTerms
from protocol.messages.round import PlanHead
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.randomness import Randomness
from storage.content.interface import ContentStore, get_document

Lengths = npt.NDArray[np.uint16]


@dataclass
class Rung:
    """Of one phone in one task."""

    store: ContentStore
    journal: AgentJournal
    randomness: Randomness
    tell: Callable[[str], None]

    def terms(self, spec: TaskSpec, plan: PlanHead, household: Household | None) -> LearningTerms:
        """The plan's, with this phone's own noise. ``household``: None where nothing of it may be used.

        The choice is durable before it is used, and made before the first update. It is charged with the first round,
        so that has to stand in the privacy ledger already. Without examples it is a choice all the same.
        """
        if not plan.learning.bayesian.selection_epsilon_micro:
            return plan.learning
        rung = self.journal.rung
        if rung is None:
            rung = self.journal.keep_rung(self._choose(spec, household))
        return plan.learning.on_rung(rung)

    def _choose(self, spec: TaskSpec, household: Household | None) -> int:
        learning, layout = spec.learning, Layout.of(spec.model)
        try:
            initial = layout.from_safetensors(get_document(self.store, spec.initial_model, layout.max_bytes))
        except HearthError as error:  # whoever keeps it back learns nothing: the default rung is public
            self.tell(f"the task's first model cannot be had, so this phone adds the default noise. {error}")
            return learning.bayesian.default_rung
        lengths = self._lengths(household, initial, learning)
        steps = spec.rounds * max(learning.mechanism.local_steps, spec.control.max_local_steps)
        within = kept_within(lengths, learning, steps)
        odds = chances(within, len(lengths), learning.bayesian.selection_epsilon_micro)
        return chosen(odds, self.randomness.draw("choice of a rung", DRAW_BYTES))

    def _lengths(
        self, household: Household | None, initial: npt.NDArray[np.float32], learning: LearningTerms
    ) -> Lengths:
        """Of the held-out examples' gradients at the first model, or of nobody's: a refusal would tell of the data."""
        if household is not None:
            try:
                return household.held_out_lengths(initial, learning)
            except Exception as error:  # whatever it is: it comes of this household's data, or of its machine
                self.tell(f"the noise is chosen without your examples: {error}")
        return np.zeros(0, dtype=np.uint16)
