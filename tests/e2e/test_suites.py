"""A whole task with the one-time-pad suite: the same processes, phones and auditor, another encryption."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import KeptDemo, run_demo_command


def test_pad_from_end_to_end(tmp_path: Path, kept_demo: KeptDemo) -> None:
    kept = run_demo_command(tmp_path / "pad", "--suite", "pad")
    assert (kept.figures["suite"], kept_demo.figures["suite"]) == ("PAD/1", "FE64-A/1")
    assert (kept.figures["audit"]["verdict"], kept.figures["all_claimed"]) == ("PASS", True)
    assert kept.figures["audit"]["checks"] == kept_demo.figures["audit"]["checks"]
    # four bytes for each coordinate with both suites, in blocks of the same size, and the suite's own header
    sizes = [run.figures["ciphertext_bytes_per_update"] for run in (kept, kept_demo)]
    assert abs(sizes[0] - sizes[1]) < 64 and min(sizes) > kept.figures["dense_bytes_per_update"] / 10
    assert len(kept.figures["accuracy"]) == len(kept_demo.figures["accuracy"])
