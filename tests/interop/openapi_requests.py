"""Requests that schemathesis makes from the API's description, against a server with a played task in this process.

``python -m tests.interop.openapi_requests --seconds 600`` makes as many as fit into that time.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import schemathesis
import structlog
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from backend.api.app import ApiOptions
from backend.api.audit_runs import AuditRuns
from protocol.identifiers import to_hex
from tests.unit.backend.api.scene_api import Api, replayed
from tests.unit.backend.api.test_audits import told
from tests.unit.backend.api.test_prepared import signed_in
from tests.unit.backend.rounds.scene_committee import CLIENTS

HERE = "http://127.0.0.1:8000"
EXPECTED = {
    "checks": {
        # a server that is starting, or waits for authorities, says 503, and the description has it
        "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
        "negative_data_rejection": {"expected-statuses": ["4xx", "503"]},
    }
}
LARGE = {"prepare_post", "prepare_post_call"}  # a whole spec takes schemathesis a second


def audited(_: int, evidence: Path) -> bytes:
    evidence.write_bytes(b"{}")
    return told()


class Requests:
    """``failures``: what is wrong, by operation, once each; ``statuses``: how often each was answered."""

    def __init__(self, folder: Path) -> None:
        now = 1_800_000_000
        runs = AuditRuns(folder, audited, lambda: now)
        self._api = Api(replayed(), ApiOptions(audits=runs))
        self._headers = signed_in(self._api)
        config = SchemathesisConfig.from_dict(EXPECTED)
        self.schema = schemathesis.openapi.from_asgi("/openapi.json", self._api.client.app, config=config)
        self.operations: list[Any] = [found.ok() for found in self.schema.get_all_operations()]  # type: ignore[union-attr]
        self.failures: dict[tuple[str, str], None] = {}
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._made = 0

    def make(self, operation: Any, mode: GenerationMode, examples: int, number: int = 0) -> None:
        """So many requests, valid or invalid ones. ``number``: another one gives others."""
        if mode is GenerationMode.NEGATIVE and not (operation.path_parameters or operation.query or operation.body):
            return  # there is nothing in it that could be wrong

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def made(case: Any) -> None:
            self._one(operation, mode, case)

        made()

    def _one(self, operation: Any, mode: GenerationMode, case: Any) -> None:
        self._made += 1
        if mode is GenerationMode.POSITIVE and self._made % 2:
            self._about_the_played_task(case)
        if isinstance(case.query, dict) and "wait" in case.query and mode is GenerationMode.POSITIVE:
            case.query["wait"] = 0
        stays = operation.method.upper() != "DELETE"  # which would end the session
        signed = self._made % 3 and operation.definition.raw.get("security") and stays
        answer = case.call(base_url=HERE, headers=self._headers if signed else {})
        self.statuses[operation.label, answer.status_code] += 1
        # a canonical message is more than its schema says, and so is a sign-in
        more = operation.method.upper() == "POST" or operation.tags == ["protocol"]
        try:
            case.validate_response(answer, excluded_checks=[positive_data_acceptance] if more else [])
        except BaseExceptionGroup as group:  # schemathesis.core.failures.FailureGroup
            for failure in group.exceptions:
                self.failures[operation.label, f"{answer.status_code} {failure}"[:1_000]] = None

    def _about_the_played_task(self, case: Any) -> None:
        known = {"task": 1, "number": 1 + self._made % 4 // 2, "client": to_hex(CLIENTS[0].address), "audit": 1}
        if isinstance(case.path_parameters, dict):
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})


@contextmanager
def requests() -> Iterator[Requests]:
    """Quiet, with streams that end at once and as many sign-ins as anybody likes."""
    quiet = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        with (
            mock.patch("backend.api.events.STREAM_SECONDS", 0.01),
            mock.patch("backend.api.sessions.MOST_OF_ONE", 10**9),
            mock.patch("backend.api.sessions.MOST_OF_ALL", 10**9),
            tempfile.TemporaryDirectory() as folder,
        ):
            yield Requests(Path(folder))
    finally:
        structlog.configure(**quiet)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    until = time.monotonic() + parser.parse_args().seconds
    with requests() as made:
        for number in itertools.count():
            for operation, mode in itertools.product(made.operations, GenerationMode):
                if time.monotonic() >= until:
                    print(f"{made.statuses.total()} requests from the API's description, {len(made.failures)} failures")
                    for operation_label, what in made.failures:
                        print(f"{operation_label}: {what}")
                    return 1 if made.failures else 0
                made.make(operation, mode, 5 if operation.definition.raw["operationId"] in LARGE else 50, number)
    return 1


if __name__ == "__main__":
    sys.exit(main())
