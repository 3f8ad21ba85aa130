"""A pytest plugin: the in-process chain takes contracts above the limit of EIP-170.

Mutants are compiled by the fast pipeline, which makes code a fifth larger than the one that is deployed.
"""

from __future__ import annotations

from eth.vm.forks.spurious_dragon import computation

vars(computation)["EIP170_CODE_SIZE_LIMIT"] = 1 << 20
