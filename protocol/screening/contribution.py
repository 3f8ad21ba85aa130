"""What each accepted update contributed, and who rides free: from openings alone, in parts per million."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from protocol.identifiers import Address
from protocol.messages.screening import ClientShare
from protocol.screening.arithmetic import Integers
from protocol.screening.krum import lower_median
from protocol.screening.norms import PPM, corrected_norms


def contribution_shares(
    accepted: Sequence[Address],
    idle: Collection[Address],
    aligned: Mapping[Address, int],
    projected: Mapping[Address, int],
) -> tuple[ClientShare, ...]:
    """Each client's part of all positive scores of the accepted ones, rounded down; 0 for a score that is not there,
    and for an idle client, who is not counted either.

    ``aligned``: s_i of histories. ``projected``: :func:`projections`.
    """
    of_aligned = _parts([0 if client in idle else aligned.get(client, 0) for client in accepted])
    of_projected = _parts([0 if client in idle else projected.get(client, 0) for client in accepted])
    return tuple(map(ClientShare, accepted, of_aligned, of_projected))


def projections(gram: Integers, weights: Sequence[int], noise: int) -> list[int]:
    """<v_i, sum of y_j v_j> over the accepted clients, fourfold as sketches have it, less 4 y_i E: what each one's own
    noise adds to its product with a sum that it is in. ``gram``: theirs, shape (n, n); ``noise``: E."""
    rows: list[list[int]] = gram.tolist()
    return [
        sum(y * product for y, product in zip(weights, row, strict=True)) - 4 * own * noise
        for row, own in zip(rows, weights, strict=True)
    ]


def idle_by_length(diagonal: Sequence[int], counts: Sequence[int], noise: int, idle_ppm: int) -> frozenset[int]:
    """Whose history is shorter, by squared length of its mean update less its noise, than ``idle_ppm`` of the lower
    median. Nobody while that median says less than the noise: then none is known to be short."""
    if not counts:
        return frozenset()
    lengths = [(own - 4 * c * noise) // c**2 for own, c in zip(diagonal, counts, strict=True)]
    middle = lower_median(lengths)
    if middle <= 0 or middle * min(counts) < noise:
        return frozenset()
    return frozenset(i for i, length in enumerate(lengths) if length * PPM < idle_ppm * middle)


def idle_by_alignment(scores: Sequence[int] | None, idle_ppm: int) -> frozenset[int]:
    """Whose |s_i| is below ``idle_ppm`` of the lower median; nobody where that is not positive."""
    middle = lower_median(list(scores)) if scores else 0
    if scores is None or middle <= 0:
        return frozenset()
    return frozenset(i for i, score in enumerate(scores) if abs(score) * PPM < idle_ppm * middle)


def copies(gram: Integers, clients: int, noise: int, floor_ppm: int, copy_ppm: int) -> frozenset[int]:
    """Whose |cosine| with one of the public vectors, which follow the clients in ``gram``, is at least ``copy_ppm``.

    With the client's length less its noise, so that noise hides no copy.
    """
    rows: list[list[int]] = gram.tolist()
    own = corrected_norms([rows[i][i] for i in range(clients)], [1] * clients, noise, floor_ppm)
    return frozenset(
        i
        for i in range(clients)
        for u in range(clients, len(rows))
        if rows[u][u] > 0 and (rows[i][u] * PPM) ** 2 >= copy_ppm**2 * own[i] * rows[u][u]
    )


def _parts(scores: list[int]) -> list[int]:
    positive = [max(0, score) for score in scores]
    total = sum(positive)
    return [PPM * score // total if total else 0 for score in positive]
