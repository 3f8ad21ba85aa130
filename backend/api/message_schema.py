"""JSON schemas of canonical messages, from the very types that the decoder reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from backend.api.answers import JSON, Responses
from protocol.identifiers import Range, Size

Schema = dict[str, Any]


def sent(message: type) -> dict[str, Any]:
    """For ``openapi_extra=``: the body is this message, in its canonical encoding."""
    body = {"required": True, "content": {JSON: {"schema": _reference(message)}}}
    return {"requestBody": {**body, "description": "in canonical encoding: sorted keys, no spaces, lower-case hex"}}


def answers(message: type, status: int = 200) -> Responses:
    """For ``responses=``: the answer is this message."""
    what = f"a {message.__name__} in canonical encoding"
    return {status: {"description": what, "content": {JSON: {"schema": _reference(message)}}}}


def message_schemas(messages: Iterable[type]) -> dict[str, Schema]:
    """By name: these, and all that are parts of them."""
    found: dict[str, Schema] = {}
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if message.__name__ not in found:
            hints = get_type_hints(message, include_extras=True)
            names = [field.name for field in fields(message)]
            found[message.__name__] = {
                "type": "object",
                "title": message.__name__,
                "properties": {name: _schema(hints[name], waiting) for name in names},
                "required": names,
                "additionalProperties": False,
            }
    return dict(sorted(found.items()))


def _reference(message: type) -> Schema:
    return {"$ref": f"#/components/schemas/{message.__name__}"}


def _schema(hint: Any, waiting: list[type]) -> Schema:
    base, constraints = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    size = next((one for one in constraints if isinstance(one, Size)), None)
    bounds = next((one for one in constraints if isinstance(one, Range)), None)
    if is_dataclass(base) and isinstance(base, type):
        waiting.append(base)
        return _reference(base)
    if base is bytes:
        low, high = (size.length, size.length) if size else (bounds.low, bounds.high) if bounds else (0, None)
        times = str(low) if low == high else f"{low},{'' if high is None else high}"
        return {"type": "string", "pattern": f"^0x([0-9a-f]{{2}}){{{times}}}$"}
    if base is int:
        return {"type": "integer", **({"minimum": bounds.low, "maximum": bounds.high} if bounds else {})}
    if base is str:
        return {"type": "string", **({"minLength": bounds.low, "maxLength": bounds.high} if bounds else {})}
    if get_origin(base) is dict:
        return {"type": "object", "additionalProperties": {"type": "integer"}}
    assert get_origin(base) is tuple
    limits = {"minItems": bounds.low, "maxItems": bounds.high} if bounds else {}
    return {"type": "array", "items": _schema(get_args(base)[0], waiting), **limits}
