"""Whatever is asked of the API, valid or not, is answered as its description says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from schemathesis import GenerationMode

from tests.interop.openapi_requests import LARGE, Requests, requests

EXAMPLES = 8


@pytest.fixture(scope="module")
def made() -> Iterator[Requests]:
    with requests() as found:
        yield found


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_described(made: Requests, mode: GenerationMode) -> None:
    for operation in made.operations:
        made.make(operation, mode, 2 if operation.definition.raw["operationId"] in LARGE else EXAMPLES)
    assert list(made.failures) == []


def test_the_requests_reach_what_they_are_for(made: Requests) -> None:
    """Every operation that needs nobody's signature or file, and no state that is over, did succeed."""
    others = (
        "enrolments", "leaves", "commitments", "prepare", "post", "refund", "dispute", "sessions", "keys",
        "uploads/test-sets", "uploads/models", "plans/{client}", "vouchers",
    )  # fmt: skip
    for operation in made.operations:
        if not operation.label.endswith(others) and operation.method.upper() != "DELETE":
            assert any(status < 300 for label, status in made.statuses if label == operation.label), operation.label
