"""The API's description, OpenAPI 3.1: what FastAPI derives from the routes, and the messages and problems they name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from backend.api.fields import Problem
from backend.api.message_schema import message_schemas
from protocol.version import PROTOCOL_VERSION

TITLE: Final = "Hearth edge server"
API_VERSION: Final = f"1.{PROTOCOL_VERSION}"
ABOUT: Final = (
    "Federated learning tasks of one edge server. Amounts are decimal strings in smallest units, instants RFC 3339 in"
    " UTC, bytes lower-case 0x hex. Errors are problem documents (RFC 9457) with a stable `code`. Nobody has to believe"
    " an answer: everything follows from chain and content, and `hearth audit` derives it again."
)
TAGS: Final = [
    {"name": "tasks", "description": "Tasks that name this server."},
    {"name": "rounds", "description": "Rounds of a task."},
    {"name": "clients", "description": "Public facts of those who enrolled."},
    {"name": "money", "description": "Escrow, rewards, fees, deposits."},
    {"name": "authorities", "description": "The committee, and when it last answered."},
    {"name": "audits", "description": "Audits that this server runs on demand, each a process of its own."},
    {"name": "events", "description": "What happens, as server-sent events."},
    {"name": "models", "description": "Published models as safetensors and as ONNX."},
    {"name": "sign-in", "description": "Sign-in with an account of the chain (EIP-4361)."},
    {"name": "drafts", "description": "A task from a few answers, and what it means; content for it."},
    {"name": "transactions", "description": "Unsigned transactions for a wallet."},
    {"name": "protocol", "description": "What phones ask; canonical messages."},
]


def describe(app: FastAPI, messages: Iterable[type], models: Iterable[type[BaseModel]]) -> None:
    """``messages``: canonical ones that routes name; ``models``: those that no route answers with as a whole."""
    named: tuple[type, ...] = tuple(messages)
    shown: tuple[type[BaseModel], ...] = (Problem, *models)

    def made() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _schema(app, named, shown)
        return app.openapi_schema

    app.openapi = made  # type: ignore[method-assign]


def _schema(app: FastAPI, messages: tuple[type, ...], models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    schema: dict[str, Any] = get_openapi(
        title=TITLE, version=API_VERSION, description=ABOUT, routes=app.routes, tags=TAGS
    )
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "serialization") for model in models]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    parts = schema["components"]["schemas"]
    parts |= {**found["$defs"], **message_schemas(messages)}
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of what is a problem here
        parts.pop(unused, None)
    schema["components"]["schemas"] = dict(sorted(parts.items()))
    for methods in schema["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
    return schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is no null: in an address there is none."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}
