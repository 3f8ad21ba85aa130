"""What left this phone in one task: every object that it stored or sent, held against what store and chain have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from client_agent.journal import AgentJournal
from client_agent.web.standing import Standing
from protocol.canonical import encode
from protocol.content.cid import CHUNK_BYTES, Cid, cid_of
from protocol.errors import HearthError
from protocol.identifiers import Digest, sha256
from protocol.messages.task import TaskSpec
from protocol.round.scheme import encoding_of
from storage.content.interface import ContentMissingError, ContentStore, StoreUnavailableError


class Thing(StrEnum):
    KEYS = "keys"  # shares of encryption keys, each sealed to one authority
    UPDATE = "update"  # encrypted
    COMMITMENT = "commitment"  # signed; in the batch of its round, or on chain


class Found(StrEnum):
    """What a look at store or chain found."""

    SAME = "same"
    MISSING = "missing"
    OTHER = "other"  # other bytes than were sent
    UNKNOWN = "unknown"  # it could not be asked, or does not say yet


@dataclass(frozen=True, slots=True)
class Departure:
    """``number``: round, or window of the keys. ``cid``: empty for what is not in the content store."""

    thing: Thing
    number: int
    size: int  # bytes
    digest: Digest  # SHA-256 of the bytes
    cid: str
    found: Found | None = None  # None: not looked


def departures_of(journal: AgentJournal, standing: Standing) -> tuple[Departure, ...]:
    """In the order in which they left. Raises RecordsError."""
    return tuple(one for one, _ in _with_bytes(journal, standing))


def checked(journal: AgentJournal, standing: Standing, store: ContentStore) -> tuple[Departure, ...]:
    """The same, each compared byte by byte with what the store delivers, or with what the chain shows."""
    return tuple(
        replace(one, found=_in_store(one, data, standing, store) if one.cid else _on_chain(one, standing))
        for one, data in _with_bytes(journal, standing)
    )


def _with_bytes(journal: AgentJournal, standing: Standing) -> Iterator[tuple[Departure, bytes]]:
    for window in sorted(journal.envelopes):
        data = journal.envelope_bytes(window)
        yield Departure(Thing.KEYS, window, len(data), sha256(data), cid_of(data).text), data
    for number, sealed in sorted(standing.sealed.items()):
        body, signed = journal.body(number), encode(sealed.commitment)
        cid = cid_of(body, _chunk_bytes(standing)).text
        yield Departure(Thing.UPDATE, number, len(body), sha256(body), cid), body
        yield Departure(Thing.COMMITMENT, number, len(signed), sha256(signed), ""), signed


def _chunk_bytes(standing: Standing) -> int:
    spec = standing.state.spec
    return encoding_of(spec).block_bytes if isinstance(spec, TaskSpec) else CHUNK_BYTES


def _in_store(one: Departure, data: bytes, standing: Standing, store: ContentStore) -> Found:
    chunk_bytes = _chunk_bytes(standing) if one.thing is Thing.UPDATE else CHUNK_BYTES
    try:
        return Found.SAME if store.get(Cid.parse(one.cid), len(data), chunk_bytes) == data else Found.OTHER
    except ContentMissingError:
        return Found.MISSING
    except StoreUnavailableError:
        return Found.UNKNOWN
    except HearthError:
        return Found.OTHER


def _on_chain(one: Departure, standing: Standing) -> Found:
    """The phone verified each inclusion against the root on chain; a direct commitment is there as it was signed."""
    facts, sealed = standing.state.round(one.number), standing.sealed[one.number]
    direct = None if facts is None else facts.direct_commitments().get(standing.client)
    if direct is not None:
        return Found.SAME if direct == sealed.commitment else Found.OTHER
    if facts is not None and standing.is_included(facts):
        return Found.SAME
    return Found.UNKNOWN if facts is None or facts.running else Found.MISSING
