"""The norm tests on what was opened: integers alone, so that everybody finds the same clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from protocol.errors import EncryptionError, Party, VerificationError
from protocol.screening.arithmetic import Integers
from protocol.screening.sketch import BLOCKS

PPM: Final = 1_000_000


def within_norms(norms: Integers, bound: int) -> list[bool]:
    """Whose update is no longer than an honest one. ``norms``: four for each client in turn; ``bound``: B.

    Each block's norm is ||v||^2 in the mean: at most 2 B^2 is allowed, and 5 B^2 for the four together. Four, because
    a single norm that wrapped modulo p can be made small; a negative one did wrap.
    """
    blocks = norms.reshape(-1, BLOCKS)
    within = (blocks >= 0) & (blocks <= 2 * bound**2)
    totals = np.where(within, blocks, 0).sum(axis=1)
    return [bool(each.all() and total <= 5 * bound**2) for each, total in zip(within, totals, strict=True)]


def check_own_norm(values: Integers, bound: int) -> None:
    """What a phone asks of its own update before it encrypts: ||v|| <= .98 B, else EncryptionError ``E_NORM``."""
    if 2500 * int(np.dot(values, values)) > 2401 * bound**2:
        raise EncryptionError(f"the update is longer than .98 of the bound {bound}", code="E_NORM")


def out_of_range(gram: Integers, chosen: Sequence[int]) -> frozenset[int]:
    """Of the clients ``chosen``, those whose inner products no vectors have: G_ij^2 > G_ii G_jj.

    In each such pair one update wrapped. Whoever is in most pairs goes first, until no pair is left.
    """
    kept = list(chosen)
    part = gram[np.ix_(kept, kept)].astype(object)
    diagonal = part.diagonal()
    wrong = (part * part > np.outer(diagonal, diagonal)).astype(bool) | (diagonal < 0)[:, None] | (diagonal < 0)
    counts, out = wrong.sum(axis=1), np.zeros(len(kept), bool)
    while len(kept) and counts.max() > 0:
        worst = counts == counts.max()
        out |= worst
        wrong[worst], wrong[:, worst] = False, False
        counts = wrong.sum(axis=1)
    return frozenset(client for client, gone in zip(kept, out, strict=True) if gone)


def check_diagonal(gram: Integers, norms: Integers) -> None:
    """That the two openings are of the same sketches: VerificationError ``E_GRAM_RANGE`` else.

    ``gram``: shape (n, n) or larger, the clients first; both centred modulo p, so sums that wrapped differ by p.
    """
    totals = norms.reshape(-1, BLOCKS).sum(axis=1)
    if ((gram.diagonal()[: len(totals)] - totals) % (2**48 - 59) != 0).any():
        message = "norms and inner products are not of the same sketches"
        raise VerificationError(message, code="E_GRAM_RANGE", fault=Party.KEY_AUTHORITY)


def noise_energy(coordinates: int, variance_micro: int) -> int:
    """E: expected squared norm of one update's noise, rounded down: of every coordinate's Gaussian with this variance
    (millionths of a unit squared) and of stochastic rounding, a sixth."""
    return coordinates * (6 * variance_micro + PPM) // (6 * PPM)


def mean_noise(noise: int, weights: Sequence[int]) -> int:
    """Expected squared norm of the noise in a weighted mean of updates; ``noise``: E, of one."""
    total = sum(weights)
    return noise * sum(weight**2 for weight in weights) // total**2 if total else 0


def corrected_norms(diagonal: Sequence[int], counts: Sequence[int], noise: int, floor_ppm: int) -> list[int]:
    """M_ii = G_ii - 4 c_i E: squared norms of histories less what their noise adds to them in the mean; E is ``noise``.

    Noise adds nothing to products of two clients, so that only the diagonal is too large, which is how noise hides
    equal updates from cosines. No less than ``floor_ppm`` of c_i E (so norms grow like sqrt(c_i) at least), and 1.
    """
    return [
        max(own - 4 * count * noise, floor_ppm * count * noise // PPM, 1)
        for own, count in zip(diagonal, counts, strict=True)
    ]


def too_long_histories(
    diagonal: Sequence[int], counts: Sequence[int], noise: int, clip: int, slack_ppm: int
) -> list[bool]:
    """Whose mean update is longer than a clipped one: G_ii - (4 + 3/2) c_i E > 4 c_i^2 C^2 (1 + slack).

    A sketch says 4 c_i E with a standard deviation of a sixteenth: six of them are nobody's fault.
    """
    return [
        PPM * (2 * own - 11 * count * noise) > 8 * (count * clip) ** 2 * (PPM + slack_ppm)
        for own, count in zip(diagonal, counts, strict=True)
    ]
