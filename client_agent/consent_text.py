"""A disclosure as plain text: one fact a line, without terms that only the protocol knows."""

from __future__ import annotations

from collections.abc import Iterator

from client_agent.consent import Disclosure
from client_agent.privacy_text import privacy_of
from client_agent.screening_text import screening_of
from protocol.identifiers import NATIVE_COIN, to_hex
from protocol.text import shown
from storage.ledger.deposits import money


def as_text(told: Disclosure) -> str:
    """Every field of it."""
    sections = {
        f"Task {told.task}: {told.title}": _task(told),
        "What you can earn": _rewards(told),
        "What this account leaves with the ledger meanwhile": _stake(told) if told.stake else iter(()),
        "What shows that this account is one appliance's": _voucher() if told.needs_voucher else iter(()),
        "What is sent in every round you take part in": iter(told.sent_every_round),
        "What is sent once, at enrolment": iter(told.sent_once),
        "What is never sent": iter(told.never_sent),
        "What becomes public, for ever": _public(told),
        "How your updates are compared with those of others": screening_of(told) if told.screening.on else iter(()),
        "Privacy": privacy_of(told),
        "You can leave at any time": iter(("no later round will plan you; what is on chain stays there",)),
    }
    parts = []
    for heading, facts in sections.items():
        lines = [f"  - {shown(fact)}" for fact in facts]
        parts += [shown(heading), *lines] if lines else []
    return "\n".join(parts)


def _task(told: Disclosure) -> Iterator[str]:
    yield f"on the ledger {to_hex(told.ledger)} of chain {told.chain_id}"
    drawn = "; when more are there, it is drawn by lot who takes part" if told.max_cohort < told.max_clients else ""
    yield f"{told.rounds} rounds at most, each with {told.max_cohort} of up to {told.max_clients} clients{drawn}"
    yield f"edge server {' or '.join(map(to_hex, told.edge_servers))}"
    yield from (f"key authority {to_hex(address)}" for address in told.authorities)
    yield f"any {told.threshold} of the {len(told.authorities)} key authorities can open a sum together"
    yield f"{told.corrupt} of them may cheat, and still no second sum of a round is opened"
    yield f"what opens these shares of keys is erased after {2 * told.roster_rounds + 1} more rounds at the latest"
    yield f"each update has {told.sent_parameters} of the model's {told.parameters} numbers"
    yield f"you have {told.examples} examples"


def _rewards(told: Disclosure) -> Iterator[str]:
    rewards, reputation = told.rewards, told.reputation
    yield f"{money(rewards.participation, rewards.token)} for each accepted update"
    yield (
        f"up to {money(rewards.contribution, rewards.token)} more when the model got better, in proportion to your"
        f" reputation; all of it from {_percent(rewards.target_gain_ppm)} more right answers on"
    )
    yield (
        f"a round that is not published pays the same {rewards.participation} for an update, and"
        f" {rewards.update_reward} if its sum may have been opened; this account fetches it for gas of its own"
    )
    yield f"the highest reputation is {reputation.maximum}, a new account has {reputation.initial}"
    yield (
        f"a malformed update costs one point of it; an account at {reputation.floor} is then left out of"
        f" {reputation.waiting_rounds} rounds, or waits {reputation.waiting_seconds} seconds for each point elsewhere"
    )
    yield (
        "between tasks the ledger counts what you lose at once, and one point that you gain in"
        f" {reputation.waiting_seconds} seconds"
    )
    for source in reputation.sources:
        yield f"a reputation counts here if a task of {to_hex(source)} gave it"
    if reputation.sources:
        yield "any other counts as none here, and this task's takes its place"
    if reputation.admission:
        yield f"an account that worked before needs a reputation of {reputation.admission}"
    yield (
        f"a reward can be claimed {told.payable_after_seconds} seconds after its round was settled;"
        " until then a dispute can void it"
    )
    yield (
        f"what is not claimed {told.claim_until_seconds} seconds after the task was posted is the manufacturer's again"
    )


def _voucher() -> Iterator[str]:
    yield "a voucher, which the code of your appliance brings once, whoever shows it"
    yield "the manufacturer learns that this appliance takes part, and not which account it has"
    yield "the code is redeemed at one random instant, and the voucher shown at a later one: few at a time hide worse"


def _stake(told: Disclosure) -> Iterator[str]:
    """By the ledger's rules: nobody, no dispute either, can take a stake; an unclaimed one waits for claimUntil."""
    token = told.rewards.token
    yield f"a stake of {money(told.stake, token)}, sent with its own enrolment, for which it pays the gas"
    yield "nobody can take it away, whatever you deliver; it makes appearing as many clients cost something"
    if token != NATIVE_COIN:
        yield "a token is worth, and comes back, as its own contract likes"
    yield "it comes back with your last claim: after the task's end, or after the round in which you leave"
    yield (
        f"without a claim it is locked until {told.claim_until_seconds} seconds after the task was posted; then"
        " anybody can send it back to you"
    )


def _public(told: Disclosure) -> Iterator[str]:
    yield from told.public_for_ever
    yield (
        f"a sum is of {told.min_clients} clients or more, none of which makes up more than"
        f" {_percent(told.max_share_ppm)} of it"
    )
    yield (
        f"if {told.threshold} key authorities and the edge server collude, they can read your updates"
        + (", which then still carry your own noise" if told.charges else "")
    )


def _percent(parts_per_million: int) -> str:
    return f"{parts_per_million / 10_000:g} %"
