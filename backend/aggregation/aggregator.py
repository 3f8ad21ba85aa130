"""The weighted sum of verified updates, decrypted with the committee's key, and the model's step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt

from backend.aggregation.verifier import VerifiedSum
from protocol.encryption.agreement import liars
from protocol.encryption.port import DecryptedSum
from protocol.errors import EncryptionError, MalformedError, Party
from protocol.messages.keys import KeyRequest
from protocol.model.trained import TrainedModel
from protocol.round.publication import Aggregate, Garbage
from protocol.round.scheme import RoundScheme


def decrypt_sum(
    scheme: RoundScheme,
    request: KeyRequest,
    total: VerifiedSum,
    partials: Mapping[int, bytes],
    step: Callable[[npt.NDArray[np.int64]], TrainedModel],
) -> Aggregate:
    """``step`` makes of the sums the model after the round; what it raises is raised.

    Raises EncryptionError when ``total`` is not of exactly the requested updates (``E_UNAVAILABLE``) or no
    ``threshold`` of ``partials`` decrypts it.

    With a wrong share among them, the largest set of shares that agree and decrypt the sum is taken. When sets of that
    size decrypt it with different keys, nothing tells which is right: ``E_SHARE_INCONSISTENT``.
    """
    if total.clients != {entry.client for entry in request.entries}:
        raise EncryptionError("a requested ciphertext is not in the sum", code="E_UNAVAILABLE")
    weights, words = [entry.weight for entry in request.entries], total.words
    for size in range(len(partials), scheme.t - 1, -1):
        found: dict[bytes, tuple[tuple[int, ...], DecryptedSum]] = {}
        for members in combinations(sorted(partials), size):
            try:
                key = scheme.combine({j: partials[j] for j in members})
                decrypted = scheme.decrypt(words, key, weights)
            except (EncryptionError, MalformedError):
                continue
            found[key] = members, decrypted
        if len(found) > 1:
            raise EncryptionError(
                f"partial keys of {sorted(partials)} decrypt the sum in {len(found)} ways",
                code="E_SHARE_INCONSISTENT",
                fault=Party.KEY_AUTHORITY,
            )
        for key, (members, decrypted) in found.items():
            accused = liars(partials, scheme.t, scheme.combine)
            if set(members) != partials.keys() - set(accused):
                accused = ()  # those who agree do not decrypt the sum: who lies is not known
            return Aggregate(decrypted, key, members, accused, step(decrypted.sums))
    raise EncryptionError("no set of partial keys decrypts the sum", code="E_COMMITTEE", fault=Party.KEY_AUTHORITY)


def garbage(scheme: RoundScheme, partials: Mapping[int, bytes], least: int) -> Garbage:
    """Of a sum that nothing opens, although ``least`` of the shares agree on the key, which is the right one then.

    Raises EncryptionError (``E_COMMITTEE``) when fewer agree: the shares may be to blame.
    """
    for size in range(len(partials), least - 1, -1):
        for members in combinations(sorted(partials), size):
            try:
                return Garbage(scheme.combine({j: partials[j] for j in members}), members)
            except (EncryptionError, MalformedError):
                continue
    raise EncryptionError("too few partial keys agree", code="E_COMMITTEE", fault=Party.KEY_AUTHORITY)
