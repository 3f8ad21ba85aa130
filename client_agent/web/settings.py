"""Pages of settings: the policy as text, other devices, and deleting what can be deleted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from client_agent.web.door import CODE_SECONDS, Devices
from client_agent.web.frame import Frame
from client_agent.web.household import Home
from protocol.errors import MalformedError
from protocol.text import shown
from storage.pages.forms import read_form

# every line explained; what `hearth policy init` writes
SAMPLE: Final = Path(__file__).resolve().parents[2] / "docs" / "samples" / "policy.toml"
_LINE: Final = re.compile(r"line (\d+)")


def install(app: FastAPI, frame: Frame, devices: Devices) -> None:
    home, pages = frame.home, frame.pages

    @app.get("/settings")
    def settings(request: Request) -> Response:
        return frame.render(request, "settings.html", devices=len(home.state.devices))

    @app.get("/policy")
    def policy(request: Request) -> Response:
        return edited(request, (home.policy_text or SAMPLE.read_bytes()).decode(errors="replace"))

    def edited(request: Request, typed: str, *, status: int = 200, wrong: str = "", saved: bool = False) -> Response:
        line = _LINE.search(wrong)
        place = int(line[1]) if line else 0
        lines = typed.split("\n")
        quoted = shown(lines[place - 1]) if 0 < place <= len(lines) else ""
        facts = {"typed": typed, "wrong": wrong, "line": place, "quoted": quoted, "saved": saved}
        return frame.render(request, "policy.html", status=status, **facts)

    @app.post("/policy")
    async def save(request: Request) -> Response:
        typed = (await read_form(request)).get("policy") + "\n"
        try:
            await run_in_threadpool(home.save_policy, typed)
        except MalformedError as error:
            return edited(request, typed, status=422, wrong=str(error.args[0]))
        return edited(request, typed, saved=True)

    @app.post("/devices/code")
    async def code(request: Request) -> Response:
        return frame.render(request, "code.html", code=devices.new_code(), seconds=CODE_SECONDS)

    @app.post("/devices/drop")
    async def drop(request: Request) -> Response:
        home.book.drop_devices()
        return pages.redirect("/pair")

    @app.get("/delete")
    def may_delete(request: Request) -> Response:
        return frame.render(request, "delete.html", running=_running(home), folder=str(home.folder.path))

    @app.post("/delete")
    async def delete(request: Request) -> Response:
        if not (await read_form(request)).has("sure"):
            return frame.render(
                request, "delete.html", status=422, running=_running(home), folder=str(home.folder.path)
            )
        await run_in_threadpool(_delete, home)
        return frame.render(request, "deleted.html")


def _running(home: Home) -> list[int]:
    """Tasks in which this household still takes part."""
    return sorted(task for task, kept in home.state.tasks.items() if not kept.left)


def _delete(home: Home) -> None:
    """Readings and the examples that were made of them. What was charged stays: it was revealed."""
    if home.readings is not None:
        home.readings.forget_everything()
    for path in (home.folder.path / "examples").glob("*.safetensors"):
        path.unlink(missing_ok=True)
    home.changed()
