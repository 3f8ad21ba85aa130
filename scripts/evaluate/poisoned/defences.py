"""What a round does with its updates: the product's screening from openings, or a published defence that sees them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final, Protocol

import numpy as np

from protocol.identifiers import Address, Digest, sha256
from protocol.messages.screening import MAX_LEVEL, ScreeningVerdict, StepSum
from protocol.messages.screening_terms import ScreeningTerms
from protocol.round.planning import levelled
from protocol.screening.arithmetic import centred, residues
from protocol.screening.decision import Openings, Screened, decide_screened
from protocol.screening.gram import block_norms, gram, square
from protocol.screening.history import History
from protocol.screening.norms import PPM, mean_noise, noise_energy
from protocol.screening.published import published_foolsgold, published_krum_scores
from protocol.screening.sketch import sketch_of
from scripts.evaluate.poisoned.softmax import Numbers, Reals

BOUND: Final = 8192  # B: with it a history of 590 rounds does not wrap
ROOM: Final = 0.9  # of the bound that an honest update takes, noise included
WINDOW: Final = 590


def address(place: int) -> Address:
    """Of the client in this place."""
    return Address(place.to_bytes(20, "big"))


def place(client: Address) -> int:
    return int.from_bytes(client, "big")


@dataclass(frozen=True)
class Judged:
    """Of one round. ``weights``: of each client in the sum, shape (n,), 0 for whoever is not in it."""

    weights: Numbers
    verdict: ScreeningVerdict | None = None  # of screening alone

    @property
    def rejected(self) -> frozenset[int]:
        return frozenset() if self.verdict is None else frozenset(place(one.client) for one in self.verdict.rejected)

    @property
    def idle(self) -> frozenset[int]:
        return frozenset() if self.verdict is None else frozenset(map(place, self.verdict.idle))


class Reputations(Protocol):
    """What a plan knows of its clients, where the incentive is evaluated, too."""

    maximum: int

    def planned(self) -> dict[Address, int]:
        """Reputations of those that are planned in this round."""
        ...


class Defence(Protocol):
    def weigh(self, number: int, sent: Numbers, last_step: Numbers) -> Judged:
        """``sent``: updates of all clients, shape (n, d); ``last_step``: the sum's mean before, shape (d,)."""
        ...


@dataclass(frozen=True)
class Scale:
    """How updates become integers: the honest ones fill the bound on norms, noise included."""

    dimension: int
    longest: float  # of an update before noise, in the model's units
    deviation: float  # of its noise in each coordinate

    @property
    def unit(self) -> float:
        return sqrt(self.longest**2 + self.dimension * self.deviation**2) / (ROOM * BOUND)

    @property
    def clip(self) -> int:
        """C in units, rounded up."""
        return int(self.longest / self.unit) + 1

    @property
    def noise(self) -> int:
        """E in units squared."""
        return noise_energy(self.dimension, round((self.deviation / self.unit) ** 2 * PPM))

    def terms(self, rule: str) -> ScreeningTerms:
        return ScreeningTerms(rule, BOUND, self.clip, WINDOW)


class Screening:
    """The verdict of ``protocol/screening`` on openings in the clear: one holder has all shares. Sketches, histories,
    inner products and the verdict are the product's own."""

    def __init__(
        self, scale: Scale, terms: ScreeningTerms, clients: int, seed: int, reputations: Reputations | None = None
    ) -> None:
        self._terms, self._noise, self._seed, self._reputations = terms, scale.noise, seed, reputations
        self._clients = [address(number) for number in range(clients)]
        self._history = History(scale.dimension, terms.window)
        self._levels: dict[Address, int] = {}
        self._steps: tuple[StepSum, ...] = ()
        self._step_noise = 0

    def weigh(self, number: int, sent: Numbers, last_step: Numbers) -> Judged:
        return self.screen(number, sha256(b"evaluation %d %d" % (self._seed, number)), sent, last_step)

    def screen(self, number: int, beacon: Digest, sent: Numbers, last_step: Numbers) -> Judged:
        """As :meth:`weigh`, by the sketch that ``beacon`` draws."""
        weights = self.weights()
        came = [place(client) for client in sorted(weights)]
        words = residues(np.vstack([sent[came], last_step]))
        sketch = sketch_of(beacon, sent.shape[1])
        rows = np.stack([sketch.of_words(one) for one in words])
        old = self._history.windows.openable()
        screened = Screened(
            label=sha256(b"label"),
            request=sha256(b"request"),
            round=number,
            terms=self._terms,
            noise=self._noise,
            weights=weights,
            counts={client: self._history.windows.count(client) for client in old},
            step_noise=self._step_noise,
            before=self._steps,
        )
        past = np.zeros((0, 0), np.int64)
        if old:
            past = square(centred(gram(self._history.sketched_all(sketch, number, old))), len(old))
        openings = Openings(square(centred(gram(rows)), len(rows)), centred(block_norms(rows[:-1])), past)
        verdict = decide_screened(screened, openings)
        if verdict.levels:
            self._levels = {entry.client: entry.level for entry in verdict.levels}
        row = {client: number for number, client in enumerate(screened.clients)}
        self._history.settle(number, {client: words[row[client]] for client in verdict.passed})
        in_sum = np.zeros(len(sent), np.int64)
        for client in verdict.accepted:
            in_sum[place(client)] = weights[client]
        self._steps, total = verdict.steps, int(in_sum.sum())
        if total:  # the model moves
            self._step_noise = mean_noise(self._noise, in_sum.tolist())
        return Judged(in_sum, verdict)

    def weights(self) -> dict[Address, int]:
        """As the next plan has them: of what a reputation gives the part that a level leaves, if that leaves anybody
        anything."""
        whole = dict.fromkeys(self._clients, MAX_LEVEL)
        if self._reputations is not None:
            most = self._reputations.maximum
            whole = {client: min(one, most) for client, one in self._reputations.planned().items()}
        left = {client: levelled(one, self._levels.get(client, MAX_LEVEL)) for client, one in whole.items()}
        return left if any(left.values()) else whole


@dataclass(frozen=True)
class Mean:
    """No defence."""

    def weigh(self, number: int, sent: Numbers, last_step: Numbers) -> Judged:
        return Judged(np.full(len(sent), MAX_LEVEL))


class PublishedFoolsGold:
    """On updates that everybody sees. Its sum is divided by its weights, as every other defence's here."""

    def __init__(self) -> None:
        self._histories: Reals | float = 0.0

    def weigh(self, number: int, sent: Numbers, last_step: Numbers) -> Judged:
        self._histories = self._histories + sent.astype(np.float64)
        return Judged(np.rint(MAX_LEVEL * 1000 * published_foolsgold(self._histories)).astype(np.int64))


@dataclass(frozen=True)
class PublishedMultiKrum:
    """On updates that everybody sees, told how many attackers there are; n - f are kept, as FoolsGold's authors do."""

    attackers: int

    def weigh(self, number: int, sent: Numbers, last_step: Numbers) -> Judged:
        suspects = max(0, min(self.attackers, (len(sent) - 3) // 2))
        scores = published_krum_scores(sent.astype(np.float64), suspects)
        weights = np.zeros(len(sent), np.int64)
        weights[np.argsort(scores, kind="stable")[: len(sent) - suspects]] = MAX_LEVEL
        return Judged(weights)
