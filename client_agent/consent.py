"""What the owner of a phone is told before it enrols: sent, never sent, public, and what it costs in privacy."""

from __future__ import annotations

from protocol.identifiers import to_hex
from protocol.messages.task import MICRO, TaskSpec
from protocol.model.specification import dimension_of
from protocol.privacy.renyi import ASSUMPTIONS, epsilon_micro


def disclosure(spec: TaskSpec, task: int, examples: int, rounds_charged: int) -> str:
    """Plain text, complete, without terms that only the protocol knows."""
    learning, privacy = spec.learning, spec.privacy
    per_task = epsilon_micro(learning, spec.rounds, privacy.delta_exponent) / MICRO
    spent = epsilon_micro(learning, rounds_charged, privacy.delta_exponent) / MICRO if rounds_charged else 0.0
    budget = privacy.epsilon_budget_micro / MICRO
    dimension = dimension_of(spec.model)
    sent = -(-dimension * learning.density_ppm // MICRO)
    rewards, threshold = spec.rewards, spec.committee.threshold
    return f"""Task {task}: {spec.title}
  {spec.rounds} rounds at most, edge server {to_hex(spec.edge_server)},
  {len(spec.committee.members)} key authorities of which {threshold} together can open a sum.
  For each accepted update {rewards.participation_wei} wei; up to {rewards.contribution_wei} more when the model got
  better, in proportion to your reputation (at most {spec.reputation.maximum}, a new account {spec.reputation.initial}).
What is sent in every round you take part in:
  one encrypted update of {sent} of {dimension} numbers, already noised; a signed commitment to it.
  Once, at enrolment: your encryption keys' shares, each sealed to one key authority.
What is never sent:
  your {examples} examples, how many they are, any single update in the clear, your keys.
What becomes public, for ever:
  that this account enrolled, in which rounds it delivered, its rewards and reputation, the sum over all clients
  and the model after every round. If {threshold} key authorities and the edge server collude, they can read
  your updates, which then still carry your own noise.
Privacy (differential privacy, delta = 1e-{privacy.delta_exponent}):
  budget {budget:.3f}, spent so far {spent:.3f}, left {budget - spent:.3f}; the whole task costs at most {per_task:.3f}.
  {ASSUMPTIONS}
You can leave at any time: no later round will plan you; what is on chain stays there."""
