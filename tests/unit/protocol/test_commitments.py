"""Whose signature counts: that of the key which a client named when it enrolled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import EncryptionError, Party, VerificationError
from protocol.identifiers import Address
from protocol.messages.submission import SignedCommitment
from protocol.round.commitments import batch_of, verify_batch, verify_commitment
from protocol.round.key_request import check_request, key_request
from protocol.signing import address_of, sign
from tests.samples import DOMAIN, private_key
from tests.unit.backend.rounds.scene_round import CLIENTS, PlannedRound

SCENE = PlannedRound()
WALLET, NAMED = CLIENTS[0], private_key("named", 0)
SIGNER = replace(SCENE.committed[WALLET], signature=sign(DOMAIN, SCENE.committed[WALLET].commitment, NAMED))


def _own(client: Address) -> Address:
    return client


def _named(client: Address) -> Address:
    return address_of(NAMED) if client == WALLET else client


@pytest.mark.parametrize(("signed", "counts"), [(SIGNER, True), (SCENE.committed[WALLET], False)])
def test_the_named_key_alone_signs_for_its_client(signed: SignedCommitment, counts: bool) -> None:
    committed = {**SCENE.committed, WALLET: signed}
    batch, request = batch_of(committed.values()), key_request(SCENE.plan, committed, CLIENTS)
    good, bad = (_named, _own) if counts else (_own, _named)
    verify_commitment(SCENE.plan, signed, good)
    verify_batch(SCENE.plan, batch, good)
    check_request(SCENE.plan, request, good)
    with pytest.raises(VerificationError) as caught:
        verify_commitment(SCENE.plan, signed, bad)
    assert caught.value.fault is Party.CLIENT
    with pytest.raises(VerificationError):
        verify_batch(SCENE.plan, batch, bad)
    with pytest.raises(EncryptionError, match="E_BAD_SIG"):
        check_request(SCENE.plan, request, bad)
