"""A client that gives two authorities different keys for one subset: one of the two holders refuses the envelope."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.encryption.committee import authority_share, draw_master_keys, subsets
from protocol.encryption.envelope import EncryptionKeyPair, KeyEnvelope, open_share, seal_envelope
from protocol.errors import EncryptionError, Party
from protocol.randomness import SeededRandomness
from protocol.signing import address_of
from tests.samples import DOMAIN, client_address, private_key

RANDOMNESS = SeededRandomness(b"split keys")
CLIENT = client_address(0)


@pytest.mark.parametrize(("m", "t"), [(3, 2), (4, 3), (7, 3), (7, 4)])
def test_different_keys_for_one_subset_are_refused(m: int, t: int) -> None:
    """The naive check, that every share opens, would pass: with the same salts, sealed shares can be mixed."""
    pairs = [EncryptionKeyPair(RANDOMNESS.draw(f"authority {j}", 96)) for j in range(1, m + 1)]
    members = [(address_of(private_key("authority", j)), pairs[j - 1].public_bytes()) for j in range(1, m + 1)]
    keys = draw_master_keys(RANDOMNESS, m, t, "keys")
    for subset in (subsets(m, t)[0], subsets(m, t)[-1]):
        other = {**keys, subset: bytes(32)}
        honest, changed = (
            seal_envelope(drawn, DOMAIN.prefix(), 1, 0, CLIENT, members, t, SeededRandomness(b"seal"))
            for drawn in (keys, other)
        )
        holders = [j for j in range(1, m + 1) if j not in subset]
        victim = holders[-1]
        shares = [(changed if j == victim else honest).shares[j - 1] for j in range(1, m + 1)]
        for commitments in (honest.commitments, changed.commitments):
            split = KeyEnvelope(1, 0, CLIENT, t, commitments, tuple(shares))
            assert _refusing(split, pairs) == ([victim] if commitments == honest.commitments else holders[:-1])
        assert _refusing(honest, pairs) == _refusing(changed, pairs) == []
        opened = {j: open_share(honest, DOMAIN.prefix(), j, pairs[j - 1]) for j in holders}
        assert opened == {j: authority_share(keys, j) for j in holders}


def test_a_share_is_bound_to_its_window() -> None:
    """Also where an authority had one key for two windows."""
    pairs = [EncryptionKeyPair(RANDOMNESS.draw(f"authority {j}", 96)) for j in (1, 2)]
    members = [(address_of(private_key("authority", j)), pairs[j - 1].public_bytes()) for j in (1, 2)]
    keys = draw_master_keys(RANDOMNESS, 2, 2, "keys")
    sealed = seal_envelope(keys, DOMAIN.prefix(), 1, 3, CLIENT, members, 2, SeededRandomness(b"seal"))
    assert _refusing(sealed, pairs) == []
    assert _refusing(replace(sealed, window=4), pairs) == [1, 2]


def _refusing(envelope: KeyEnvelope, pairs: list[EncryptionKeyPair]) -> list[int]:
    found = {}
    for j, pair in enumerate(pairs, start=1):
        try:
            open_share(envelope, DOMAIN.prefix(), j, pair)
        except EncryptionError as error:
            found[j] = error
    assert {(error.code, error.fault) for error in found.values()} <= {("E_ENROLMENT", Party.CLIENT)}
    return list(found)
