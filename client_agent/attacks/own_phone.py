"""The attacks that one phone can run on what left it: what each attacker knows, how often it is right, and the most
that the task's figure of privacy allows.

What cannot be measured honestly is named, not guessed. Nothing of it leaves the phone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.attacks.rehearsal import Rehearsal, Start, can_rehearse
from client_agent.attacks.statistics import Share, most_right, of_both, of_rehearsals
from protocol.canonical import decode
from protocol.encryption.committee import draw_master_keys
from protocol.errors import HearthError
from protocol.messages.chain import RoundPublished
from protocol.messages.learning import MechanismTerms
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.task import TaskSpec
from protocol.model.dataset import Examples, usable
from protocol.model.evaluation import scores_of
from protocol.model.layout import Layout
from protocol.model.loss import losses
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.mechanisms import counted, has_guarantee
from protocol.privacy.spending import spent
from protocol.randomness import Randomness
from protocol.round.planning import choose_index_set
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import encrypt_update
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, get_document

Flags = npt.NDArray[np.bool_]

MOST_ROUNDS: Final = 10  # that are rehearsed, the last ones
LEAST_REHEARSALS, MOST_REHEARSALS = 5, 40
SECONDS: Final = 10.0  # after which no further rehearsal begins
LEAST_EXAMPLES: Final = 20  # fewer tell nothing
LEAST_OF_A_KIND: Final = 10  # of those that were trained on, and of those that were held out


class Observer(StrEnum):
    """What an attacker has."""

    WORLD = "world"  # what everybody sees of this phone: ciphertexts
    OPENED = "opened"  # its updates, decrypted against the rules, and every example but one
    MODEL = "model"  # the last public model


class Lack(StrEnum):
    """Why an attack could not be measured."""

    NO_ROUND = "no round"  # of which plan and model can be had
    FEW = "few"  # examples
    LARGE = "large"  # gradients of this model are more than a phone holds
    MECHANISM = "mechanism"  # protects something else than single examples
    NONE_HELD_OUT = "none held out"  # so there is nothing to compare with what was trained on
    NO_MODEL = "no model"


@dataclass(frozen=True, slots=True)
class Attack:
    """``share``: how often it is right about an example that was learned from or not with even odds. ``most``: what
    ``figure`` allows, None without a guarantee. ``examples``: those that were guessed at, in ``rounds`` each time."""

    observer: Observer
    share: Share | None
    lack: Lack | None = None
    figure: PrivacyFigure | None = None
    most: float | None = None
    examples: int = 0
    rounds: int = 0
    rehearsals: int = 0

    @property
    def within(self) -> bool | None:
        """Whether it is no better than what is allowed, as far as chance can tell; None where nothing is promised."""
        return None if self.share is None or self.most is None else self.share.low <= self.most


@dataclass(frozen=True, slots=True, eq=False)
class Attacked:
    """One phone's part in one task. ``sealed``: rounds that it was in; ``rung``: of its noise, if it chose one.
    ``held_out``: which of the examples it never trains on, shape (n,)."""

    state: TaskState
    spec: TaskSpec
    store: ContentStore
    sealed: Collection[int]
    rung: int | None
    examples: Examples
    held_out: Callable[[Examples, int], Flags]


def attack_phone(
    phone: Attacked, randomness: Randomness, monotonic: Callable[[], float], seconds: float = SECONDS
) -> tuple[Attack, ...]:
    """One for each observer. ``monotonic``: seconds. Raises MalformedError for examples that the task cannot use."""
    fits = usable(phone.spec.model, phone.examples)
    fits[phone.spec.schedule.max_examples :] = False
    held = phone.held_out(phone.examples, phone.spec.learning.bayesian.held_out_ppm)
    opened, world = _rehearsed(phone, np.flatnonzero(fits & ~held), randomness, monotonic, seconds)
    return world, opened, _by_model(phone, np.flatnonzero(fits), held[fits])


def _rehearsed(
    phone: Attacked,
    trained: npt.NDArray[np.int64],
    randomness: Randomness,
    monotonic: Callable[[], float],
    seconds: float,
) -> tuple[Attack, Attack]:
    def lacking(lack: Lack) -> tuple[Attack, Attack]:
        return Attack(Observer.OPENED, None, lack), Attack(Observer.WORLD, None, lack)

    if not can_rehearse(phone.spec.learning.mechanism):
        return lacking(Lack.MECHANISM)
    if len(trained) < LEAST_EXAMPLES:
        return lacking(Lack.FEW)
    found = _starts(phone)
    if not found:
        return lacking(Lack.NO_ROUND)
    plans, starts = zip(*found, strict=True)
    scheme = RoundScheme.of(plans[-1], phone.spec.committee)

    def seal(values: npt.NDArray[np.int64], source: Randomness) -> bytes:
        keys = draw_master_keys(source, scheme.m, scheme.t, "rehearsal/keys")  # no authority has them
        return encrypt_update(scheme, values, keys, source)[1]

    rehearsal = Rehearsal(phone.spec.model, phone.examples.take(trained), starts, seal, randomness)
    if rehearsal.attacked < LEAST_EXAMPLES:
        return lacking(Lack.LARGE)
    opened, sealed, begun = [], [], monotonic()
    for number in range(MOST_REHEARSALS):
        if number >= LEAST_REHEARSALS and monotonic() - begun > seconds:
            break
        played = rehearsal.play(number)
        opened.append(played.right(played.opened))
        sealed.append(played.right(played.sealed))
    figure = _figure(phone, plans, alone=True)
    facts = {"examples": rehearsal.attacked, "rounds": len(starts), "rehearsals": len(opened)}
    return (
        Attack(Observer.OPENED, of_rehearsals(opened), None, figure, _most(figure), **facts),
        Attack(Observer.WORLD, of_rehearsals(sealed), None, None, 0.5, **facts),  # encryption promises all of it
    )


def _by_model(phone: Attacked, fitting: npt.NDArray[np.int64], held: Flags) -> Attack:
    """By the loss of each example: less than half of this household's suggests that it was learned from."""
    spec = phone.spec
    published = [facts.ended for facts in phone.state.rounds if isinstance(facts.ended, RoundPublished)]
    if not held.any():
        return Attack(Observer.MODEL, None, Lack.NONE_HELD_OUT)
    if min(held.sum(), (~held).sum()) < LEAST_OF_A_KIND:
        return Attack(Observer.MODEL, None, Lack.FEW)
    plans = [plan for number in sorted(phone.sealed) if (plan := _plan(phone, number)) is not None]
    layout = Layout.published(spec)
    try:
        document = get_document(phone.store, published[-1].model, layout.max_bytes) if published and plans else None
    except HearthError:
        document = None
    if document is None:
        return Attack(Observer.MODEL, None, Lack.NO_MODEL)
    inputs, labels = phone.examples.take(fitting).labelled()
    scores = scores_of(spec.model, layout.from_safetensors(document), inputs)
    unlikely = losses(spec.model, scores, labels.astype(np.float64))
    guessed = unlikely < np.median(unlikely)
    figure = _figure(phone, plans, alone=False)
    share = of_both(guessed[~held], ~guessed[held])
    return Attack(Observer.MODEL, share, None, figure, _most(figure), len(fitting), len(plans))


def _starts(phone: Attacked) -> list[tuple[RoundPlan, Start]]:
    """The last rounds that this phone was in, as far as plan and model can be had, in their order."""
    found, layout = list[tuple[RoundPlan, Start]](), Layout.published(phone.spec)
    for number in sorted(phone.sealed)[-MOST_ROUNDS:]:
        plan = _plan(phone, number)
        if plan is None:
            continue
        learning = plan.learning if phone.rung is None else plan.learning.on_rung(phone.rung)
        try:
            parameters = layout.from_safetensors(get_document(phone.store, plan.model, layout.max_bytes))
        except HearthError:
            continue
        found.append((plan, Start(parameters, learning, choose_index_set(phone.spec, number))))
    return found


def _plan(phone: Attacked, number: int) -> RoundPlan | None:
    facts = phone.state.round(number)
    try:
        document = None if facts is None else get_document(phone.store, facts.opened.plan, MAX_PLAN_BYTES)
        return None if document is None else decode(RoundPlan, document, MAX_PLAN_BYTES)
    except HearthError:
        return None


def _figure(phone: Attacked, plans: Sequence[RoundPlan], alone: bool) -> PrivacyFigure | None:
    """Of these rounds; ``alone``: of this phone's own noise, since the update itself was opened."""
    numbers = Counter[MechanismTerms](plan.learning.mechanism for plan in plans)
    if not all(map(has_guarantee, numbers)):
        return None
    last = {one: counted(one, [plan.round for plan in plans if plan.learning.mechanism == one]) for one in numbers}
    charge = spent(last, phone.spec.learning, phone.spec.privacy)
    return charge.own[0] if alone and charge.own else charge.figure


def _most(figure: PrivacyFigure | None) -> float | None:
    return None if figure is None else most_right(figure)
