"""The checks of ``encryption.md`` 3.8 by name and in their order, against real signatures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.cohort import sum_of
from protocol.errors import EncryptionError, Party
from protocol.identifiers import ZERO_DIGEST, Address, sha256
from protocol.messages.keys import SUM, KeyRequest, KeyRequestEntry
from protocol.messages.round import ClientWeight, RoundPlan
from protocol.messages.submission import Commitment
from protocol.round.key_request import check_parameters, check_quorum, check_request
from protocol.signing import sign
from tests.samples import DOMAIN, client_address, private_key, sample_spec, with_terms

KEY_OF = {client_address(number): private_key("client", number) for number in range(4)}
CLIENTS = sorted(KEY_OF)
ORDER = [
    "E_DUP_CLIENT",
    "E_UNKNOWN_CLIENT",
    "E_BAD_SIG",
    "E_WEIGHT",
    "E_MIN_PARTICIPANTS",
    "E_CONCENTRATION",
    "E_BUDGET",
]


WEIGHTS = tuple(ClientWeight(client, weight) for client, weight in zip(CLIENTS[:3], (2, 3, 4), strict=True))


def _own_key(client: Address) -> Address:
    return client


def _plan(**changes: Any) -> RoundPlan:
    """Three of the four clients are planned, with weights 2, 3, 4."""
    spec = sample_spec()
    plan = RoundPlan(
        suite="FE64-A/1",
        chain_id=DOMAIN.chain_id,
        ledger=DOMAIN.ledger,
        task=1,
        round=1,
        spec=b"\1" * 32,
        committee=b"\2" * 32,
        key_epoch=1,
        previous_label=ZERO_DIGEST,
        model=b"\3" * 32,
        dimension=10,
        learning=spec.learning,
        min_clients=2,
        max_clients=5,
        max_share_ppm=600_000,
        weights=WEIGHTS,
        cohort=sum_of(WEIGHTS),
        commit_seconds=1,
        settle_seconds=1,
    )
    return replace(plan, **changes)


def _entry(
    plan: RoundPlan, client: Address, weight: int | None = None, signer: Address | None = None
) -> KeyRequestEntry:
    commitment = Commitment(plan.task, plan.round, client, plan.label(), bytes(16), sha256(client))
    signature = sign(DOMAIN, commitment, KEY_OF[signer or client])
    return KeyRequestEntry(client, bytes(16), sha256(client), weight or plan.weight_of(client) or 1, signature)


def _request(plan: RoundPlan, *clients: int) -> KeyRequest:
    return KeyRequest(plan.label(), SUM, tuple(_entry(plan, CLIENTS[number]) for number in clients))


def _refused(plan: RoundPlan, request: KeyRequest) -> str:
    with pytest.raises(EncryptionError) as caught:
        check_request(plan, request, _own_key)
    assert caught.value.fault is Party.EDGE_SERVER
    return caught.value.code


def test_an_honest_request_passes() -> None:
    plan = _plan()
    for clients in ((0, 1, 2), (0, 1), (1, 2)):
        check_parameters(plan, _request(plan, *clients), 0)
        check_request(plan, _request(plan, *clients), _own_key)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"suite": "PAD/9"}, "E_PARAMS"),
        ({"learning": with_terms(sample_spec().learning, bits=28)}, "E_PARAMS"),
        ({"key_epoch": 2}, "E_EPOCH"),
        ({"key_epoch": 2, "suite": "PAD/9"}, "E_PARAMS"),
    ],
)
def test_parameters(changes: dict[str, Any], code: str) -> None:
    plan = _plan(**changes)
    with pytest.raises(EncryptionError) as caught:
        check_parameters(plan, _request(plan, 0, 1), 0)
    assert (caught.value.code, caught.value.fault) == (code, Party.EDGE_SERVER)


def test_a_request_under_another_label() -> None:
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        check_parameters(_plan(), _request(_plan(round=2), 0, 1), 0)


def test_clients_strictly_ascending_and_planned() -> None:
    plan = _plan()
    assert _refused(plan, _request(plan, 0, 0, 1)) == "E_DUP_CLIENT"
    assert _refused(plan, _request(plan, 1, 0)) == "E_DUP_CLIENT"
    assert _refused(plan, _request(plan, 0, 3)) == "E_UNKNOWN_CLIENT"


def test_signatures_are_of_this_label_and_this_client() -> None:
    plan = _plan()
    good = _request(plan, 0, 1).entries
    elsewhere = _entry(_plan(round=2), CLIENTS[0])
    high_v = replace(good[0], signature=good[0].signature[:64] + b"\1")
    for bad in (
        elsewhere,
        high_v,
        _entry(plan, CLIENTS[0], signer=CLIENTS[1]),
        replace(good[0], nonce=b"\1" * 16),
        replace(good[0], ciphertext=bytes(32)),
        replace(good[0], signature=bytes(65)),
    ):
        assert _refused(plan, KeyRequest(plan.label(), SUM, (bad, good[1]))) == "E_BAD_SIG"


def test_weights_are_the_plans() -> None:
    plan = _plan()
    for weight in (1, 3, 255):
        request = KeyRequest(plan.label(), SUM, (_entry(plan, CLIENTS[0], weight), _entry(plan, CLIENTS[1])))
        assert _refused(plan, request) == "E_WEIGHT"


def test_too_few_or_mostly_one() -> None:
    plan = _plan(min_clients=3)
    assert _refused(plan, _request(plan, 0, 1)) == "E_MIN_PARTICIPANTS"
    strict, enough = _plan(max_share_ppm=571_428), _plan(max_share_ppm=571_429)  # the larger share is 4 / 7
    assert _refused(strict, _request(strict, 1, 2)) == "E_CONCENTRATION"
    check_request(enough, _request(enough, 1, 2), _own_key)


def test_sums_that_would_overflow() -> None:
    for learning in ({"bits": 26}, {"bits": 13, "packing": 4}):
        plan = _plan(learning=with_terms(sample_spec().learning, **learning))
        assert _refused(plan, _request(plan, 0, 1, 2)) == "E_BUDGET"
    heavy = tuple(ClientWeight(client, 255) for client in CLIENTS[:3])
    plan = _plan(learning=with_terms(sample_spec().learning, bits=8), weights=heavy)
    assert _refused(plan, _request(plan, 0, 1, 2)) == "E_BUDGET"


def test_the_first_failing_check_gives_its_name() -> None:
    """Each request fails all checks from one on; only the first is named."""
    plan = _plan(min_clients=4, max_share_ppm=1, learning=with_terms(sample_spec().learning, bits=26))
    low, middle = _entry(plan, CLIENTS[0]), _entry(plan, CLIENTS[1])
    heavy = _entry(plan, CLIENTS[1], 9)
    unsigned = replace(heavy, signature=bytes(65))
    stranger = replace(_entry(plan, CLIENTS[3]), signature=bytes(65))
    enough = replace(plan, min_clients=2)
    spread = replace(enough, max_share_ppm=1_000_000)
    cases = [
        (plan, (unsigned, stranger, stranger)),
        (plan, (unsigned, stranger)),
        (plan, (unsigned,)),
        (plan, (heavy,)),
        (plan, (low, middle)),
        (enough, None),
        (spread, None),
    ]
    found = []
    for under, entries in cases:
        request = _request(under, 0, 1) if entries is None else KeyRequest(under.label(), SUM, entries)
        found.append(_refused(under, request))
    assert found == ORDER


@given(st.lists(st.integers(1, 255), max_size=12), st.integers(0, 12), st.integers(0, 1_000_000))
def test_quorum_is_count_and_largest_share(weights: list[int], min_clients: int, max_share_ppm: int) -> None:
    few = len(weights) < max(2, min_clients)
    if few or max(weights) * 1_000_000 > max_share_ppm * sum(weights):
        with pytest.raises(EncryptionError) as caught:
            check_quorum(weights, min_clients, max_share_ppm)
        assert caught.value.code == ("E_MIN_PARTICIPANTS" if few else "E_CONCENTRATION")
    else:
        check_quorum(weights, min_clients, max_share_ppm)


def test_one_client_is_never_a_sum() -> None:
    with pytest.raises(EncryptionError, match="E_MIN_PARTICIPANTS"):
        check_quorum([1], 0, 1_000_000)
