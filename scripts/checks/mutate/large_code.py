"""A pytest plugin: the in-process chain takes contracts above the limits of EIP-170 and EIP-3860.

Mutants are compiled without the optimiser, which makes code several times larger than the one that is deployed.
"""

from __future__ import annotations

from eth.vm.forks.shanghai import computation as shanghai
from eth.vm.forks.spurious_dragon import computation as spurious_dragon

vars(spurious_dragon)["EIP170_CODE_SIZE_LIMIT"] = 1 << 20
vars(shanghai)["MAX_INITCODE_SIZE"] = 1 << 20
