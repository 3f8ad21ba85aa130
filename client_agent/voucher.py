"""A phone's voucher: redeemed and shown at two random instants of the enrolment window.

So time alone does not tell which redeemed code became which address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.journal import AgentJournal
from client_agent.place import PlaceError
from client_agent.remembered import VoucherPlanned
from protocol.domain import Domain
from protocol.errors import Party
from protocol.identifiers import Address
from protocol.messages.task import TaskSpec
from protocol.messages.vouchers import VoucherRequest
from protocol.randomness import Randomness
from protocol.vouchers.blinding import Statement, blind, draw_blinding, unblind
from protocol.vouchers.permutation import check_key

log = structlog.get_logger()
PATIENCE_SECONDS: Final = 10  # between two requests while no server answers
NO_CODE: Final = frozenset({"E_VOUCHER_MISSING", "E_VOUCHER_CODE", "E_VOUCHER_SPENT"})  # another code may help
LAST_PART: Final = 4  # the last quarter of the window is for the enrolment to reach the chain


class VoucherMissingError(PlaceError):
    """The task needs a voucher, and this household has no code, or one that is refused: with the server's ``code``."""

    code = "E_VOUCHER_MISSING"


@dataclass
class PhoneVoucher:
    """Of one phone in one task. ``code``: of its appliance; empty for none."""

    domain: Domain
    task: int
    client: Address
    code: bytes
    edge: EdgeClient
    journal: AgentJournal
    randomness: Randomness
    tell: Callable[[str], None]
    _told: bool = False  # that no server redeems the code

    def step(self, spec: TaskSpec, enrol_until: int, now: int) -> float | None:
        """At most one request; when to come again, None once it is time to show the voucher, or where none is needed.

        Raises VoucherMissingError for good, VoucherError for a signature of something else, VerificationError for a key
        that could tell vouchers apart.
        """
        if not spec.vouchers.needed:
            return None
        plan = self._plan(spec, enrol_until, now)
        if self.journal.voucher is None:
            if now < plan.redeem_at:
                return plan.redeem_at
            if not self.redeem(spec):
                return now + PATIENCE_SECONDS
        return None if now >= plan.show_at else plan.show_at

    def check(self, spec: TaskSpec) -> None:
        """Raises VoucherMissingError where this phone has neither voucher nor code."""
        if spec.vouchers.needed and self.journal.voucher is None and not self.code:
            raise VoucherMissingError(
                "this task needs a voucher: join it by the invitation that came with the appliance",
                fault=Party.CLIENT,
            )

    def redeem(self, spec: TaskSpec) -> bool:
        """Whether the voucher is there. After a kill the same value is shown again, and gets the same signature."""
        if self.journal.voucher is not None:
            return True
        self.check(spec)
        statement, blinding = self._statement(spec), self.journal.blinding()
        try:
            signature = self.edge.redeem(self.task, VoucherRequest(self.code, blind(statement, blinding)))
        except EdgeRefusedError as error:
            why = f"the code brings no voucher: {error.args[0]}"
            raise VoucherMissingError(why, fault=error.fault, code=error.code) from error
        except EdgeUnavailableError as error:
            log.info("no server redeems the code now", task=self.task, error=str(error))
            if not self._told:
                self._told = True
                self.tell(f"no server redeems the code now, it goes on asking: {error}")
            return False
        self.journal.keep_voucher(unblind(statement, blinding, signature))
        self.tell("the voucher is here; it is shown with the enrolment")
        return True

    def plan_now(self, spec: TaskSpec, now: int) -> None:
        """For an owner who does not want to wait: redeemed and shown at once, unless the plan is made."""
        self._keep(spec, VoucherPlanned(now, now))

    def _plan(self, spec: TaskSpec, enrol_until: int, now: int) -> VoucherPlanned:
        known = self.journal.voucher_plan
        if known is not None:
            return known
        self.check(spec)
        seconds = max(1, (enrol_until - now) * (LAST_PART - 1) // LAST_PART)
        redeem_at, show_at = sorted(now + self._drawn(what) % seconds for what in ("redeem", "show"))
        return self._keep(spec, VoucherPlanned(redeem_at, show_at))

    def _keep(self, spec: TaskSpec, plan: VoucherPlanned) -> VoucherPlanned:
        check_key(spec.vouchers)
        return self.journal.plan_voucher(plan, draw_blinding(self._statement(spec), self.randomness))[0]

    def _drawn(self, what: str) -> int:
        return int.from_bytes(self.randomness.draw(f"voucher/{self.task}/{what}", 8))

    def _statement(self, spec: TaskSpec) -> Statement:
        return Statement(self.domain, spec.vouchers.modulus, self.task, self.client)
