"""Sightings: how many are a quorum, and what counts as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations

import pytest

from protocol.errors import EncryptionError, MalformedError
from protocol.identifiers import sha256
from protocol.messages.keys import SUM, SightingStatement, SignedSighting
from protocol.messages.task import Committee
from protocol.round.sightings import check_sightings, in_order, sighting
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key

SIGNERS = [Signer(private_key("authority", j)) for j in (1, 2, 3, 4, 5)]
COMMITTEE = Committee(3, tuple(signer.address for signer in SIGNERS), 1)
LABEL, DIGEST, OTHER = sha256(b"label"), sha256(b"request"), sha256(b"other")
SEEN = partial(sighting, 1, 2, SUM, LABEL, DIGEST)


def signed(j: int, **changes: object) -> SignedSighting:
    said: SightingStatement = replace(SEEN(SIGNERS[j - 1].address), **changes)  # type: ignore[arg-type]
    return SignedSighting(said, SIGNERS[j - 1].sign(DOMAIN, said))


@pytest.mark.parametrize("m", range(2, 8))
def test_two_quorums_share_an_honest_member_and_no_smaller_number_would_do(m: int) -> None:
    """Over all sets: a request that a quorum saw is the only one that a quorum can see."""
    for corrupt in range(m):
        members = COMMITTEE.members[:1] * m
        quorum = Committee(m, members, corrupt).quorum
        everybody = range(m)
        for size, shares in ((quorum, True), (quorum - 1, False)):
            least = min(
                len({*one} & {*other})
                for one in combinations(everybody, size)
                for other in combinations(everybody, size)
            )
            assert (least > corrupt) is shares


def test_five_with_one_corrupt_need_four() -> None:
    assert COMMITTEE.quorum == 4
    assert [replace(COMMITTEE, members=COMMITTEE.members[:m], threshold=2).quorum for m in (2, 3, 4)] == [2, 3, 3]
    assert replace(COMMITTEE, corrupt=0).quorum == 3


def test_a_committee_whose_corrupt_members_could_open_alone_is_refused() -> None:
    with pytest.raises(MalformedError, match="3 corrupt members reach the threshold of 3"):
        replace(COMMITTEE, corrupt=3)


def test_a_quorum_in_the_order_of_the_committee_passes() -> None:
    for absent in range(5):
        check_sightings(DOMAIN, COMMITTEE, SEEN, [signed(j + 1) for j in range(5) if j != absent])
    found = {signed(j).statement.authority: signed(j) for j in (4, 2, 5, 1)}
    assert in_order(COMMITTEE, found) == tuple(signed(j) for j in (1, 2, 4, 5))
    check_sightings(DOMAIN, COMMITTEE, SEEN, in_order(COMMITTEE, found))


def _forged() -> SignedSighting:
    return replace(signed(4), signature=signed(3).signature)


def _of_a_stranger() -> SignedSighting:
    stranger = Signer(private_key("stranger"))
    return SignedSighting(SEEN(stranger.address), stranger.sign(DOMAIN, SEEN(stranger.address)))


@pytest.mark.parametrize(
    "fourth",
    [
        lambda: signed(3),
        lambda: signed(4, digest=OTHER),
        lambda: signed(4, label=OTHER),
        lambda: signed(4, kind=OTHER),
        lambda: signed(4, round=3),
        lambda: signed(4, task=2),
        lambda: SignedSighting(SEEN(SIGNERS[3].address), signed(4, digest=OTHER).signature),
        lambda: SignedSighting(signed(4, digest=OTHER).statement, signed(4).signature),
        _forged,
        _of_a_stranger,
    ],
)
def test_what_is_no_fourth_sighting_of_this_request(fourth: Callable[[], SignedSighting]) -> None:
    three = [signed(j) for j in (1, 2, 3)]
    for sightings in (three, [*three, fourth()], [fourth(), *three], [three[1], three[0], three[2], signed(4)]):
        with pytest.raises(EncryptionError) as caught:
            check_sightings(DOMAIN, COMMITTEE, SEEN, sightings)
        assert caught.value.code == "E_SIGHTINGS"
    check_sightings(DOMAIN, COMMITTEE, SEEN, [*three, signed(4)])
