"""The mask: zero at 0, of degree 2(t-1) exactly, and of full rank for whoever lacks one subset's keys."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from protocol.encryption.committee import subsets
from protocol.errors import EncryptionError
from protocol.identifiers import sha256
from protocol.screening.mask import KINDS, Masked, add_mask, mask_coefficients
from tests.oracles import screening as oracle
from tests.unit.protocol.screening.screened_cohort import REQUEST, Cohort

P = oracle.P
COMMITTEES = ((3, 2), (4, 2), (5, 2), (6, 3), (7, 3))


def rank(rows: list[list[int]]) -> int:
    """Modulo p."""
    rows, found = [list(row) for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column] % P), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        inverse = pow(rows[found][column], -1, P)
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] * inverse
            rows[i] = [(a - factor * b) % P for a, b in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


@pytest.mark.parametrize(("m", "t"), COMMITTEES)
def test_a_coalition_lacks_as_many_streams_as_honest_answers_are_free(m: int, t: int) -> None:
    for coalition in combinations(range(1, m + 1), t - 1):
        honest = [j for j in range(1, m + 1) if j not in coalition]
        lacked = {name for j in honest for name in mask_coefficients(m, t, j)}
        lacked -= {name for j in coalition for name in mask_coefficients(m, t, j)}
        assert lacked == {(coalition, q) for q in range(1, t)}
        matrix = [[mask_coefficients(m, t, j)[name] for name in sorted(lacked)] for j in honest]
        assert rank(matrix) == t - 1
        # as much as 2 t - 1 answers leave open when the coalition's and the opened value are known
        assert t - 1 == 2 * (t - 1) + 1 - len(coalition) - 1


@pytest.mark.parametrize(("m", "t"), COMMITTEES)
def test_masks_of_every_quorum_add_up_to_zero_and_of_fewer_to_nothing(m: int, t: int) -> None:
    cohort, masks = Cohort(m, t, np.zeros((2, 1), np.int64)), {}
    for j in range(1, m + 1):
        zero = np.zeros(50, np.uint64)
        add_mask(zero, j, m, t, b"gram", cohort.label, REQUEST, cohort.entries(j))
        masks[j] = zero.tolist()
    for quorum in combinations(masks, 2 * t - 1):
        assert oracle.at_zero({j: masks[j] for j in quorum}) == [0] * 50
    for fewer in combinations(masks, 2 * t - 2):
        assert 0 not in oracle.at_zero({j: masks[j] for j in fewer})


def test_every_opening_and_every_client_changes_the_mask() -> None:
    cohort = Cohort(3, 2, np.zeros((3, 1), np.int64))
    entries = cohort.entries(1)
    other = Masked(entries[0].client, sha256(b"another")[:16], entries[0].share)
    cases = [
        *((kind, cohort.label, REQUEST, entries) for kind in KINDS),
        (b"gram", sha256(b"another"), REQUEST, entries),
        (b"gram", cohort.label, sha256(b"another"), entries),
        (b"gram", cohort.label, REQUEST, entries[1:]),
        (b"gram", cohort.label, REQUEST, [other, *entries[1:]]),
    ]
    seen = set()
    for kind, label, request, chosen in cases:
        zero = np.zeros(3, np.uint64)
        add_mask(zero, 1, 3, 2, kind, label, request, chosen)
        seen.add(zero.tobytes())
    assert len(seen) == len(cases)


def test_what_a_mask_is_not_made_of() -> None:
    cohort, words = Cohort(3, 2, np.zeros((2, 1), np.int64)), np.zeros(3, np.uint64)
    entries = cohort.entries(1)
    for j, kind, label, chosen in (
        (1, b"game", cohort.label, entries),
        (1, b"gram", cohort.label[1:], entries),
        (1, b"gram", cohort.label, []),
        (2, b"gram", cohort.label, entries),
        (4, b"gram", cohort.label, entries),
        (1, b"gram", cohort.label, [Masked(b"short", entries[0].nonce, entries[0].share)]),
    ):
        with pytest.raises(EncryptionError, match="E_PARAMS"):
            add_mask(words, j, 3, 2, kind, label, REQUEST, chosen)
    assert not words.any()
    assert len(subsets(12, 5)) == 495
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        mask_coefficients(12, 5, 12)
