"""The API's description is whole, is the file in docs/, and documents every error; its page is ours alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from backend.api.message_schema import message_schemas
from backend.api.phones import MESSAGES
from backend.api.swagger import FILES
from protocol.canonical import encode
from protocol.task.status import TaskStatus
from scripts.checks.openapi import FILE, described
from tests.unit.backend.api.scene_api import played

SCHEMA: dict[str, Any] = json.loads(described())
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
]


def test_the_file_is_what_the_routes_say() -> None:
    assert FILE.read_bytes() == described(), "python -m scripts.checks.openapi writes it"


def test_a_server_says_the_same() -> None:
    assert played().client.get("/openapi.json").json() == SCHEMA
    assert SCHEMA["openapi"].startswith("3.1.")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    named = {f"#/components/schemas/{name}" for name in SCHEMA["components"]["schemas"]}
    assert set(references(SCHEMA)) == named


@pytest.mark.parametrize("operation", [operation for _, operation in OPERATIONS], ids=[name for name, _ in OPERATIONS])
def test_an_operation_is_named_and_says_what_may_go_wrong(operation: dict[str, Any]) -> None:
    assert re.fullmatch("[a-z_]+", operation["operationId"])
    assert operation["tags"] and operation["tags"][0] in [tag["name"] for tag in SCHEMA["tags"]]
    problems = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
    assert {"422", "500", "503"} <= problems.keys()
    assert ("401" in problems) >= ("security" in operation)
    for answer in problems.values():
        assert list(answer["content"]) == ["application/problem+json"]
    sends = "requestBody" in operation
    assert {"408", "413"}.issubset(problems) == sends, "a body may be too large or too slow"


def test_names_are_used_once() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert sorted(set(names)) == sorted(names)


def test_a_field_of_a_model_has_an_example_or_parts() -> None:
    messages, schemas = message_schemas(MESSAGES), SCHEMA["components"]["schemas"]
    lacking = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        if name not in messages and not name.startswith("Page_")
        for field, part in schema.get("properties", {}).items()
        if not ({"examples", "enum", "const", "$ref", "items", "additionalProperties"} & part.keys())
        and not any({"examples", "enum", "$ref", "items"} & kind.keys() for kind in part.get("anyOf", ()))
    ]
    assert lacking == []


def test_a_message_is_as_its_schema_says() -> None:
    """Fields and kinds of a real one; schemathesis holds every answer against them."""
    status = played().scene.desk.status()
    found, schema = json.loads(encode(status)), message_schemas([TaskStatus])["TaskStatus"]
    assert found.keys() == schema["properties"].keys() == set(schema["required"])
    assert re.fullmatch(schema["properties"]["manufacturer"]["pattern"], found["manufacturer"])
    assert schema["properties"]["task"] == {"type": "integer", "minimum": 0, "maximum": 2**256 - 1}


def test_the_page_loads_our_own_files_under_its_policy() -> None:
    client = played().client
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';") and "unsafe" not in policy
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page.text)) == {
        "data:,",
        "openapi.json",
        *(f"docs/{name}" for name in FILES),
    }
    for name in FILES:
        assert client.get(f"/docs/{name}").status_code == 200
    for name in ("docs.html", "htmx.min.js", "..%2fapp.py"):
        assert client.get(f"/docs/{name}").status_code == 404
    assert client.get("/redoc").status_code == 404


def test_a_refused_method_comes_with_those_that_are_allowed() -> None:
    answer = played().client.delete("/api/v1/tasks")
    assert (answer.status_code, answer.headers["allow"], answer.json()["code"]) == (405, "GET", "E_METHOD")
