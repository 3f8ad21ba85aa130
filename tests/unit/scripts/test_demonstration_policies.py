"""Phones of the demonstration allow what its task's mechanism asks for, and nothing else beyond the usual limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from client_agent.policy import parse_policy
from protocol.messages.learning import MechanismTerms
from protocol.task.owner_limits import PrivacyLimits
from scripts.demonstration.policies import phone_policy
from tests.samples import DOMAIN, sample_spec

EXAMPLE = sample_spec().learning.mechanism


@pytest.mark.parametrize(
    ("mechanism", "limits"),
    [
        (None, PrivacyLimits()),
        (EXAMPLE, PrivacyLimits()),
        (replace(EXAMPLE, kind="distributed", honest_clients=4), PrivacyLimits(honest_clients=4)),
        (replace(EXAMPLE, kind="features"), PrivacyLimits(without_guarantee=True)),
    ],
)
def test_it_allows_what_the_mechanism_needs(mechanism: MechanismTerms | None, limits: PrivacyLimits) -> None:
    policy = parse_policy(phone_policy(DOMAIN, (DOMAIN.ledger,), 5, 0, mechanism).encode())
    assert policy.privacy == limits
