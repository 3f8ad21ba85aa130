"""The suites by name."""

from __future__ import annotations

from typing import Final

from protocol.encryption.fe64.reference import Reference as Fe64Reference
from protocol.encryption.fe64.suite import Fe64
from protocol.encryption.pad.reference import Reference as PadReference
from protocol.encryption.pad.suite import Pad
from protocol.encryption.port import Suite
from protocol.errors import EncryptionError

FE64: Final = "FE64-A/1"
PAD: Final = "PAD/1"

_SUITES: Final[dict[str, Suite]] = {FE64: Fe64(Fe64Reference()), PAD: Pad(PadReference())}


def suite(name: str) -> Suite:
    """The suite of that name. Raises EncryptionError ``E_PARAMS`` for an unknown one."""
    try:
        return _SUITES[name]
    except KeyError:
        raise EncryptionError(f"unknown encryption suite {name!r}", code="E_PARAMS") from None
