"""The benchmark's arithmetic, its words, and one tiny run. No timing is asserted anywhere."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from protocol.encryption.fe64 import compiled as fe64_compiled
from protocol.encryption.pad import compiled as pad_compiled
from protocol.encryption.suite import FE64, prepare
from protocol.errors import EncryptionError
from protocol.streams import KeyStream
from scripts.bench import environments, machine, page, streams, targets, timing
from scripts.bench.environments import Peer, measure_peer
from scripts.bench.ours import FE64_SYSTEM, SYSTEMS, Round, System, measure_server
from scripts.bench.peers.measurement import check_error
from scripts.bench.ratios import beside, ratios
from scripts.bench.spot_audit import Audit
from scripts.bench.streaming import expected_sum
from scripts.bench.streaming_parties import patterns
from scripts.bench.systems import peer_row, row
from scripts.bench.timing import Enough, Timing, alternate, repeat
from scripts.bench.workload import Workload, heaviest_for
from scripts.checks import locked_environment
from scripts.checks.locked_environment import ProgramMissingError, reason_of
from scripts.cli import app

NAMED_BY_THE_ISSUE = {"machine", "read_bandwidth_gb_s", "systems", "ratios", "bandwidth_fraction"}
NAMED_OF_A_SYSTEM = {
    *("name", "suite", "clients", "dimension", "client_ms", "bytes_per_coordinate", "server_ms", "authority_ms"),
    *("functional_key_bytes", "exact", "extrapolated"),
}


def _measured(dimension: int) -> dict[str, Any]:
    timing = {"minimum": 2.0, "median": 3.0, "repetitions": 5}
    return {
        "suite": "a suite",
        "dimension": dimension,
        "bytes_per_client": 50 * dimension,
        "timings": {"client_ms": timing, "server_ms": timing, "authority_ms": timing},
        "error": 0,
        "tolerance": 0,
        "versions": {"library": "1"},
        "functional_key_bytes": None,
        "rounds": 1,
        "notes": "a note",
    }


def test_a_peer_that_ran_the_whole_size_is_not_extrapolated() -> None:
    whole = peer_row("x", 10, 400, _measured(400))
    assert (whole["client_ms"], whole["client_ms_median"], whole["extrapolated"]) == (2, 3, False)


def test_a_peer_that_ran_a_part_is_extrapolated_and_its_key_is_not() -> None:
    part = peer_row("x", 10, 400, _measured(4))
    assert (part["client_ms"], part["server_ms"], part["extrapolated"]) == (200, 200, True)
    assert (part["authority_ms"], part["bytes_per_coordinate"], part["measured_dimension"]) == (2, 50, 4)


def test_ratios_are_the_peers_best_over_our_best() -> None:
    ours = row("FE64", "s", 10, 400, {"client_ms": Timing(0.5, 9, 5), "server_ms": Timing(0.25, 9, 5)}, 4, 1)
    peer = peer_row("x", 10, 400, _measured(400)) | {"server_weighted_ms": 8.0, "beside": beside(ours)}
    assert ratios([peer]) == {"x": {"client": 4, "bytes": 12.5, "server": 8, "server_weighted": 32}}


def test_a_wrong_result_has_no_timing() -> None:
    with pytest.raises(ArithmeticError):
        repeat(lambda: 3.0, lambda error: void(check_error(error, 2)))
    with pytest.raises(ArithmeticError):
        check_error(float("nan"), 2)


def void(_: object) -> None:
    """Checks return nothing."""


def test_the_decrypted_sum_is_compared_with_the_plain_one() -> None:
    played = Round(FE64_SYSTEM, FE64_SYSTEM.workload(3, 20))
    assert np.array_equal(played.expected, Workload(3, 20, 16, 20).weighted_sum)
    played.expected[7] += 1
    with pytest.raises(ArithmeticError):
        measure_server(played, 1)


@pytest.mark.parametrize("clients", [3, 100, 127, 1000, 2000])
def test_weights_stay_within_the_budget_of_16_bits(clients: int) -> None:
    weights = Workload(clients, 1, heaviest=heaviest_for(clients)).weights
    assert sum(weights) <= 2045
    assert min(weights) == 1


def _report(**sections: Any) -> dict[str, Any]:
    return {"systems": [], "ratios": {}, **sections}


def test_targets_hold_at_their_size_only() -> None:
    for size, measured in (((100, 100_000), 1.0), ((100, 1000), None)):
        report = _report(systems=[row(targets.PAD4, "PAD/1", *size, {}, 4, 1, client_over_streams=1.0)])
        assessed = {target["what"]: target for target in targets.assess(report)}
        assert assessed["PAD client, w=4, (5,2), 100 k, the same"]["measured"] == measured
        assert assessed["PAD client, w=4, (5,2), 100 k, the same"]["met"] is (None if measured is None else True)


def test_no_promise_is_a_time() -> None:
    """What a slower machine could not keep is not promised."""
    assert {target.unit for target in targets.TARGETS} <= {"", "x", "bytes", "bytes/coordinate", "MB"}


class Recorded(KeyStream):
    """Notes what is read of every stream."""

    read_of: ClassVar[list[streams.Stream]] = []

    def __init__(self, key: bytes, offset: int = 0) -> None:
        super().__init__(key, offset)
        self._number = len(self.read_of)
        self.read_of.append(streams.Stream(len(key), ()))

    def fill(self, target: npt.NDArray[Any]) -> None:
        super().fill(target)
        noted = self.read_of[self._number]
        self.read_of[self._number] = replace(noted, pieces=(*noted.pieces, target.nbytes))


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
@pytest.mark.parametrize("dimension", [1, 8192, 20_000])
def test_the_streams_alone_are_those_that_the_scheme_reads(
    system: System, dimension: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more, so that no promise is easy to keep, and no less; by the compiled loops, which are what is measured."""
    prepare()
    played = Round(system, Workload(2, dimension, system.bits))
    entries, values = played.entries(1), played.workload.values(0)

    def read(work: Callable[[], object]) -> Counter[streams.Stream]:
        Recorded.read_of = []
        work()
        return Counter(Recorded.read_of)

    for module in (streams, fe64_compiled, pad_compiled):
        monkeypatch.setattr(module, "KeyStream", Recorded)
    needed = streams.client_streams(system, dimension)
    block_bytes = played.encoding.block_bytes
    of_client = read(lambda: played.encrypt(0, values))
    assert of_client == Counter(needed)
    assert of_client == read(lambda: streams.make_and_digest(needed, played.bodies[0], block_bytes))
    held = streams.authority_streams(system, 2, dimension)
    of_authority = read(lambda: played.partial_key(1, entries))
    assert sum(of_authority.values()) <= len(held) * (1 if system.suite == FE64 else 2)  # PAD: one a thread
    assert _bytes(of_authority) == _bytes(Counter(held)) == _bytes(read(lambda: streams.make(held)))


def _bytes(read: Counter[streams.Stream]) -> int:
    return sum(stream.size * count for stream, count in read.items())


@pytest.mark.parametrize(("each", "runs"), [(0.3, 3), (0.125, 4), (0.0625, 8)])
def test_runs_are_as_many_and_as_long_as_is_asked_for(each: float, runs: int) -> None:
    enough, counted = Enough(3), 0
    while not enough:
        enough.count(each)
        counted += 1
    assert counted == runs


def test_a_yardstick_runs_before_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LEAST_SECONDS", 0)
    order: list[str] = []
    ours, alone = alternate(lambda: order.append("ours"), lambda: order.append("alone"), void, 3)
    assert order == ["alone", "ours"] * 3
    assert alone.repetitions == ours.repetitions == 3


@pytest.mark.parametrize("bodies", [1, 3, 4, 7, 66, 131])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_reader_reads_every_word_once(bodies: int, threads: int) -> None:
    words = np.random.default_rng(bodies).integers(0, 2**63, (bodies, 16_384 + 1001), np.uint64)
    with machine.Reader([body.data for body in words], threads) as reader:
        reader.read()
        words[-1, -1] += 1
        with pytest.raises(ArithmeticError):
            reader.read()


@pytest.mark.parametrize(("measured", "met", "aim_met"), [(0.59, False, False), (0.6, True, False), (0.95, True, True)])
def test_a_promise_kept_and_missed(measured: float, met: bool, aim_met: bool) -> None:
    assessed = targets.assess(_report(large={"aggregate": measured}))
    assert (assessed[0]["met"], assessed[0]["aim_met"]) == (met, aim_met)
    assert targets.missed(assessed) == ([] if met else [assessed[0]["what"]])


def test_less_is_better_where_it_says_so() -> None:
    assessed = {t["what"]: t for t in targets.assess(_report(spot_audit={"ratio": 0.11}))}
    assert assessed["spot audit of 8 blocks over full verification"]["met"] is False


INTERPRETER_WITHOUT_INDEX = """#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; exit; fi
echo "ERROR: No matching distribution found for broken at https://index.example/broken" >&2; exit 1
"""


def test_a_peer_that_cannot_be_installed_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.txt").write_text("broken==1\n")
    python = tmp_path / "python"
    python.write_text(INTERPRETER_WITHOUT_INDEX)
    python.chmod(0o700)
    monkeypatch.setattr(locked_environment, "_LOCKS", tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(environments, "PEERS", {"broken": Peer("Broken", "broken", "broken")})
    with pytest.raises(ProgramMissingError) as missing:
        measure_peer("broken", 3, 10)
    assert str(missing.value) == "the installation failed: ERROR: No matching distribution found for broken at …"


def test_a_reason_names_no_address_and_no_path() -> None:
    errors = "Traceback\nERROR: no matching distribution at https://index.example/simple for /tmp/x/y thing\n  tail\n"
    assert reason_of(errors) == "ERROR: no matching distribution at … for … thing"
    assert reason_of("\n") == ""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command writes for three clients; one peer is asked for that nobody has."""
    patch = pytest.MonkeyPatch()
    patch.setattr(machine, "BUFFER_BYTES", 1 << 20)
    patch.setattr(timing, "LEAST_SECONDS", 0)
    file = tmp_path_factory.mktemp("bench") / "out.json"
    arguments = ["--clients", "3", "--dimension", "500", "--no-large", "--peers", "nobody", "--json", str(file)]
    answer = CliRunner().invoke(app, ["bench", "encryption", *arguments])
    patch.undo()
    assert answer.exit_code == 0, answer.output
    assert "missing peer nobody" in answer.output
    result: dict[str, Any] = json.loads(file.read_text())
    return result


def test_a_tiny_run_has_every_key_and_is_exact(tiny: dict[str, Any]) -> None:
    assert set(tiny) >= NAMED_BY_THE_ISSUE
    assert tiny["read_bandwidth_gb_s"] > 0
    for system in tiny["systems"]:
        assert set(system) >= NAMED_OF_A_SYSTEM
        assert system["exact"] is True
        assert system["extrapolated"] is False
        assert min(system["client_ms"], system["server_ms"], system["authority_ms"]) > 0
        assert system["client_ms_repetitions"] >= 5
    assert tiny["systems"][0]["functional_key_bytes"] == 49_152


def test_the_page_names_missing_peers_and_missed_targets(tiny: dict[str, Any]) -> None:
    missed = targets.assess(_report(large={"aggregate": 0.5}))
    text = page.page(tiny | {"targets": missed}, {})
    assert "* nobody is **missing**: no such peer" in text
    assert "| ≥ 0.6 | 0.8 | 0.5 |  | MISSED |" in text
    what = missed[0]["what"]
    assert page.unexplained({"targets": missed}, {}) == [what]
    assert page.unexplained({"targets": missed}, {what: "because"}) == []
    assert page.surplus({"targets": missed}, {what: "because", "another": "for no reason"}) == ["another"]
    assert f"**Missed: {what}.** because" in page.page(tiny | {"targets": missed}, {what: "because"})


def test_both_audits_pass_and_both_notice_another_sum() -> None:
    played = Round(FE64_SYSTEM, FE64_SYSTEM.workload(3, 20_000))  # three blocks, all of them audited
    audit = Audit(played)
    audit.full()
    audit.spot()
    played.expected[-1] += 1
    for check, error in ((audit.full, ArithmeticError), (audit.spot, EncryptionError)):
        with pytest.raises(error):
            check()


def test_what_the_streamed_clients_send_adds_up_to_what_is_expected() -> None:
    sent = patterns(5)
    assert np.array_equal(expected_sum(40, 5), sum(sent[client % len(sent)] for client in range(40)))
