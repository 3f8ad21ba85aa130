"""Who sends the model's last step with noise of its own: found over rounds, by the noise that the step itself carries.

A step u is the mean of updates with fresh noise each, so it holds noise of its own. An honest update meets u in what
two rounds have in common; a copy meets its noise, too. By how much is known: by as much as that noise is long. One
round does not show it, as a sketch errs as much; a few do. Nothing is said where a step is mostly signal: then honest
clients differ by more than its noise, and a copy shows by its cosine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from protocol.identifiers import Address
from protocol.messages.screening import StepSum
from protocol.screening.krum import lower_median
from protocol.screening.sketch import ROWS

LEAST: Final = 3  # clients; fewer have no median that one of them does not make
SCALE: Final = 2**20  # of an excess in parts of the noise
_DEVIATIONS: Final = 4  # of the sketches' error, that an excess must be above


def add_steps(
    before: Sequence[StepSum],
    kept: Collection[Address],
    met: Mapping[Address, tuple[int, int]],
    step: int,
    noise: int,
    window: int,
) -> tuple[StepSum, ...]:
    """The sums after one more round, of ``kept`` clients and those that ``met`` the step, ascending.

    What was ``before`` fades, to a part of 1/e in R rounds. ``met``: <z_i, z_u> and <z_i, z_i> of the accepted;
    ``step``: <z_u, z_u>, 0 without a step; ``noise``: expected squared norm of the noise in u; ``window``: R. A sketch
    errs by a root of <z_i, z_i> <z_u, z_u> / 512 in <z_i, z_u>. A round counts where noise is two thirds of u's squared
    length or more: then an honest client must have twice the median's signal along u to look like half a copy.
    """
    sums = {
        one.client: [
            one.excess * (window - 1) // window,
            one.noise * (window - 1) // window,
            one.error * (window - 1) ** 2 // window**2,
        ]
        for one in before
        if one.client in kept or one.client in met
    }
    if len(met) >= LEAST and 0 < step <= 6 * noise:
        middle = lower_median([product for product, _ in met.values()])
        for client, (product, own) in met.items():
            held = sums.setdefault(client, [0, 0, 0])
            held[0] += product - middle
            held[1] += 4 * noise
            held[2] += own * step
    return tuple(StepSum(client, *held) for client, held in sorted(sums.items()) if held[1] > 0)


def copied_steps(sums: Sequence[StepSum], standing: Collection[Address]) -> frozenset[Address]:
    """Whose excess above the lower median of those ``standing``, in parts of the noise, is above half of it and above
    four deviations of its own error: a copy's is all of the noise. The second median is for many who lower each
    round's."""
    rates = [one.excess * SCALE // one.noise for one in sums if one.client in standing]
    if len(rates) < LEAST:
        return frozenset()
    middle, found = lower_median(rates), set[Address]()
    for one in sums:
        above = one.excess - middle * one.noise // SCALE
        if 2 * above > one.noise and ROWS * above**2 > _DEVIATIONS**2 * one.error:
            found.add(one.client)
    return frozenset(found)
