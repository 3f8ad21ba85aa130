"""JSON bodies of the public part: their size is checked while they arrive, then they are read into a model."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from backend.api.answers import JSON
from backend.problem import RequestError, read_body
from protocol.errors import Party

M = TypeVar("M", bound=BaseModel)
MAX_BODY_BYTES: Final = 16 * 1024


async def read_model(request: Request, model: type[M], max_bytes: int = MAX_BODY_BYTES) -> M:
    """Raises RequestError, which says what is wrong with the first field that does not fit."""
    body = await read_body(request, max_bytes)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise RequestError(f"{where}: {first['msg']}", fault=Party.CLIENT) from error


def sent_model(model: type[BaseModel]) -> dict[str, Any]:
    """For ``openapi_extra=``."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}}
