"""The client of the API: typed answers of the real server, errors with their code, cookies of nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from backend.dashboard.answers import Identity
from backend.dashboard.api import Api, ApiError, read
from backend.dashboard.audit_answers import Audit
from protocol.errors import Party
from tests.unit.backend.api.scene_api import played
from tests.unit.backend.dashboard.scene_many import Many

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_every_answer_of_the_real_server_is_understood() -> None:
    api, scene = Api(played().app), played().scene

    async def everything() -> None:
        assert (await api.tasks()).items[0].title == scene.spec.title
        task = await api.task(1)
        assert task.escrow == scene.spec.budget() and task.agreed is not None
        first, second = (await api.rounds(1)).items
        assert (await api.round(1, 2)) == second and first.round == 1
        assert first.privacy is not None and first.privacy.sentence == str(scene.record(1).charge.figure)
        assert len((await api.clients(1)).items) == 3
        assert (await api.money(1)).escrow == task.escrow
        committee = await api.authorities(1)
        assert committee.threshold == task.threshold <= len(committee.members)
        assert [model.round for model in (await api.models(1)).items] == [2, 1]
        assert (await api.identity()).address == task.edge_server

    run(everything())


def test_instants_are_seconds() -> None:
    task = run(Api(played().app).task(1))
    assert task.enrol_until == played().scene.ledger.task(1).enrol_until


def test_long_lists_are_asked_for_in_pages() -> None:
    many = Many()
    api = Api(many.app)
    rounds = run(api.last_rounds(1, 400, 250))
    assert [one.round for one in rounds] == list(range(151, 401))
    assert len(run(api.first_clients(1, 450))) == 450
    assert len(run(api.first_clients(1, 10_000))) == many.clients


def test_an_error_keeps_its_code_and_text() -> None:
    with pytest.raises(ApiError, match="no task 7 here") as caught:
        run(Api(played().app).task(7))
    assert (caught.value.code, caught.value.fault) == ("E_NOT_FOUND", Party.CLIENT)
    with pytest.raises(ApiError) as busy:
        run(Api(Many(fail="E_BUSY").app).task(1))
    assert (busy.value.code, busy.value.fault) == ("E_BUSY", Party.EDGE_SERVER)


def test_what_is_no_problem_document_is_an_error_all_the_same() -> None:
    app = FastAPI()

    @app.get("/api/v1/identity")
    async def broken() -> None:
        raise RuntimeError("inside")

    with pytest.raises(ApiError, match="status 500") as caught:
        run(Api(app).identity())
    assert caught.value.fault is Party.OURS
    with pytest.raises(ApiError, match="status 404"):
        run(Api(app).task(1))


def test_an_answer_that_is_another_one_is_an_error() -> None:
    app = FastAPI()

    @app.get("/api/v1/identity")
    async def odd() -> dict[str, int]:
        return {"address": 7}

    with pytest.raises(ApiError, match="something else"):
        run(Api(app).identity())
    with pytest.raises(ApiError):
        read(Audit, run(Api(played().app).send("GET", "tasks")))


def test_a_cookie_of_one_reader_is_not_sent_for_another() -> None:
    app = FastAPI()

    @app.get("/api/v1/identity")
    async def identity(request: Request) -> JSONResponse:
        answer = JSONResponse({"address": str(request.cookies), "chain_id": 1, "ledger": ""})
        answer.set_cookie("hearth_session", "secret")
        return answer

    api = Api(app)

    async def twice() -> None:
        answer = await api.send("GET", "identity", headers={"cookie": "hearth_session=mine"})
        assert "mine" in read(Identity, answer).address
        assert (await api.identity()).address == "{}"

    run(twice())
