"""Sums that hide nobody: too few clients, one that outweighs the rest, more than the words hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.cohort import sum_of
from protocol.encryption.suite import suite
from protocol.errors import EncryptionError, Party
from protocol.identifiers import Address
from protocol.messages.keys import SUM, KeyRequest
from protocol.messages.round import ClientWeight, RoundPlan
from protocol.round.key_request import check_parameters, check_quorum, check_request
from tests.attacks.encryption.played_round import SETTINGS
from tests.oracles import fe64, pad
from tests.samples import with_terms
from tests.unit.backend.key_authority.scene import CLIENTS, plan, request

every_suite = pytest.mark.parametrize("name", SETTINGS)


def planned(name: str, weights: Sequence[int], bits: int = 16, **changes: Any) -> RoundPlan:
    """A plan of the three clients under the suite of that name."""
    scheme, packing = SETTINGS[name]
    learning = with_terms(plan().learning, bits=bits, packing=packing)
    cohort = tuple(ClientWeight(client, weight) for client, weight in zip(CLIENTS, weights, strict=True))
    return plan(suite=scheme, learning=learning, weights=cohort, cohort=sum_of(cohort), **changes)


def own_key(client: Address) -> Address:
    """Nobody here named another one."""
    return client


def refused(under: RoundPlan, shown: KeyRequest) -> str:
    check_parameters(under, shown, 0)
    with pytest.raises(EncryptionError) as caught:
        check_request(under, shown, own_key)
    assert caught.value.fault is Party.EDGE_SERVER
    return caught.value.code


@every_suite
def test_an_honest_request_passes(name: str) -> None:
    under = planned(name, (2, 3, 4))
    check_parameters(under, request(under), 0)
    check_request(under, request(under), own_key)


def test_the_sum_of_two_very_different_weights_is_one_client() -> None:
    """Function leakage, which no encryption stops: of y = (1, 255) the sum shows the second's upper 8 bits."""
    rng = np.random.default_rng(4)
    light, heavy = rng.integers(-32_767, 32_768, (2, 10_000))
    read = np.rint((light + 255 * heavy) / 255)
    assert np.abs(read - heavy).max() <= 129
    with pytest.raises(EncryptionError, match="E_CONCENTRATION"):
        check_quorum([1, 255], 2, 700_000)


@every_suite
def test_an_overweight_client_is_refused(name: str) -> None:
    under = planned(name, (2, 255, 4), bits=8)
    assert refused(under, request(under)) == "E_CONCENTRATION"
    strict = planned(name, (2, 2, 2), max_share_ppm=333_332)
    assert refused(strict, request(strict)) == "E_CONCENTRATION"
    check_request(fair := planned(name, (2, 2, 2), max_share_ppm=333_334), request(fair), own_key)


@every_suite
def test_a_set_that_is_too_small_is_refused(name: str) -> None:
    """One client is its own sum, whatever the plan says; and a plan may ask for more than two."""
    lone = planned(name, (2, 2, 2), min_clients=0, max_share_ppm=1_000_000)
    assert refused(lone, request(lone, CLIENTS[:1])) == "E_MIN_PARTICIPANTS"
    under = planned(name, (2, 2, 2), min_clients=3)
    assert refused(under, request(under, CLIENTS[:2])) == "E_MIN_PARTICIPANTS"


@every_suite
def test_one_owner_of_all_the_others_is_not_noticed(name: str) -> None:
    """A limit: every check passes, and whoever sent the other updates subtracts them (docs/adr/0013)."""
    under = planned(name, (2, 2, 2))
    check_request(under, request(under), own_key)
    rng = np.random.default_rng(5)
    victim, *own = rng.integers(-32_767, 32_768, (3, 100))
    summed = 2 * (victim + own[0] + own[1])
    assert np.array_equal(summed // 2 - own[0] - own[1], victim)


@every_suite
def test_a_client_twice_is_not_two_clients(name: str) -> None:
    under = planned(name, (2, 2, 2))
    assert refused(under, request(under, (CLIENTS[0], CLIENTS[0], CLIENTS[1]))) == "E_DUP_CLIENT"


@every_suite
def test_another_weight_than_the_plans_is_refused(name: str) -> None:
    under, other = planned(name, (2, 3, 4)), planned(name, (2, 3, 5))
    entries = request(under).entries
    shown = KeyRequest(under.label(), SUM, (*entries[:2], replace(entries[2], weight=5)))
    assert refused(under, shown) == "E_WEIGHT"
    others = KeyRequest(under.label(), SUM, request(other).entries)
    assert refused(under, others) == "E_BAD_SIG"  # signed under its label


@pytest.mark.parametrize(("name", "bits"), [("fe64", 27), ("pad 4", 30)])
def test_sums_that_would_overflow_are_refused(name: str, bits: int) -> None:
    """The naive sums come out wrong: a field runs into its neighbour, a word wraps around."""
    if name == "fe64":
        field = 2 * (2**bits - 1)
        assert field > 2 ** fe64.WIDTHS[2] - 1
    else:
        values = [[2 ** (bits - 1) - 1]] * 5
        p = pad.PRIME_OF_WIDTH[4]
        summed = pad.weighted_sum([[value % p for value in row] for row in values], [1] * 5, 4)
        assert pad.decrypted(summed, [0], 4) != [5 * values[0][0]]
    scheme, packing = SETTINGS[name]
    with pytest.raises(EncryptionError) as caught:
        suite(scheme).encoding_for(bits - 1 if name == "fe64" else bits, packing).check_budget([1] * 5)
    assert caught.value.code == "E_BUDGET"
    under = planned(name, (200, 200, 200), bits=26)
    assert refused(under, request(under)) == "E_BUDGET"
