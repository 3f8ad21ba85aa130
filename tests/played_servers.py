"""The edge servers of a played task: one acts, and the next one takes over when it may."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.identifiers import Address
from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.round.state_table import RoundState
from protocol.signing import address_of
from storage.ledger.signer import Signer
from tests.played_conduct import two_plans
from tests.samples import private_key
from tests.tiny_task import SUBSTITUTE_KEYS

if TYPE_CHECKING:
    from tests.played_task import Player

_KEYS = {address_of(key): key for key in (private_key("edge"), *SUBSTITUTE_KEYS)}


def with_substitutes(spec: TaskSpec, substitutes: int) -> TaskSpec:
    """Whom a task needs that plays on after a server was convicted."""
    if not substitutes:
        return spec
    durations = replace(spec.durations, takeover_seconds=100)
    listed = tuple(address_of(key) for key in SUBSTITUTE_KEYS[:substitutes])
    return replace(spec, edge_substitutes=listed, durations=durations)


def take_over(player: Player) -> None:
    """The next server acts from now on; time passes until it may."""
    view = player.reader.task(player.task)
    last = player.reader.round(player.task, view.last_round)
    if last.state in (RoundState.OPEN, RoundState.REQUESTED):
        since = last.commit_until
    else:
        since = (last.settle_until if view.last_round else view.enrol_until) + player.spec.durations.roster_seconds
    player.pass_to(since + player.spec.durations.takeover_seconds + 1)
    servers = player.spec.edge_servers
    later = servers[servers.index(player.edge.sender) + 1 :]
    player.edge = player.chain.ledger(player.reader.ledger, Signer(_KEYS[later[0]]))


def convict(player: Player, plan: RoundPlan, server: Address) -> None:
    """Of two plans for its round, shown by the manufacturer: a server that is left can go on."""
    player.manufacturer.dispute(two_plans(player.domain, plan, _KEYS[server]))
    player.dismissed.add(server)
