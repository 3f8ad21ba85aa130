"""An API that plays what takes long to come about: a thousand tasks, hundreds of rounds, hostile titles, failed audits.

Each answer has the shape of a real one: it is a real server's answer with other values.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from backend.problem import RequestError, install
from protocol.audit.report import CHECKS
from protocol.errors import Party
from tests.unit.backend.api.scene_api import played

HOSTILE = "<img src=x onerror=alert(1)>\u202e\n" + "W" * 60
COIN = 10**18
INVITATION = f"hearth:31337:0x{'5f' * 20}@7/1/0x{'9e' * 32}?edge=https://tasks.example"
NAMES = ("Fridge compressor fault", "Washer cycle recommender", "Heat pump defrost timing", "Kettle scale detection")


@cache
def real() -> dict[str, str]:
    """What a played server answers, as JSON, by the last word of its path."""
    client = played().client
    paths = {name: f"/api/v1/tasks/1/{name}" for name in ("details", "rounds", "clients", "money", "authorities")}
    return {name: client.get(path).text for name, path in {**paths, "tasks": "/api/v1/tasks"}.items()}


def answer(name: str) -> Any:
    return json.loads(real()[name])


def address(number: int) -> str:
    return f"0x{number:040x}"


@dataclass
class Many:
    """``fail``: of every request, by code; ``runs``: audits by number; ``started``: how many were asked for."""

    tasks: int = 1000
    rounds: int = 400
    clients: int = 1200
    title: str | None = None
    fail: str | None = None
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    lacking: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def summary(self, number: int) -> dict[str, Any]:
        share = min(1.0, number / max(1, self.tasks))
        rounds = min(self.rounds, 60 if number > 1 else self.rounds)
        return {
            **answer("tasks")["items"][0],
            "task": number,
            "title": self.title or NAMES[number % 4],
            "state": ("running", "enrolling", "ended", "stopped")[number % 4],
            "service": "refused" if number % 7 == 0 else "served",
            "escrow": str(1200 * COIN),
            "rewards": {
                "participation": str(COIN // 50),
                "contribution": str(COIN // 20),
                "edge_fee": str(COIN // 100),
                "authority_fee": str(COIN // 200),
            },
            "enrolled": self.clients,
            "left": 2,
            "min_clients": 20,
            "max_clients": 5000,
            "rounds": rounds,
            "max_rounds": 400,
            "published": rounds,
            "score": {"correct": int(820 * share) + 100, "examples": 1000},
            "lacking": self.lacking,
        }

    def details(self, number: int) -> dict[str, Any]:
        found = {**answer("details"), **self.summary(number)}
        found["servers"] = [
            {"address": address(70 + place), "acting": place == 1, "dismissed": place == 0, "bond": str(COIN)}
            for place in range(3)
        ]
        found["agreed"] = {**found["agreed"], "epsilon_budget_micro": 8_000_000, "ciphertext_bytes": 62_800}
        return {**found, "invitation": INVITATION}

    def round(self, number: int) -> dict[str, Any]:
        rounds = answer("rounds")["items"]
        epsilon = int(400_000 * number**0.5)
        privacy = {**rounds[0]["privacy"], "epsilon_micro": epsilon, "epsilon": f"{epsilon / 1e6:.3f}"}
        privacy["sentence"] = privacy["sentence"].replace(rounds[0]["privacy"]["epsilon"], privacy["epsilon"])
        state = "abandoned" if number % 37 == 0 else "published"
        published = state == "published"
        return {
            **rounds[0],
            "round": number,
            "state": state,
            "edge_server": address(71),
            "cohort": 40,
            "committed": 38,
            "batched": 36,
            "direct": 2,
            "accepted": 37,
            "rejected": [{"client": address(9), "reason": "unavailable"}],
            "score": {"correct": 950 - 700 // (1 + number // 4) + number % 9, "examples": 1000} if published else None,
            "privacy": privacy,
            "milliseconds": {
                "open": 120,
                "batch": 80,
                "verify": 400 + number % 13 * 40,
                "decrypt": 2300,
                "publish": 90,
            },
            "gas": self.gas(number),
            "lacking": self.lacking,
        }

    def gas(self, number: int) -> dict[str, Any]:
        """The last round's receipts are still to be read, those of the one before are missing."""
        steps = {
            "opened": 110_000,
            "batched": 90_000,
            "requested": 60_000,
            "ended": 170_000 + number,
            "direct": 250_000,
        }
        lacking = {0: "awaited", 1: "missing"}.get(self.rounds - number)
        total = sum(steps.values()) if lacking is None else None
        return {**steps, "screening": None, "total": total, "per_update": total and total // 37, "lacking": lacking}

    def client(self, number: int) -> dict[str, Any]:
        late, late_more = number % 3 == 0, number % 5 == 0
        return {
            **answer("clients")["items"][0],
            "address": address(number),
            "left": number <= 2,
            "planned": 0 if late_more else 9,
            "committed": 0 if late or late_more else 8,
            "accepted": 0 if late or late_more else 7,
            "reputation": number % 6,
            "claimed": str(COIN if number % 4 == 1 else 0),
        }

    def money(self) -> dict[str, Any]:
        found = answer("money")
        allocated = {"allocated": 500, "disputable": 60, "payable": 440, "claimed": 300, "unclaimed": 140}
        rewards = {**found["rewards"], **{name: str(each * COIN) for name, each in allocated.items()}}
        rewards["compensated"] = str(20 * COIN)
        return {**found, "escrow": str(1200 * COIN), "held": str(880 * COIN), "rewards": rewards}

    def authorities(self) -> dict[str, Any]:
        found = answer("authorities")
        times = [("2026-11-30T09:00:00Z", None)] * 2 + [("2026-11-29T09:00:00Z", "E_AUTHORITY")]
        members = [
            {
                **found["members"][0],
                "address": address(80 + place),
                "position": place + 1,
                "last_answer": at,
                "code": code,
            }
            for place, (at, code) in enumerate(times)
        ]
        return {**found, "threshold": 2, "members": members}

    def audited(self, number: int, *sentences: str, state: str = "done") -> None:
        """A run: one finding of an edge server's fault for each sentence."""
        findings = [
            {
                "check": 12,
                "subject": f"round {place}",
                "result": "FAIL",
                "claim": CHECKS[12],
                "detail": sentence,
                "at_fault": "edge server",
            }
            for place, sentence in enumerate(sentences, 1)
        ]
        checks = [
            {"check": check, "claim": claim, "passed": 12, "failed": len(findings) if check == 12 else 0, "unknown": 0}
            for check, claim in CHECKS.items()
        ]
        done = state == "done"
        self.runs[number] = {
            "task": 1,
            "audit": number,
            "state": state,
            "begun": "2026-11-30T09:00:00Z",
            "code": None,
            "omitted": 0,
            "ended": "2026-11-30T09:01:00Z" if done else None,
            "verdict": ("FAIL" if sentences else "PASS") if done else None,
            "evidence_bytes": 1_234_567 if done else None,
            "checks": checks if done else [],
            "findings": findings,
        }

    @property
    def app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        install(app)

        def page(request: Request, keys: list[int], make: Any, key: Any = str) -> Any:
            cursor, limit = request.query_params.get("cursor"), int(request.query_params.get("limit", "50"))
            names = [key(one) for one in keys]
            first = names.index(cursor) + 1 if cursor else 0
            items = [make(one) for one in keys[first : first + limit]]
            return {"items": items, "next": names[first + limit - 1] if first + limit < len(keys) else None}

        @app.middleware("http")
        async def failing(request: Request, call: Any) -> Any:
            self.asked.append(f"{request.method} {request.url.path}?{request.url.query}")
            if self.fail and not request.url.path.endswith("/events"):
                body = {"status": 503, "detail": HOSTILE, "code": self.fail, "type": "about:blank", "title": self.fail}
                return JSONResponse(body, 503)
            return await call(request)

        @app.get("/api/v1/identity")
        async def identity() -> Any:
            return {"address": address(71), "chain_id": 31337, "ledger": address(72), "version": "3"}

        @app.get("/api/v1/tasks")
        async def tasks(request: Request) -> Any:
            return page(request, list(range(self.tasks, 0, -1)), self.summary)

        @app.get("/api/v1/tasks/{task}/details")
        async def details(task: int) -> Any:
            return self.details(self.known(task))

        @app.get("/api/v1/tasks/{task}/rounds")
        async def rounds(request: Request, task: int) -> Any:
            return page(request, list(range(1, self.summary(task)["rounds"] + 1)), self.round)

        @app.get("/api/v1/tasks/{task}/rounds/{number}")
        async def one_round(task: int, number: int) -> Any:
            return self.round(number)

        @app.get("/api/v1/tasks/{task}/clients")
        async def clients(request: Request, task: int) -> Any:
            return page(request, list(range(1, self.clients + 1)), self.client, address)

        @app.get("/api/v1/tasks/{task}/money")
        async def money(task: int) -> Any:
            return self.money()

        @app.get("/api/v1/tasks/{task}/authorities")
        async def authorities(task: int) -> Any:
            return self.authorities()

        @app.get("/api/v1/tasks/{task}/models")
        async def models(request: Request, task: int) -> Any:
            def model(number: int) -> dict[str, Any]:
                found = self.round(number)
                shared = {name: found[name] for name in ("round", "privacy")}
                score = found["score"] or {"correct": 1, "examples": 2}
                return {**shared, "score": score, "digest": found["plan"], "block": 1, "transaction": found["plan"]}

            return page(request, list(range(self.rounds, 0, -1)), model)

        @app.get("/api/v1/tasks/{task}/audits")
        async def audits(task: int) -> Any:
            return {"items": [self.runs[number] for number in sorted(self.runs, reverse=True)]}

        @app.get("/api/v1/tasks/{task}/audits/{audit}")
        async def audit(task: int, audit: int) -> Any:
            if audit not in self.runs:
                raise RequestError(f"task {task} has no audit {audit}", fault=Party.CLIENT, code="E_NOT_FOUND")
            return self.runs[audit]

        @app.post("/api/v1/tasks/{task}/audits", status_code=202)
        async def start(task: int) -> Any:
            number = max(self.runs, default=0) + 1
            self.audited(number, state="running")
            return self.runs[number]

        @app.get("/api/v1/events")
        @app.get("/api/v1/tasks/{task}/events")
        async def events() -> Any:
            async def said() -> Any:
                yield "event: state\nid: 0\ndata: {}\n\n"
                await asyncio.Event().wait()

            return StreamingResponse(said(), media_type="text/event-stream")

        @app.get("/api/v1/{rest:path}")
        async def nothing(rest: str) -> Any:
            return PlainTextResponse("nothing", 404)

        return app

    def known(self, task: int) -> int:
        if not 1 <= task <= self.tasks:
            raise RequestError(f"no task {task} here", fault=Party.CLIENT, code="E_NOT_FOUND")
        return task
