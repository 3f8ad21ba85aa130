"""News for open pages: one event when anything that they show has changed, and one for each new notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

from client_agent.web.door import Devices
from client_agent.web.frame import Frame

LOOK_SECONDS: Final = 0.5
RETRY_MILLISECONDS: Final = 2000


def install(app: FastAPI, frame: Frame, _: Devices) -> None:
    home = frame.home

    @app.get("/events", response_class=EventSourceResponse)
    async def events(since: int = -1) -> AsyncIterator[ServerSentEvent]:
        version, told = since, len(home.state.notices)
        yield ServerSentEvent(comment="open", retry=RETRY_MILLISECONDS)
        while True:
            if home.version == version:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            version = home.version
            yield ServerSentEvent(event="changed", data=version)
            for notice in home.state.notices[told:]:
                about = {"kind": str(notice.kind), "task": str(notice.task), "place": told}
                yield ServerSentEvent(event="notice", data=about)
                told += 1
