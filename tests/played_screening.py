"""The screening of a round of a played task: the edge server's request, the authorities' answers, what they open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.canonical import encode
from protocol.encryption.committee import authority_share, ratchet
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.messages.keys import SignedSighting
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GRAM_KIND, GramEntry, GramRequest, OpeningAnswer, Screening
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.model.specification import dimension_of
from protocol.round.public_vectors import read_public_vectors
from protocol.round.scheme import RoundScheme
from protocol.round.screening_answers import agree_on, answer_openings
from protocol.round.screening_request import find_beacon_block, request_for
from protocol.round.screening_share import Screener
from protocol.round.screening_verdict import derive_verdict, round_verdict
from protocol.round.sightings import sighting
from protocol.round.unscreened import unscreened_after
from protocol.screening.history import History
from protocol.screening.verdict import Unfit
from protocol.task.documents import Kind
from protocol.task.state import TaskState
from storage.ledger.signer import Signer
from storage.task_reader import TaskReader
from tests.played_conduct import Conduct
from tests.tiny_task import authority_key

if TYPE_CHECKING:
    from tests.played_task import Player


class Screeners:
    """All authorities of a screened task: their histories."""

    def __init__(self, player: Player) -> None:
        self._player, spec = player, player.spec
        members = range(1, len(spec.committee.members) + 1)
        self._histories = {j: History(dimension_of(spec.model), spec.screening.window) for j in members}
        self._bodies: dict[Address, bytes] = {}

    def state(self) -> TaskState:
        """As everybody reads it now."""
        reader = TaskReader(self._player.store, self._player.task, list(Kind))
        reader.follow(self._player.reader.events(self._player.task))
        reader.fetch(0)
        return reader.state

    def screen(
        self,
        number: int,
        conduct: Conduct,
        plan: RoundPlan,
        committed: Mapping[Address, SignedCommitment],
        findings: Mapping[Address, Unfit | None],
        bodies: Mapping[Address, bytes | Unfit],
    ) -> tuple[Verdict, Screening | None]:
        """The accepted set and its evidence; None where nobody answers the request."""
        player, spec = self._player, self._player.spec
        unfit = {client: found.value for client, found in findings.items() if found is not None}
        came = sorted(committed.keys() - unfit.keys())
        self._bodies = {client: body for client, body in bodies.items() if isinstance(body, bytes)}
        self._catch_up(number)
        for _ in range(spec.confirmations + 1):
            player.chain.mine()
        state, head = self.state(), player.reader.block_number()
        facts = state.rounds[number - 1]
        block = find_beacon_block(facts, spec.confirmations, head, player.reader.block_timestamp)
        assert block is not None
        block = player.said("beacon block", block)
        drawn = player.reader.block_hash(block)
        assert drawn is not None
        request = player.said("gram request", request_for(state, spec, number, drawn, came))
        player.edge.request_screening(player.task, number, block, len(facts.directs), player.put(encode(request)))
        if conduct.unopened:
            player.pass_to(unscreened_after(facts.opened.settle_until, plan.settle_seconds) + 1)
            return round_verdict(plan, unfit, None, came), None
        screening = player.said("screening", self._opened(plan, request, conduct))
        player.put(encode(screening))
        self._settle(plan, request, screening)
        return round_verdict(plan, unfit, screening.verdict, came), screening

    def _opened(self, plan: RoundPlan, request: GramRequest, conduct: Conduct) -> Screening:
        player, spec, state = self._player, self._player.spec, self.state()
        answers = {j: self._answer(state, plan, request, j, conduct) for j in self._histories}
        agreed = agree_on({j: answer.answers for j, answer in answers.items()}, spec.committee, request)
        for answer in answers.values():
            player.put(answer.answers)
        verdict = derive_verdict(state, spec, plan.round, agreed.openings)
        signed, accused = (tuple(answers[j].signed for j in who) for who in (agreed.members, agreed.accused))
        seen = tuple(self._sighting(plan, request.digest(), j) for j in self._histories)
        return Screening(request.digest(), seen, signed, accused, verdict)

    def _answer(
        self, state: TaskState, plan: RoundPlan, request: GramRequest, j: int, conduct: Conduct
    ) -> OpeningAnswer:
        player, spec = self._player, self._player.spec
        public = read_public_vectors(state, spec, plan.round, lambda digest, most: player.read(digest))
        words = self._screener(plan, j).answers(request, self._body, public, self._histories[j])
        if j in conduct.lying:
            words = bytes([words[0] ^ 1]) + words[1:]
        return answer_openings(plan, request, spec.committee.members[j - 1], words, Signer(authority_key(j)).sign)

    def _sighting(self, plan: RoundPlan, digest: Digest, j: int) -> SignedSighting:
        signer = Signer(authority_key(j))
        said = sighting(plan.task, plan.round, GRAM_KIND, plan.label(), digest, signer.address)
        return SignedSighting(said, signer.sign(self._player.domain, said))

    def _screener(self, plan: RoundPlan, j: int) -> Screener:
        keys = {
            household.address: authority_share(ratchet(household.master_keys, plan.key_epoch), j)
            for household in self._player.households
        }
        return Screener(self._player.spec, plan, j, keys)

    def _body(self, _: RoundScheme, entry: GramEntry) -> bytes:
        return self._bodies[entry.client]

    def _settle(self, plan: RoundPlan, request: GramRequest, screening: Screening) -> None:
        passed = [entry for entry in request.entries if entry.client in screening.verdict.passed]
        for j, history in self._histories.items():
            screener = self._screener(plan, j)
            history.settle(plan.round, screener.updates(passed, self._body), screener.coordinates)

    def _catch_up(self, number: int) -> None:
        """Rounds that nobody opened."""
        lost = {facts.number for facts in self.state().rounds if facts.loses_histories}
        for history in self._histories.values():
            while history.windows.settled < number - 1:
                missed = history.windows.settled + 1
                history.settle(missed, {})
                if missed in lost:
                    for client in history.windows.openable():
                        history.forget(client)
                    history.windows.clear()


def named_by(screening: Screening | None) -> Digest:
    return ZERO_DIGEST if screening is None else screening.digest()


def with_verdict(screening: Screening, **changes: object) -> Screening:
    """With other fields of the verdict."""
    return replace(screening, verdict=replace(screening.verdict, **changes))  # type: ignore[arg-type]
