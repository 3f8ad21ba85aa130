"""What of a task's progress is news for its household. Each piece is told once, whoever counts it again."""

from __future__ import annotations

from client_agent.web.book import News, Noticed
from client_agent.web.worker import Progress, Stage


def news_of(task: int, progress: Progress) -> list[Noticed]:
    found = list[Noticed]()
    standing = progress.standing
    at = 0 if standing is None else standing.now
    if progress.stage is Stage.ASKING:
        found.append(Noticed(News.ASKED, task, at=at))
    if progress.stage is Stage.TROUBLE:
        found.append(Noticed(News.TROUBLE, task, at=at))
    if standing is None:
        return found
    if standing.enrolled is not None:
        found.append(Noticed(News.ENROLLED, task, at=at))
    found += [Noticed(News.JOINED, task, number, at=at) for number in sorted(standing.sealed)]
    found += [Noticed(News.PAID, task, 0, claim.cumulative, at) for claim in standing.claims if claim.amount]
    found += [Noticed(News.PAID, task, one.round, one.amount, at) for one in standing.compensated]
    if progress.stage is Stage.OVER:
        found.append(Noticed(News.OVER, task, at=at))
    return found
