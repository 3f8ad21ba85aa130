"""One signature is recovered once in a session, not once for each audit that asks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import pytest
from eth_keys.backends.native.ecdsa import ecdsa_raw_recover


@pytest.fixture(autouse=True, scope="session")
def _recovered_once() -> Iterator[None]:
    """Who signed follows from the hash and the signature alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eth_keys.backends.native.main.ecdsa_raw_recover", lru_cache(maxsize=None)(ecdsa_raw_recover))
        yield
