"""The suites by name."""

from __future__ import annotations

from typing import Final

from protocol.encryption.fe64.reference import Reference as Fe64Reference
from protocol.encryption.fe64.suite import Arithmetic as Fe64Arithmetic
from protocol.encryption.fe64.suite import Fe64
from protocol.encryption.graded import WORTH_LOADING, Graded
from protocol.encryption.pad.reference import Reference as PadReference
from protocol.encryption.pad.suite import Arithmetic as PadArithmetic
from protocol.encryption.pad.suite import Pad
from protocol.encryption.port import Suite
from protocol.errors import EncryptionError

FE64: Final = "FE64-A/1"
PAD: Final = "PAD/1"
NAMES: Final = (FE64, PAD)


def _fe64() -> Fe64Arithmetic:
    from protocol.encryption.fe64.compiled import Compiled  # not above: numba takes a second or two to import

    return Compiled()


def _pad() -> PadArithmetic:
    from protocol.encryption.pad.compiled import Compiled

    return Compiled()


_SUITES: Final[dict[str, Suite]] = {
    FE64: Fe64(Graded(Fe64Reference(), _fe64)),
    PAD: Pad(Graded(PadReference(), _pad)),
}


def prepare() -> None:
    """Every suite's compiled loops, whatever the work."""
    for scheme in _SUITES.values():
        scheme.prepare(WORTH_LOADING)


def suite(name: str) -> Suite:
    """The suite of that name. Raises EncryptionError ``E_PARAMS`` for an unknown one."""
    try:
        return _SUITES[name]
    except KeyError:
        raise EncryptionError(f"unknown encryption suite {name!r}", code="E_PARAMS") from None
