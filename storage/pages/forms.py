"""The fields of a form that was sent, read by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from storage.pages.guard import TOKEN, fields_of

MAX_TEXT: Final = 64 * 1024  # characters of one field


@dataclass(frozen=True, slots=True)
class Form:
    """As it came in; nothing of it was checked but its size."""

    fields: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        """The last one of that name, without space around it and with plain line ends."""
        found = [value for key, value in self.fields if key == name]
        return found[-1][:MAX_TEXT].replace("\r\n", "\n").strip() if found else default

    def all(self, name: str) -> tuple[str, ...]:
        """As of several checked boxes."""
        return tuple(value[:MAX_TEXT].strip() for key, value in self.fields if key == name)

    def has(self, name: str) -> bool:
        """Whether a box is checked, or a button of that name was pressed."""
        return any(key == name for key, _ in self.fields)


async def read_form(request: Request) -> Form:
    """Of a request that the guard admitted: its size and token are checked. Raises RefusedPageError."""
    return Form(tuple((key, value) for key, value in fields_of(await request.body()) if key != TOKEN))
