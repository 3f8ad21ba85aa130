"""Every run draws the same examples, and no example is judged by how long it takes."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("hearth", derandomize=True, deadline=None, database=None)
settings.load_profile("hearth")
