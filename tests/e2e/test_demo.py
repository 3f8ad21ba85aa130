"""The demonstration as its user runs it: figures, repetition by seed, and the audit of what it keeps."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from protocol.audit.issued_checks import NOT_ASKED
from protocol.canonical import decode
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES, KeyEnvelope
from protocol.encryption.suite import FE64
from protocol.errors import MalformedError
from protocol.messages.chain import (
    BondPlaced,
    BondReturned,
    DirectCommitted,
    Refunded,
    RoundPublished,
    TaskPosted,
)
from scripts.demonstration.presets import DEMO_REPUTATION, DEMO_REWARDS
from scripts.demonstration.stage import AUTHORITIES
from scripts.demonstration.task import THRESHOLD
from scripts.launcher import hearth_command
from tests.e2e.conftest import CLIENTS, ROUNDS, SEED, KeptDemo, run_demo_command

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "demonstration.md").read_text()
WHAT = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)  # first column, where it begins with a figure's name
MAY_DIFFER = {name for cell in WHAT for name in re.findall(r"`(\w+)`", cell)}
KEYS = {
    *("dataset", "partition", "persistence"),
    *("clients", "rounds", "seed", "seconds", "accuracy", "epsilon", "delta", "accountant"),
    *(
        "bytes_per_update",
        "ciphertext_bytes_per_update",
        "dense_bytes_per_update",
        "gas_per_round",
        "gas_per_update",
        "gas_per_update_all_in",
    ),
    *("rewards", "participation", "contribution", "refund", "reputation", "all_claimed"),
    *("edge_fees", "authority_fees", "compensated"),
    *("audit", "suite", "chain", "store", "phone_megabytes", "phone_start_seconds"),
}


def test_figures_are_complete_and_consistent(kept_demo: KeptDemo) -> None:
    figures = kept_demo.figures
    assert set(figures) >= KEYS
    assert (figures["dataset"], figures["clients"], figures["rounds"], figures["seed"]) == (
        "digits", CLIENTS, ROUNDS, SEED,
    )  # fmt: skip
    assert len(figures["accuracy"]) == ROUNDS
    assert figures["all_claimed"] is True
    assert figures["audit"]["verdict"] == "PASS"
    assert figures["audit"]["failed"] == 0
    assert figures["audit"]["checks"] > 50
    assert len(figures["rewards"]) == len(figures["reputation"]) == CLIENTS
    assert len(set(figures["rewards"].values())) == 1
    assert set(figures["participation"].values()) == {ROUNDS * DEMO_REWARDS.participation}
    shares = zip(figures["participation"].values(), figures["contribution"].values(), strict=True)
    assert [sum(pair) for pair in shares] == list(figures["rewards"].values())
    assert all(0 < wei <= ROUNDS * DEMO_REWARDS.contribution for wei in figures["contribution"].values())
    assert figures["edge_fees"] == ROUNDS * DEMO_REWARDS.edge_fee
    assert figures["compensated"] == 0
    issued, rest = divmod(figures["authority_fees"], ROUNDS * DEMO_REWARDS.authority_fee)
    assert THRESHOLD[FE64] <= issued <= AUTHORITIES, "whose shares made a key, on average"
    assert rest % DEMO_REWARDS.authority_fee == 0
    assert set(figures["reputation"].values()) == {min(DEMO_REPUTATION.maximum, DEMO_REPUTATION.initial + ROUNDS)}


def test_the_manufacturer_takes_back_what_nobody_earned_and_the_audit_knows(kept_demo: KeptDemo) -> None:
    posted = [event for event in kept_demo.reader.events() if isinstance(event, TaskPosted)]
    refunds = [event for event in kept_demo.reader.events() if isinstance(event, Refunded)]
    figures = kept_demo.figures
    paid = sum(figures["rewards"].values()) + figures["edge_fees"] + figures["authority_fees"]
    assert kept_demo.figures["refund"] == sum(event.amount for event in refunds) == posted[0].escrow - paid > 0
    assert kept_demo.reader.balance(kept_demo.domain.ledger) == 0
    table = kept_demo.output.partition("Where the escrow went")[2]
    *shares, whole = [int(line.split("│")[2].replace(",", "")) for line in table.splitlines() if line.startswith("│")]
    assert whole == posted[0].escrow == sum(shares)
    assert shares[-1] == figures["refund"]


def test_every_bond_is_back_and_the_authorities_were_asked_what_they_issued(kept_demo: KeptDemo) -> None:
    placed, returned = (
        [(event.holder, event.amount) for event in kept_demo.reader.events() if isinstance(event, kind)]
        for kind in (BondPlaced, BondReturned)
    )
    assert placed == returned == [(kept_demo.reader.task(1).edge_server, CLIENTS * DEMO_REWARDS.participation)]
    verdict = json.loads((kept_demo.folder / "auditor" / "verdict.json").read_text())
    assert NOT_ASKED not in json.dumps(verdict)
    assert f"{AUTHORITIES} of {AUTHORITIES} authorities told of keys" in json.dumps(verdict)


def test_sizes_gas_and_privacy_are_within_reason(kept_demo: KeptDemo) -> None:
    figures = kept_demo.figures
    dense = figures["dense_bytes_per_update"]
    assert figures["ciphertext_bytes_per_update"] < dense / 3
    assert figures["ciphertext_bytes_per_update"] < figures["bytes_per_update"] <= dense * 0.75
    assert figures["gas_per_update_all_in"] > figures["gas_per_update"] > 0
    assert 0 < figures["epsilon"] < 8


def test_a_phone_with_a_linear_model_is_small(kept_demo: KeptDemo) -> None:
    """Resident at its peak, shared files included: what each would need alone. One of them sends transactions."""
    reports = [
        json.loads((kept_demo.folder / f"client-{number:02d}" / "report.json").read_text()) for number in range(CLIENTS)
    ]
    peaks = [report["peak_megabytes"] for report in reports]
    assert kept_demo.figures["phone_megabytes"] == round(max(peaks), 1)
    assert min(peaks) > 30, "numpy alone needs that much"
    assert max(peaks) < 150
    assert kept_demo.figures["phone_start_seconds"] == max(report["start_seconds"] for report in reports) > 0


def test_phones_are_shown_their_place_in_the_plan(kept_demo: KeptDemo) -> None:
    """One that is not derives the cohort from all there is. A slow machine may be late once, and not for everybody."""
    logs = [(kept_demo.folder / f"client-{number:02d}" / "log").read_text() for number in range(CLIENTS)]
    assert sum(log.count("too few authorities endorse the cohort") for log in logs) < CLIENTS * ROUNDS


def test_the_censored_client_commits_by_itself_and_is_paid(kept_demo: KeptDemo) -> None:
    directs = [event for event in kept_demo.reader.events() if isinstance(event, DirectCommitted)]
    assert [event.round for event in directs] == list(range(1, ROUNDS + 1))
    assert len({event.client for event in directs}) == 1
    assert kept_demo.figures["rewards"]["0x" + directs[0].client.hex()] > 0


def test_a_seed_repeats_all_but_what_the_page_lists(kept_demo: KeptDemo, tmp_path: Path) -> None:
    """On another terminal too: the second run has a narrow one, without letters for lines."""
    again = run_demo_command(tmp_path / "again", COLUMNS="40", PYTHONIOENCODING="ascii")
    differing = {name for name, figure in again.figures.items() if figure != kept_demo.figures[name]}
    assert {"seconds", "bytes_per_update", "gas_per_update_all_in"} <= MAY_DIFFER <= set(again.figures)
    assert differing <= MAY_DIFFER
    models = [[e.model for e in demo.reader.events() if isinstance(e, RoundPublished)] for demo in (kept_demo, again)]
    assert models[0] == models[1]
    assert _ciphertexts(again) == _ciphertexts(kept_demo)
    (contents, envelopes), (contents_again, envelopes_again) = _stored(kept_demo), _stored(again)
    assert contents == contents_again, "of the content store, all but the envelopes"
    assert sorted(envelopes) == sorted(envelopes_again), "which hold the same keys for the same authorities"
    assert len(envelopes) == CLIENTS and len(contents) > ROUNDS * CLIENTS
    figures = [f"{accuracy:.4f}" for accuracy in again.figures["accuracy"]] + [f"{again.figures['refund']:,}"]
    assert all(figure in again.output.split() for figure in figures), again.output


def test_kept_evidence_is_audited_by_the_printed_command(kept_demo: KeptDemo) -> None:
    command = next(line for line in kept_demo.output.splitlines() if line.strip().startswith("hearth audit"))
    ran = subprocess.run([*hearth_command(), *shlex.split(command)[1:]], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "FAIL" not in ran.stdout


def test_a_changed_ciphertext_is_the_stores_fault_and_proves_nothing_of_the_task(
    kept_demo: KeptDemo, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(kept_demo.folder / "store", store)
    body = max((path for path in store.rglob("*") if path.is_file()), key=lambda path: path.name)
    data = bytearray(body.read_bytes())
    data[len(data) // 2] ^= 1
    body.chmod(0o600)
    body.write_bytes(data)
    verdict = tmp_path / "verdict.json"
    ran = subprocess.run(
        [
            *(*hearth_command(), "audit", "--evidence", str(kept_demo.folder / "evidence.json")),
            *("--store", str(store), "--ledger", str(kept_demo.domain), "--task", "1"),
            *("--json", str(verdict), "--block", kept_demo.block),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 3, ran.stdout + ran.stderr
    answer = json.loads(verdict.read_text())
    assert (answer["verdict"], answer["failed"]) == ("UNKNOWN", 0)
    assert any("(fault: content store)" in line for line in answer["lines"])


def _ciphertexts(demo: KeptDemo) -> set[str]:
    bodies = demo.folder.glob("client-*/state/**/body-*")
    return {f"{path.parts[-3:]} {path.read_bytes().hex()}" for path in bodies}


def _stored(demo: KeptDemo) -> tuple[set[str], list[tuple[object, ...]]]:
    """Names of what is no envelope, and of each envelope what its owner chose."""
    names, envelopes = set[str](), list[tuple[object, ...]]()
    for path in (demo.folder / "store").iterdir():
        try:
            envelope = decode(KeyEnvelope, path.read_bytes(), MAX_ENVELOPE_BYTES)
        except MalformedError:
            names.add(path.name)
        else:
            sealed = tuple(share.authority for share in envelope.shares)
            envelopes.append((envelope.client, envelope.window, envelope.commitments, sealed))
    return names, envelopes
