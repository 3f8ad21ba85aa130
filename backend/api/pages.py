"""Lists in pages: a cursor is the key of the last item, so what comes meanwhile moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Annotated, TypeVar

from fastapi import Query

T = TypeVar("T")
MOST = 200  # items of a page

Limit = Annotated[int, Query(ge=1, le=MOST, description="items of a page")]
NumberCursor = Annotated[
    str | None, Query(pattern="^[1-9][0-9]{0,17}$", description="`next` of the page before", examples=["12"])
]
AddressCursor = Annotated[
    str | None,
    Query(
        pattern="^0x[0-9a-f]{40}$",
        description="`next` of the page before",
        examples=["0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"],
    ),
]


def page_of(items: Iterable[T], limit: int, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The first ``limit`` of those behind the cursor, and the cursor of the next page, if there is one."""
    found = list(islice(items, limit + 1))
    return found[:limit], key(found[limit - 1]) if len(found) > limit else None
