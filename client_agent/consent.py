"""What the owner of a phone is told before it enrols: sent, never sent, public, and what it costs in privacy."""

from __future__ import annotations

from protocol.identifiers import NATIVE_COIN, to_hex
from protocol.messages.task import MICRO, TaskSpec
from protocol.model.specification import dimension_of
from protocol.privacy.renyi import ASSUMPTIONS, epsilon_micro
from storage.ledger.deposits import money


def disclosure(spec: TaskSpec, task: int, examples: int, rounds_charged: int) -> str:
    """Plain text, complete, without terms that only the protocol knows."""
    learning, privacy = spec.learning, spec.privacy
    per_task = epsilon_micro(learning.mechanism, spec.rounds, privacy.delta_exponent) / MICRO
    spent = epsilon_micro(learning.mechanism, rounds_charged, privacy.delta_exponent) / MICRO if rounds_charged else 0.0
    budget = privacy.epsilon_budget_micro / MICRO
    dimension = dimension_of(spec.model)
    sent = -(-dimension * learning.sparsity.density_ppm // MICRO)
    rewards, threshold = spec.rewards, spec.committee.threshold
    stake = _stake(spec) if spec.deposits.client else ""
    return f"""Task {task}: {spec.title}
  {spec.rounds} rounds at most, edge server {" or ".join(map(to_hex, spec.edge_servers))},
  {len(spec.committee.members)} key authorities of which {threshold} together can open a sum.
  For each accepted update {rewards.participation} wei; up to {rewards.contribution} more when the model got
  better, in proportion to your reputation (at most {spec.reputation.maximum}, a new account {spec.reputation.initial}).
{stake}What is sent in every round you take part in:
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


def _stake(spec: TaskSpec) -> str:
    """By the ledger's rules: nobody, no dispute either, can take a stake; an unclaimed one waits for claimUntil."""
    token, latest = spec.rewards.token, spec.durations.task_seconds + spec.durations.claim_seconds
    trust = "" if token == NATIVE_COIN else "\n  A token is worth, and comes back, as its own contract likes."
    return f"""What this account leaves with the ledger meanwhile: a stake of {money(spec.deposits.client, token)}.
  It sends the stake with its own enrolment, and pays the gas. Nobody can take it away, whatever you deliver; it is
  bound, so that appearing as many clients costs something.{trust}
  It comes back with your last claim: after the task's end, or after the round in which you leave.
  Without a claim it is locked until {latest} seconds after the task was posted; then anybody can send it back to you.
"""
