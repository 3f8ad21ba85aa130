"""What a key authority issues keys for: its operator's policy, held against a task. Pure: files are read elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.messages.task import TaskSpec
from protocol.round.planning import sent_parameters
from protocol.round.scheme import encoding_of
from protocol.strict_toml import parse_toml
from protocol.task.limits import CohortLimits, Confirmations, Most, at_least, at_most, check_cohort_limits
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits


@dataclass(frozen=True, slots=True)
class ChainLimits:
    min_confirmations: Confirmations = 3


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """``key_bytes``: of one answer; making it takes about sixteen times that in memory."""

    key_bytes: Most = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AuthorityPolicy:
    """One table of the file each."""

    cohort: CohortLimits = field(default_factory=CohortLimits)
    chain: ChainLimits = ChainLimits()
    work: WorkLimits = WorkLimits()
    gas: GasLimits = DEFAULT_GAS_LIMITS


def parse_policy(data: bytes) -> AuthorityPolicy:
    """Raises MalformedError that names the first line which cannot stand."""
    return parse_toml(AuthorityPolicy, data, "policy")


def check_task(policy: AuthorityPolicy, spec: TaskSpec) -> None:
    """Before a task is kept and before every answer. Raises PolicyError; EncryptionError, MalformedError for a spec
    that cannot be."""
    check_cohort_limits(policy.cohort, spec.cohort.min_clients, spec.cohort.max_share_ppm)
    least, what = policy.chain.min_confirmations, "the task's confirmations"
    at_least("chain.min_confirmations", what, spec.confirmations, least)
    size = encoding_of(spec).functional_key_bytes(sent_parameters(spec))
    at_most("work.key_bytes", "the size of a key in bytes", size, policy.work.key_bytes)
