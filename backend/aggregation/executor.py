"""The port behind which the ciphertexts of a round are verified and added: in this process, or on several machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from backend.aggregation.fetching import Sleep
from backend.aggregation.verifier import VerifiedSum, verify_updates
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.round.scheme import RoundScheme
from storage.content.interface import ContentStore


class ExecutorError(HearthError):
    """Workers that cannot be used as they were asked for."""

    code = "E_EXECUTOR"


class Executor(Protocol):
    """Whatever is behind it, the verdict and the words of the sum are those of
    :func:`~backend.aggregation.verifier.verify_updates`."""

    def verify_updates(
        self,
        store: ContentStore,
        scheme: RoundScheme,
        committed: Mapping[Address, SignedCommitment],
        sleep: Sleep,
        decided: Verdict | None = None,
    ) -> tuple[Verdict, VerifiedSum]: ...


class InProcess:
    """One ciphertext after the other."""

    def verify_updates(
        self,
        store: ContentStore,
        scheme: RoundScheme,
        committed: Mapping[Address, SignedCommitment],
        sleep: Sleep,
        decided: Verdict | None = None,
    ) -> tuple[Verdict, VerifiedSum]:
        return verify_updates(store, scheme, committed, sleep, decided)


IN_PROCESS: Final = InProcess()
