"""A GramRequest names every opening of its round, in one form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.canonical import decode, encode
from protocol.errors import EncryptionError, Party
from protocol.messages.screening import GramRequest
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.screening.request import check_gram_request, gram_request

A, B, C = (bytes([k]) * 20 for k in (1, 2, 3))
LABEL, DRAWN, PUBLIC = b"L" * 32, b"b" * 32, (b"p" * 32,)
COMMITTED = {
    client: SignedCommitment(Commitment(1, 1, client, LABEL, client[:16], client[:1] * 32), client[:1] * 65)
    for client in (C, A, B)
}
REQUEST = gram_request(LABEL, DRAWN, COMMITTED, [C, A], PUBLIC, [B, A])


def test_it_is_in_one_form() -> None:
    check_gram_request(REQUEST, LABEL, DRAWN, PUBLIC, (A, B))
    assert [entry.client for entry in REQUEST.entries] == [A, C]
    assert [entry.ciphertext for entry in REQUEST.entries] == [A[:1] * 32, C[:1] * 32]
    assert decode(GramRequest, encode(REQUEST)) == REQUEST


def test_every_part_of_it_is_in_its_digest() -> None:
    other = b"x" * 32
    changed = [
        replace(REQUEST, label=other),
        replace(REQUEST, beacon=other),
        replace(REQUEST, entries=REQUEST.entries[:1]),
        replace(REQUEST, public=()),
        replace(REQUEST, histories=(A,)),
    ]
    assert len({request.digest() for request in (REQUEST, *changed)}) == 6
    for request in (changed[0], changed[1], changed[3], changed[4]):
        with pytest.raises(EncryptionError, match="E_PARAMS") as refused:
            check_gram_request(request, LABEL, DRAWN, PUBLIC, (A, B))
        assert refused.value.fault is Party.EDGE_SERVER


def test_clients_stand_in_order_and_once() -> None:
    first, last = REQUEST.entries
    for entries in ((last, first), (first, first)):
        with pytest.raises(EncryptionError, match="E_DUP_CLIENT"):
            check_gram_request(replace(REQUEST, entries=entries), LABEL, DRAWN, PUBLIC, (A, B))
