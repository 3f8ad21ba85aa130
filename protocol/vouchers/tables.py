"""The table of a task file that names a voucher key."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.messages.vouchers import VoucherTerms


@dataclass(frozen=True, slots=True)
class VoucherTables:
    vouchers: VoucherTerms
