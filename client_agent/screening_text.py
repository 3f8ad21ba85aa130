"""What comparing updates that nobody sees tells of a household, as its owner reads it before the phone enrols."""

from __future__ import annotations

from collections.abc import Iterator

from client_agent.consent import Disclosure
from protocol.messages.screening_terms import CONTINUE
from protocol.screening.openings import needed


def screening_of(told: Disclosure) -> Iterator[str]:
    """One fact each."""
    terms, some = told.screening, needed(told.threshold)
    yield (
        f"updates are compared by the rule {terms.rule}: {some} or more of the {len(told.authorities)} key authorities"
        " open, to anybody, how long each is and how much two of them resemble each other"
    )
    if told.charges:
        yield "your update carries its noise before it is compared, so this adds nothing to the figures of privacy"
    yield "how many examples you have is no secret here: the lengths of your updates tell it after some rounds"
    yield "after some dozen rounds anybody can tell most of your mean update, and which kinds of data you have"
    yield "each client that works with whoever reads these numbers learns two more numbers of your update in a round"
    yield (
        f"the key authorities keep sums of your updates of up to {terms.window} rounds, none of them alone a readable"
        f" one; any {told.threshold} of them together can open yours, and it is erased when you leave"
    )
    yield (
        f"an update longer than 0.98 of {terms.norm_bound} units holds none of your examples: this phone sends noise"
        " alone and tells you"
    )
    if terms.probation:
        first = f"the first {terms.probation} rounds"
        yield f"{first} only collect such sums; they move no model and pay participation alone"
    yield (
        "an update that looks poisoned is left out, earns nothing and costs a point of reputation; it may hit honest"
        " ones whose data are unusual"
    )
    yield "who is taken for a copy of others weighs less or nothing"
    yield "who seems to send nothing of its own earns participation alone"
    if terms.unopened == CONTINUE:
        yield "a round that too few authorities can open may go on without all that"
