"""A cohort that a quorum of authorities derived: what they need for it, and whose word counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from protocol.canonical import encode
from protocol.errors import EncryptionError, HearthError, VerificationError
from protocol.identifiers import Digest, sha256
from protocol.messages.chain import RoundOpened
from protocol.messages.round import SignedEndorsement
from protocol.messages.task import Committee
from protocol.round.draw import drawn
from protocol.round.endorsing import check_cohort, check_endorsements, endorsement_of, evidence_for
from protocol.task.documents import Kind, UnderivableError, there
from protocol.task.past import allocation_before
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key
from tests.unit.protocol.task.told_task import CLIENTS, ToldTask

SIGNERS = [Signer(private_key("authority", j)) for j in (1, 2, 3, 4, 5)]
COMMITTEE = Committee(2, tuple(signer.address for signer in SIGNERS), 1)
LABEL = sha256(b"label")
BEACON = b"\7" * 32


def endorsement(j: int, number: int = 2, label: bytes = LABEL, by: int | None = None) -> SignedEndorsement:
    said = endorsement_of(1, number, label, SIGNERS[j - 1].address)
    return SignedEndorsement(said, SIGNERS[(by or j) - 1].sign(DOMAIN, said))


def check(*endorsements: SignedEndorsement) -> None:
    check_endorsements(DOMAIN, COMMITTEE, 1, 2, LABEL, endorsements)


def test_a_quorum_is_enough() -> None:
    assert COMMITTEE.quorum == 4
    check(*map(endorsement, (1, 2, 4, 5)))
    check(*map(endorsement, (1, 2, 3, 4, 5)))


@pytest.mark.parametrize(
    "endorsements",
    [
        [],
        [endorsement(1), endorsement(2), endorsement(3)],
        [endorsement(1), endorsement(2), endorsement(3), endorsement(3)],
        [endorsement(2), endorsement(1), endorsement(3), endorsement(4)],
        [endorsement(1), endorsement(2), endorsement(3), endorsement(4, number=1)],
        [endorsement(1), endorsement(2), endorsement(3), endorsement(4, label=sha256(b"other"))],
        [endorsement(1), endorsement(2), endorsement(3), endorsement(4, by=5)],
    ],
    ids=["none", "too few", "one twice", "out of order", "another round", "another label", "signed by another"],
)
def test_anything_else_is_none(endorsements: Sequence[SignedEndorsement]) -> None:
    with pytest.raises(EncryptionError) as caught:
        check(*endorsements)
    assert caught.value.code == "E_ENDORSEMENTS"


class Drawn(ToldTask):
    """Round 2 is opened with two of three, drawn or not."""

    def __init__(self, right: bool = True) -> None:
        super().__init__(max_cohort=2)
        self.events.pop()
        self.plans.pop()
        two = drawn(CLIENTS, 2, BEACON, 1, 2)
        planned = two if right else {*list(two)[:1], *(set(CLIENTS) - two)}
        before = there(allocation_before(self.state(), 2))
        reputations = {entry.client: entry.reputation for entry in before.entitlements}
        self.open(2, self.model, {client: reputations[client] for client in planned})
        opened = self.events.pop()
        assert isinstance(opened, RoundOpened)
        self.events.append(replace(opened, beacon=BEACON, cohort=2))

    def evidence(self) -> list[bytes]:
        wanted = evidence_for(self.state(), self.spec, 2)
        return [encode(self.spec), *(self.contents[document.digest] for document in wanted)]


def test_an_authority_derives_the_draw_from_its_chain_and_what_it_is_shown() -> None:
    told, wrong = Drawn(), Drawn(right=False)
    check_cohort(told.events, told.spec, told.plans[1], told.evidence())
    with pytest.raises(VerificationError, match="drawn"):
        check_cohort(wrong.events, wrong.spec, wrong.plans[1], wrong.evidence())


@pytest.mark.parametrize("kind", [Kind.PLAN, Kind.RECORD, Kind.ALLOCATION])
def test_without_a_document_from_which_it_follows_nothing_is_signed(kind: Kind) -> None:
    told = Drawn()

    def shown(without: Digest) -> list[bytes]:
        return [body for body in told.evidence() if body != told.contents[without]]

    missing = next(document.digest for document in evidence_for(told.state(), told.spec, 2) if document.kind is kind)
    with pytest.raises(UnderivableError):
        check_cohort(told.events, told.spec, told.plans[1], shown(missing))


def test_another_document_in_its_place_is_none() -> None:
    told = Drawn()
    evidence = [body if body == encode(told.spec) else body[:-1] + b" " for body in told.evidence()]
    with pytest.raises(UnderivableError):
        check_cohort(told.events, told.spec, told.plans[1], evidence)


def test_where_nobody_is_drawn_the_chain_alone_decides() -> None:
    told = ToldTask()
    assert not list(evidence_for(told.state(), told.spec, 2))
    check_cohort(told.events, told.spec, told.plans[1], [encode(told.spec)])
    others = [event for event in told.events if getattr(event, "held", None) is None]
    with pytest.raises(HearthError, match="not in the rosters"):
        check_cohort(others, told.spec, told.plans[1], [encode(told.spec)])
    with pytest.raises(UnderivableError, match="not opened"):
        check_cohort(told.events[:-1], told.spec, told.plans[1], [encode(told.spec)])
