"""Who earns what in a round that was screened: the openings say what each accepted update contributed.

The reward of the round is a whole contribution for each accepted client that is not idle, in proportion to the gain: as
large as where nobody looks, less what free riders would have had. Only its division differs. No client is capped, since
that would take from honest clients what one of them contributed above the mean; so the whole of it is paid, up to
divisions that are rounded down.
"""

from __future__ import annotations

from collections.abc import Collection

from protocol.identifiers import Address
from protocol.incentives.contribution import Progress, contribution_pool
from protocol.messages.learning import MICRO
from protocol.messages.screening import ClientShare, ScreeningVerdict
from protocol.messages.screening_terms import ALIGNMENT, ScreeningTerms
from protocol.messages.settlement import PROBATION, Verdict
from protocol.messages.task import RewardTerms


def who_took_part(verdict: Verdict, screened: ScreeningVerdict | None) -> frozenset[Address]:
    """Who is paid for taking part: the accepted clients and, of a screened round, who was kept out because no model
    moves yet. Their updates go into histories, which is what such a round is for."""
    kept_out = (entry.client for entry in verdict.rejected if entry.reason == PROBATION) if screened else ()
    return frozenset((*verdict.accepted, *kept_out))


def contributions(
    terms: ScreeningTerms,
    screened: ScreeningVerdict,
    accepted: Collection[Address],
    progress: Progress,
    rewards: RewardTerms,
) -> dict[Address, int]:
    """What each client of the round is paid beside its participation; together no more than the pool."""
    pool = contribution_pool(len(set(accepted) - set(screened.idle)), progress, rewards)
    parts = {share.client: part for share, part in _parts(terms, screened) if share.client in accepted}
    return {client: pool * part // MICRO for client, part in parts.items()}


def _parts(terms: ScreeningTerms, screened: ScreeningVerdict) -> list[tuple[ClientShare, int]]:
    """In parts per million: by how histories align, in a task whose rule that is and where it could say something; else
    by the round's own sum. Data that are alike are what alignment is for: elsewhere it says little of a contribution.
    """
    aligned = terms.rule == ALIGNMENT and screened.stated and any(share.aligned_ppm for share in screened.shares)
    return [(share, share.aligned_ppm if aligned else share.projected_ppm) for share in screened.shares]
