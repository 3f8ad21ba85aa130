"""A whole task under each mechanism: the same processes, phones and auditor, and the figure that is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import KeptDemo, run_demo_command

SHOWN = {
    "client": "of one household",
    "distributed": "all assumed to be honest",
    "correlated": "of one example",
    "features": "NO guarantee",
}


@pytest.mark.parametrize("mechanism", sorted(SHOWN))
def test_a_mechanism_from_end_to_end(mechanism: str, tmp_path: Path, kept_demo: KeptDemo) -> None:
    kept = run_demo_command(tmp_path / mechanism, "--mechanism", mechanism)
    assert (kept_demo.figures["mechanism"], kept.figures["mechanism"]) == ("example", mechanism)
    assert (kept.figures["audit"]["verdict"], kept.figures["all_claimed"]) == ("PASS", True)
    assert kept.figures["audit"]["checks"] == kept_demo.figures["audit"]["checks"]
    assert SHOWN[mechanism] in kept.figures["privacy"][0]
    assert len(kept.figures["accuracy"]) == len(kept_demo.figures["accuracy"])
